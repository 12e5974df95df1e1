"""What a node's command line gives for its parameters, and where each value comes from."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spec_control_ros.bringup.parameter_files import Section, read_file
from spec_control_ros.bringup.ros_yaml import RosLoader
from spec_control_ros.core.errors import SettingsError

OPTIONS = {"--params-file": "--params-file", "-p": "-p", "--param": "-p"}


@dataclass(frozen=True, slots=True)
class Given:
    """A value that was given, and by whom."""

    value: Any
    source: str  # path of the file, or -p


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the words of a process give to a node.

    Args:
        words: Words of the command line, as in `sys.argv`.
        node: Fully qualified name of the node, as in `/left/executor`.
        kind: Default name of the node.
    """

    words: Sequence[str]
    node: str
    kind: str

    def given(self) -> dict[str, Given]:
        """By dotted name; whoever comes later wins, whatever form a section's key has.

        Raises:
            SettingsError: a file cannot be read, or a file or a -p is not for this node.
        """
        found: dict[str, Given] = {}
        for option, word in self._options():
            sections = [self._rule(word)] if option == "-p" else self._file(word)
            for section in sections:
                source = "-p" if option == "-p" else word
                found |= {name: Given(value, source) for name, value in section.values.items()}
        return found

    def strangers(self) -> list[str]:
        """Sections that neither this node nor any other of the system heeds, with their files."""
        files = [read_file(Path(word)) for option, word in self._options() if option == "--params-file"]
        return [
            f"{file.path}: section {section.key}"
            for file in files
            for section in file.strangers
            if not section.matches(self.node)
        ]

    def _options(self) -> Iterator[tuple[str, str]]:
        is_for_ros, words = False, iter(self.words)
        for word in words:
            if word in ("--ros-args", "--"):
                is_for_ros = word == "--ros-args"
            elif is_for_ros and word in OPTIONS:
                yield OPTIONS[word], next(words, "")

    def _file(self, word: str) -> list[Section]:
        return read_file(Path(word)).sections_for(self.node, self.kind)

    def _rule(self, word: str) -> Section:
        """Of `name:=value` or `node:name:=value`."""
        left, _, text = word.partition(":=")
        node, _, name = left.rpartition(":")
        section = Section(node or "/**", {name: yaml.load(text, RosLoader)})
        if not section.matches(self.node):
            raise SettingsError(
                f"-p {word}: got a value for {node}, but this node is {self.node}; expected `-p {name}:=...`"
            )
        return section


def told(given: dict[str, Given]) -> str:
    """Who gave which value, one line for each, as far as the values count."""
    by_source: dict[str, list[str]] = {}
    for name, value in given.items():
        by_source.setdefault(value.source, []).append(f"{name} = {json.dumps(value.value)}")
    lines = [f"\n  {source}: {', '.join(values)}" for source, values in by_source.items()]
    return "".join(lines) or "\n  nobody: all settings have their defaults"
