"""What a node's command line gives for its parameters, and where each value comes from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.bringup.parameter_files import Section, read_file
from spec_control_ros.bringup.yaml_file import RosLoader
from spec_control_ros.core.errors import SettingsError

OPTIONS = {"--params-file": "--params-file", "-p": "-p", "--param": "-p"}


@dataclass(frozen=True, slots=True)
class Given:
    """A value that was given, and by whom."""

    value: Any
    source: str  # path of the file, or -p


def given_to(node: str, kind: str, words: Sequence[str]) -> tuple[dict[str, Given], list[str]]:
    """What a process's command line gives to a node, and the sections that no node of the system heeds.

    Args:
        node: Fully qualified name of the node, as in `/left/executor`.
        kind: Default name of the node.
        words: Words of the command line, as in `sys.argv`.

    Returns:
        Values by dotted name, where whoever comes later wins, whatever form a section's key has; and sections, with
        their files.

    Raises:
        SettingsError: a file cannot be read, or a file or a -p is not for this node.
    """
    given: dict[str, Given] = {}
    strangers: list[str] = []
    for option, word in _options(words):
        if option == "-p":
            sections, source = [_rule(word, node)], "-p"
        else:
            file = read_file(Path(word))
            sections, source = file.sections_for(node, kind), word
            ignored = [section.key for section in file.strangers if not section.matches(node)]
            strangers += [f"{file.path}: section {key}" for key in ignored]
        for section in sections:
            given |= {name: Given(value, source) for name, value in section.values.items()}
    return given, strangers


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    is_for_ros, rest = False, iter(words)
    for word in rest:
        if word in ("--ros-args", "--"):
            is_for_ros = word == "--ros-args"
        elif is_for_ros and word in OPTIONS:
            yield OPTIONS[word], next(rest, "")


def _rule(word: str, node: str) -> Section:
    """Of `name:=value` or `node:name:=value`."""
    left, _, text = word.partition(":=")
    meant, _, name = left.rpartition(":")
    section = Section(meant or "/**", {name: yaml.load(text, RosLoader)})
    if not section.matches(node):
        raise SettingsError(
            f"-p {word}: got a value for {meant}, but this node is {node}; expected `-p {name}:=...`"
        )
    return section


def told(given: dict[str, Given]) -> str:
    """Who gave which value, one line for each, as far as the values count."""
    by_source: dict[str, list[str]] = {}
    for name, value in given.items():
        by_source.setdefault(value.source, []).append(f"{name} = {json.dumps(value.value)}")
    lines = [f"\n  {source}: {', '.join(values)}" for source, values in by_source.items()]
    return "".join(lines) or "\n  nobody: all settings have their defaults"
