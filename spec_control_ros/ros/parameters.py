"""Settings dataclasses as ROS parameters: declared, described, ranged, and read back."""

import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterEvent,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from spec_control_ros.bringup.given_parameters import Given, given_to, told
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import allowed, live_fields
from spec_control_ros.ros.qos import LATEST

Settings = TypeVar("Settings")
LARGEST_INTEGER = 2**63 - 1
LARGEST_FLOAT = 1.7976931348623157e308


def take_given(node: Node, kind: str) -> None:
    """Let a node have what its process's command line gives to it, and tell it: whoever comes later there wins.

    ROS itself goes by where a section first appears among all files, so that an earlier file may win, or a file
    over -p. What was given otherwise, by whoever made the node in a process of theirs, stays.

    Raises:
        SettingsError: a file cannot be read, or is for other nodes only that are not the system's.
    """
    own_name = node.get_fully_qualified_name()
    given, strangers = given_to(own_name, kind, sys.argv)
    for name, value in given.items():
        parameter = Parameter(name, value=value.value)
        node._parameter_overrides[name] = parameter
        if node.has_parameter(name) and node.get_parameter(name).value != value.value:  # use_sim_time
            node.set_parameters([parameter])
    for stranger in strangers:
        node.get_logger().warning(f"ignored, because no node of the system has this name: {stranger}")
    others = {name: Given(p.value, "its maker") for name, p in node._parameter_overrides.items()}
    node.get_logger().info(f"parameters of {own_name}, by their source:{told(others | given)}")


def declare_settings(
    node: Node, kind: type[Settings], prefix: str = "", *, has_more: bool = False
) -> Settings:
    """Declare the fields of a settings dataclass as parameters and return what they hold.

    All but live ones are read-only. Nested dataclasses become dotted names. A whole number is taken for a float.

    Args:
        node: Node that declares the parameters.
        kind: Settings dataclass.
        prefix: Prefix of the parameter names.
        has_more: Whether another call follows for the remaining parameters of the node.

    Raises:
        SettingsError: a value has the wrong type or is out of range, or a parameter was given that is none.
    """
    settings = _declare_all(node, kind, prefix)
    if not has_more:
        _refuse_unknown(node)
    return settings


def _declare_all(node: Node, kind: type[Settings], prefix: str) -> Settings:
    values: dict[str, Any] = {}
    for spec in fields(kind):  # type: ignore[arg-type]
        name = prefix + spec.name
        if (inner := spec.metadata.get("by_name")) is not None:
            values[spec.name] = {
                key: _declare_all(node, inner, f"{name}.{key}.") for key in _names_below(node, f"{name}.")
            }
            continue
        nested: Any = spec.default_factory
        if isinstance(nested, type) and is_dataclass(nested):
            values[spec.name] = _declare_all(node, nested, f"{name}.")
        else:
            values[spec.name] = _declare(node, name, spec)
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(f"parameter {prefix}{error}") from None


def _names_below(node: Node, prefix: str) -> list[str]:
    """The names that the user chose: what follows `prefix` in the parameters that were given, in their order."""
    given = (name.removeprefix(prefix) for name in node._parameter_overrides if name.startswith(prefix))
    return list(dict.fromkeys(name.split(".")[0] for name in given))


def _refuse_unknown(node: Node) -> None:
    declared = set(node._parameters)
    unknown = sorted(set(node._parameter_overrides) - declared)
    if unknown:
        own = sorted(name for name in declared if not name.startswith(("use_sim_time", "start_type", "qos_")))
        name = node.get_fully_qualified_name()
        raise SettingsError(
            f"{name}: unknown parameter {', '.join(unknown)}; expected one of {', '.join(own)}"
        )


def announce(node: Node) -> None:
    """Publish all parameters of a node, latched, now and after every change: a bag tells how its run was set up.

    `changed_parameters` are all that have been changed since then: whoever joins late hears the last event alone. One
    that was set to what it is has not been changed.
    """
    publisher = node.create_publisher(ParameterEvent, "parameters", LATEST)
    first = {name: node.get_parameter(name).value for name in node._parameters}
    changed: dict[str, Parameter] = {}

    def publish(newly_changed: Sequence[Parameter]) -> None:
        changed.update(
            {p.name: p for p in newly_changed if p.name in changed or p.value != first.get(p.name)}
        )
        event = ParameterEvent(stamp=node.get_clock().now().to_msg(), node=node.get_fully_qualified_name())
        event.new_parameters = [p.to_parameter_msg() for p in node.get_parameters(sorted(node._parameters))]
        event.changed_parameters = [p.to_parameter_msg() for _, p in sorted(changed.items())]
        publisher.publish(event)

    publish(())
    node.add_post_set_parameters_callback(publish)


_LIVE: WeakKeyDictionary[Node, set[str]] = WeakKeyDictionary()  # names of a node's live parameters


class LiveParameters:
    """Lets a running node's live parameters be set, by `ros2 param set` or anybody, if its settings allow it.

    Args:
        node: Node that has declared its settings.
        settings: The settings, or their dataclass.
        prepare: Function that is given new values by dotted name and returns what makes the change; it raises a
            `SettingsError` where they are not allowed, and changes nothing itself.
        prefix: Prefix of the parameters' names, which `prepare` is not given.
    """

    def __init__(
        self,
        node: Node,
        settings: Any,
        prepare: Callable[[dict[str, Any]], Callable[[], None]],
        prefix: str = "",
    ):
        self._node, self._prepare, self._prefix = node, prepare, prefix
        self._fields = {prefix + name: spec for name, spec in live_fields(settings).items()}
        self._make: Callable[[], None] = lambda: None
        if node not in _LIVE:  # one callback a node: rclpy sets what all of them return, one after the other
            _LIVE[node] = set()
            node.add_pre_set_parameters_callback(partial(_with_floats, _LIVE[node]))
        _LIVE[node].update(self._fields)
        node.add_on_set_parameters_callback(self._on_set)
        node.add_post_set_parameters_callback(self._after_set)

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        values = {
            p.name.removeprefix(self._prefix): _plain(p.value) for p in parameters if p.name in self._fields
        }
        try:
            self._make = self._prepare(values) if values else lambda: None
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _after_set(self, parameters: list[Parameter]) -> None:
        self._make()
        for parameter in parameters:
            if parameter.name in self._fields:
                self._node.get_logger().info(f"changed: {parameter.name} = {_plain(parameter.value)}")


def _with_floats(live: Collection[str], parameters: list[Parameter]) -> list[Parameter]:
    """Whole numbers are taken for floats, as at the start."""
    return [Parameter(p.name, value=_as_float(p.value)) if p.name in live else p for p in parameters]


def _as_float(value: Any) -> Any:
    if type(value) is int:
        return float(value)
    is_of_whole = isinstance(value, array) and value.typecode == "q"
    return [float(v) for v in value] if is_of_whole else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, array) else value


def _declare(node: Node, name: str, spec: Field[Any]) -> Any:
    default = spec.default
    if isinstance(default, tuple):
        return _declare_list(node, name, spec)
    is_enum = isinstance(default, Enum)
    value = default.value if is_enum else default
    descriptor = _descriptor(spec)
    given = node._parameter_overrides.get(name)
    if given is not None and isinstance(value, float) and type(given.value) is int:
        # yaml writes 70 where 70.0 is meant; rclpy would refuse it
        node._parameter_overrides[name] = type(given)(name, value=float(given.value))
    try:
        got = node.declare_parameter(name, value, descriptor).value
    except (InvalidParameterTypeException, InvalidParameterValueException):
        raise SettingsError(
            f"parameter {name}: got {given.value if given else None!r}, expected {allowed(spec)} "
            f"({type(value).__name__}): {descriptor.description}"
        ) from None
    if not is_enum:
        return got
    try:
        return type(default)(got)  # type: ignore[misc]
    except ValueError:
        raise SettingsError(
            f"parameter {name}: got {got!r}, expected {allowed(spec)}: {descriptor.description}"
        ) from None


def _declare_list(node: Node, name: str, spec: Field[Any]) -> tuple[Any, ...]:
    """Typed by its elements in `check`: an empty list, which is the default of most, has no type in ROS."""
    descriptor = _descriptor(spec)
    descriptor.dynamic_typing = True
    default: Any = list(spec.default)  # type: ignore[arg-type]
    got: Any = node.declare_parameter(name, default, descriptor).value
    if isinstance(got, (str, bytes)) or not isinstance(got, Iterable):
        raise SettingsError(
            f"parameter {name}: got {got!r}, expected {allowed(spec)}: {descriptor.description}"
        )
    return tuple(float(v) if type(v) is int and spec.metadata["of"] is float else v for v in got)


def _descriptor(spec: Field[Any]) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=spec.metadata.get("description", ""),
        additional_constraints=allowed(spec),
        read_only=not spec.metadata.get("live", False),
    )
    low, high, above = (spec.metadata.get(k) for k in ("low", "high", "above"))
    if all(bound is None for bound in (low, high, above)) or isinstance(spec.default, bool):
        return descriptor
    low = low if low is not None else above
    ranged: dict[type, Callable[[], None]] = {
        int: lambda: descriptor.integer_range.append(
            IntegerRange(
                from_value=-LARGEST_INTEGER if low is None else int(low),
                to_value=LARGEST_INTEGER if high is None else int(high),
            )
        ),
        float: lambda: descriptor.floating_point_range.append(
            FloatingPointRange(
                from_value=-LARGEST_FLOAT if low is None else float(low),
                to_value=LARGEST_FLOAT if high is None else float(high),
            )
        ),
    }
    ranged[type(spec.default)]()
    return descriptor
