"""YAML files that people write: settings, recipes, faults, scenarios."""

from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.core.errors import SettingsError


def read_yaml(path: Path) -> Any:
    """What a file holds; None for an empty one.

    Raises:
        SettingsError: it cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML ({error})") from None
