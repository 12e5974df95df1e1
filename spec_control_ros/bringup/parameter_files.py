"""Parameter files as ROS matches them to nodes, but strictly: no section is passed over without a word."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.bringup.yaml_file import RosLoader, read_yaml
from spec_control_ros.core.errors import SettingsError

NODES = (
    "planner",
    "executor",
    "sim_bridge",
    "hardware_bridge",
    "hardware_emulator",
    "recorder",
    "network_relay",
)
KEY = re.compile(r"/?(\w+|\*\*?)(/(\w+|\*\*?))*")
Parameters = dict[str, dict[str, Any]]  # by node; nested settings are nested mappings


@dataclass(frozen=True, slots=True)
class Section:
    """What a file says to the nodes that its key matches."""

    key: str  # as written: executor (the same as /executor), /**/executor, /left/*, /**
    values: dict[str, Any]  # by dotted name

    @property
    def name(self) -> str:
        """Of the node, without its namespace; `*` or `**` for any node."""
        return self.key.rpartition("/")[2]

    def matches(self, node: str) -> bool:
        """Whether ROS applies it to a node, by its fully qualified name as in `/left/executor`."""
        pattern = f"/{self.key.lstrip('/')}".replace("/*", r"(/\w+)")  # so /** becomes (/\w+)*
        return re.fullmatch(pattern, node) is not None


@dataclass(frozen=True, slots=True)
class _ParameterFile:
    """A parameter file, which the nodes of a system have in common."""

    path: Path
    sections: tuple[Section, ...]

    def sections_for(self, node: str, kind: str) -> list[Section]:
        """Those that ROS applies to a node, in their order; none where all are for other nodes of the system.

        Args:
            node: Fully qualified name of the node, as in `/left/executor`.
            kind: Default name of the node, one of `NODES`.

        Raises:
            SettingsError: what is said about such a node is not said to this one, or nothing is for any node we know.
        """
        name = node.rpartition("/")[2]
        own = [section for section in self.sections if section.matches(node)]
        meant = [section for section in self.sections if section.name in (kind, name)]
        is_missed = bool(meant) and not any(section in own for section in meant)
        if is_missed or (not own and self.strangers):
            raise SettingsError(
                f"{self.path}: got {_listed(meant or self.sections)}, which ROS does not apply to the node {node}; "
                f"expected a section `/**/{name}:`, which is for {name} in any namespace, or `{node}:`"
            )
        return own

    @property
    def strangers(self) -> list[Section]:
        """Sections for nodes that the system does not have."""
        return [s for s in self.sections if s.name not in NODES and not s.name.startswith("*")]


def read_file(path: Path) -> _ParameterFile:
    """A parameter file.

    Raises:
        SettingsError: it cannot be read or is no parameter file.
    """
    content = read_yaml(path, RosLoader) or {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: got a {type(content).__name__}, expected nodes by name")
    return _ParameterFile(path, tuple(_sections(path, content, "")))


def read_system_file(path: Path) -> _ParameterFile:
    """A parameter file that is for the nodes of the system alone.

    Raises:
        SettingsError: it cannot be read, is no parameter file, or has a section for a node that the system lacks.
    """
    file = read_file(path)
    if file.strangers:
        known = ", ".join(f"/**/{name}" for name in NODES)
        raise SettingsError(
            f"{path}: got {_listed(file.strangers)}, but the system has no such node; expected one of {known}, or /**"
        )
    return file


def read_parameters(files: Sequence[Path]) -> Parameters:
    """The parameters of every node in no namespace that any file has some for; a later file wins over an earlier one.

    Raises:
        SettingsError: a file cannot be read or is no parameter file, or has a section that is for none of the nodes.
    """
    merged: Parameters = {}
    for file in map(read_system_file, files):
        for kind in NODES:
            for section in file.sections_for(f"/{kind}", kind):
                merged = merge(merged, {kind: nested(section.values)})
    return merged


def parameter_text(parameters: Parameters) -> str:
    """A parameter file that `read_parameters` reads back, and that nodes take in any namespace."""
    content = {f"/**/{node}": {"ros__parameters": values} for node, values in parameters.items()}
    return yaml.dump(content, Dumper=_PlainDumper, sort_keys=False)


def write_parameters(path: Path, parameters: Parameters) -> None:
    """Write `parameter_text` into a file."""
    path.write_text(parameter_text(parameters))


class _PlainDumper(yaml.SafeDumper):
    """Writes no anchors, which rcl does not read."""

    def ignore_aliases(self, data: Any) -> bool:
        """As PyYAML's."""
        return True


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, nested mappings merged; `over` wins."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as nested mappings: ROS takes `gate.accept: 0.1` for `gate: {accept: 0.1}`."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        first, _, rest = str(name).partition(".")
        inner = {rest: value} if rest else value
        made = merge(made, {first: nested(inner) if isinstance(inner, Mapping) else inner})
    return made


def flat(values: Mapping[str, Any], prefix: str = "", where: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names.

    Raises:
        SettingsError: a name has no value, or is there twice, dotted and nested: one of the values would be lost
            without a word.
    """
    made: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == {}:
            raise SettingsError(f"{where}{prefix}{name}: got nothing, expected a value")
        is_nested = isinstance(value, Mapping)
        added = flat(value, f"{prefix}{name}.", where) if is_nested else {prefix + name: value}
        for one, other in product(made, added):
            if one == other or one.startswith(f"{other}.") or other.startswith(f"{one}."):
                both = one if one == other else f"{one} and {other}"
                raise SettingsError(
                    f"{where}{both}: got two values for the same name, expected one (`a.b: 1` is the same as "
                    "`a: {b: 1}`)"
                )
        made |= added
    return made


def _sections(path: Path, content: Mapping[str, Any], prefix: str) -> list[Section]:
    """Those below a namespace; `left: {executor: ...}` is the same as `left/executor: ...`."""
    found: list[Section] = []
    for name, body in content.items():
        key = prefix + name
        values = body.get("ros__parameters") if isinstance(body, dict) else None
        if KEY.fullmatch(key) is None or not isinstance(body, dict) or not body:
            raise SettingsError(f"{path}: {key}: expected `ros__parameters:` below the name of a node")
        if isinstance(values, dict):
            found.append(Section(key, flat(values, where=f"{path}: {key}: ")))
            body = {inner: below for inner, below in body.items() if inner != "ros__parameters"}
        found += _sections(path, body, f"{key}/")
    return found


def _listed(sections: Sequence[Section]) -> str:
    return ("section " if len(sections) == 1 else "sections ") + ", ".join(s.key for s in sections)
