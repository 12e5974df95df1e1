"""Settings of an expert's run, as a YAML file has them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import settings_from
from tools.expert.curriculum import EpisodeStart, Stage
from tools.expert.refinement import RefinementSettings
from tools.expert.settings import ExpertSettings


def read_recipe(path: Path) -> ExpertSettings:
    """The settings in a file: fields of `ExpertSettings`, `stages` by name in their order, `starts` by kind.

    Raises:
        SettingsError: the file cannot be read, or holds what the settings do not allow.
    """
    values = read_yaml(path)
    try:
        values = dict(_mapping(values, "recipe"))
        stages = _mapping(values.pop("stages", {"own": {}}), "stages")
        settings = settings_from(ExpertSettings, values)
        return replace(settings, stages=tuple(_stage(name, of) for name, of in stages.items()))
    except SettingsError as error:
        raise SettingsError(f"recipe {path}: {error}") from None


def read_refinement(path: Path) -> RefinementSettings:
    """The settings in a file: fields of `RefinementSettings`.

    Raises:
        SettingsError: the file cannot be read, or holds what the settings do not allow.
    """
    values = read_yaml(path)
    try:
        return settings_from(RefinementSettings, _mapping(values, "recipe"))
    except SettingsError as error:
        raise SettingsError(f"recipe {path}: {error}") from None


def _stage(name: str, values: Any) -> Stage:
    prefix = f"stages.{name}."
    fields = dict(_mapping(values, prefix[:-1]))
    starts = _mapping(fields.pop("starts", {"own": {}}), f"{prefix}starts")
    made = tuple(_start(kind, of, f"{prefix}starts.{kind}.") for kind, of in starts.items())
    return settings_from(Stage, fields | {"name": name, "starts": made}, prefix)


def _start(kind: str, values: Any, prefix: str) -> EpisodeStart:
    return settings_from(EpisodeStart, {**_mapping(values, prefix[:-1]), "kind": kind}, prefix)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{name}: got {value!r}, expected settings by name")
    return value
