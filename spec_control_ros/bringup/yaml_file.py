"""YAML files that people write: settings, recipes, faults, scenarios."""

from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.core.errors import SettingsError


class _StrictLoader(yaml.SafeLoader):
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


def read_yaml(path: Path, loader: type[yaml.SafeLoader] = _StrictLoader) -> Any:
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
