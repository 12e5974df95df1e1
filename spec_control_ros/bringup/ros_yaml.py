"""YAML as rcl reads parameter files: it takes other words for numbers and truth values than PyYAML does."""

import re
from math import isinf
from typing import Any

import yaml

from spec_control_ros.bringup.yaml_file import refuse_doubles

TRUE = {"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
FALSE = {"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
HEXADECIMAL_FLOAT = re.compile(r"[+-]?0[xX][0-9a-fA-F.]+([pP][+-]?\d+)?")
NO_NUMBER = re.compile(r"[+-]?\.?(nan|inf|infinity)", re.IGNORECASE)
LARGEST_INTEGER = 2**63 - 1
PLAIN = "!plain"  # tag of a scalar without quotes


def value_of(text: str) -> Any:
    """What a scalar without quotes stands for: true, false, a whole number, a float, or the text; None for no text."""
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


def _whole(text: str) -> int:
    digits = text.lstrip("+-")
    is_octal = len(digits) > 1 and digits[1] not in "xX" and digits[0] == "0"
    return int(text, 8 if is_octal else 0)


class RosLoader(yaml.SafeLoader):
    """Makes values of scalars as rcl does; keys are text, whatever they look like."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Tell a scalar without quotes from one with."""
        is_plain = kind is yaml.ScalarNode and implicit[0]
        return PLAIN if is_plain else super().resolve(kind, value, implicit)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """By the text of the keys."""
        refuse_doubles(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _plain(loader: yaml.SafeLoader, node: Any) -> Any:
    return value_of(loader.construct_scalar(node))


RosLoader.add_constructor(PLAIN, _plain)
