"""Messages from their serialized form, by the definitions that the bag itself holds."""

from functools import lru_cache
from typing import Any

from rosbags.typesys import get_types_from_idl, get_types_from_msg
from rosbags.typesys.store import Typestore
from rosbags.typesys.stores import empty

from spec_control_ros.analysis.bag.compression import Damage
from spec_control_ros.analysis.bag.contents import Definition

MAX_DEFINITION = 10**6  # characters
MAX_SEQUENCE = 10**7  # entries of a field


def decode(type_name: str, data: bytes, definition: Definition | None) -> Any:
    """A message with its fields as attributes, by the definition of its type alone.

    Raises:
        Damage: its definition is damaged or missing, or the message is damaged.
    """
    store = _store(type_name, definition)
    if isinstance(store, str):
        raise Damage(store)
    try:
        return store.deserialize_cdr(data, type_name)
    except Exception as error:  # code that `rosbags` generates meets arbitrary bytes here
        raise Damage(f"damaged {type_name} ({error})") from None


@lru_cache(maxsize=256)
def _store(type_name: str, definition: Definition | None) -> Typestore | str:
    """What decodes a type, or why there is nothing that could; parsing takes a tenth of a second."""
    encoding, text = definition or ("", "")
    if not text:
        return f"there is no definition of {type_name}"
    if len(text) > MAX_DEFINITION:
        return f"the definition of {type_name} is longer than {MAX_DEFINITION} characters"
    store = Typestore(empty, max_sequence_length=MAX_SEQUENCE)
    is_idl = encoding == "ros2idl"
    try:
        store.register(get_types_from_idl(text) if is_idl else get_types_from_msg(text, type_name))
        store.get_msgdef(type_name)
    except Exception as error:  # the text may be anything
        return f"the definition of {type_name} is damaged ({error})"
    return store
