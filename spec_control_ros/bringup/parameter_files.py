"""Parameter files read without ROS, as its nodes read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError

Parameters = dict[str, dict[str, Any]]  # by node; nested settings are nested mappings


def read_parameters(files: Sequence[Path]) -> Parameters:
    """The parameters of every node; a later file wins over an earlier one.

    Raises:
        SettingsError: a file cannot be read or is no parameter file.
    """
    merged: Parameters = {}
    for path in files:
        merged = merge(merged, _read(path))
    return merged


def write_parameters(path: Path, parameters: Parameters) -> None:
    """Write a file that `read_parameters` and ROS read back."""
    content = {node: {"ros__parameters": values} for node, values in parameters.items()}
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, nested mappings merged; `over` wins."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _read(path: Path) -> Parameters:
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: got a {type(content).__name__}, expected nodes by name")
    for node, body in content.items():
        if not isinstance(body, dict) or not isinstance(body.get("ros__parameters"), dict):
            raise SettingsError(f"{path}: {node}: expected `ros__parameters:` with parameters below it")
    return {node: nested(body["ros__parameters"]) for node, body in content.items()}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as nested mappings: ROS takes `gate.accept: 0.1` for `gate: {accept: 0.1}`."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        first, _, rest = str(name).partition(".")
        inner = {rest: value} if rest else value
        made = merge(made, {first: nested(inner) if isinstance(inner, Mapping) else inner})
    return made
