"""YAML files that people write: settings, recipes, faults, scenarios, and parameters of ROS."""

import re
from math import isinf
from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.core.errors import SettingsError

TRUE = {"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
FALSE = {"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
HEXADECIMAL_FLOAT = re.compile(r"[+-]?0[xX][0-9a-fA-F.]+([pP][+-]?\d+)?")
NO_NUMBER = re.compile(r"[+-]?\.?(nan|inf|infinity)", re.IGNORECASE)
LARGEST_INTEGER = 2**63 - 1
PLAIN = "!plain"  # tag of a scalar without quotes
# libyaml's parser reads a robot's file ten times as fast; a PyYAML that was built without it has its own alone.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]
    """Refuses a key that is there twice: the value of the first one would be lost without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """As PyYAML's."""
        refuse_doubles(node)
        return super().construct_mapping(node, deep)


def refuse_doubles(mapping: Any) -> None:
    """Look at the keys of a YAML mapping.

    Raises:
        yaml.YAMLError: one is there twice.
    """
    seen: set[str] = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key.value!r} is there twice", key.start_mark
            )
        seen.add(key.value)


def read_yaml(path: Path, loader: Any = _StrictLoader) -> Any:
    """What a file holds; None for an empty one.

    Raises:
        SettingsError: it cannot be read, or is not YAML.
    """
    try:
        return yaml.load(path.read_text(), loader)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML ({error})") from None


def _whole(text: str) -> int:
    digits = text.lstrip("+-")
    is_octal = len(digits) > 1 and digits[1] not in "xX" and digits[0] == "0"
    return int(text, 8 if is_octal else 0)


class RosLoader(_Loader):  # type: ignore[misc]
    """Makes values of scalars as rcl does, which takes other words for numbers and truth values than PyYAML does.

    Keys are text, whatever they look like.
    """

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Tell a scalar without quotes from one with."""
        is_plain = kind is yaml.ScalarNode and implicit[0]
        return PLAIN if is_plain else super().resolve(kind, value, implicit)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """By the text of the keys."""
        refuse_doubles(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _plain(loader: Any, node: Any) -> Any:
    """What a scalar without quotes stands for: true, false, a whole number, a float, or the text; None for no text."""
    text = loader.construct_scalar(node)
    if not text:
        return None
    if text in TRUE or text in FALSE:
        return text in TRUE
    if INTEGER.fullmatch(text) and abs(whole := _whole(text)) <= LARGEST_INTEGER:
        return whole
    if NO_NUMBER.fullmatch(text):
        return float(text.replace(".", ""))
    if FLOAT.fullmatch(text) and not isinf(number := float(text)):
        return number
    return float.fromhex(text) if HEXADECIMAL_FLOAT.fullmatch(text) else text


RosLoader.add_constructor(PLAIN, _plain)
