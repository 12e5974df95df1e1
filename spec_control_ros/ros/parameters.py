"""Settings dataclasses as ROS parameters: declared, described, ranged, and read back."""

from collections.abc import Callable, Iterable
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterEvent
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.publisher import Publisher

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import allowed
from spec_control_ros.ros.qos import LATEST

Settings = TypeVar("Settings")
LARGEST_INTEGER = 2**63 - 1
LARGEST_FLOAT = 1.7976931348623157e308


def declare_settings(node: Node, kind: type[Settings], prefix: str = "") -> Settings:
    """Declare the fields of a settings dataclass as read-only parameters and return what they hold.

    Nested dataclasses become dotted names. A whole number is taken for a float.

    Raises:
        SettingsError: a value has the wrong type or is out of range.
    """
    values = {}
    for spec in fields(kind):  # type: ignore[arg-type]
        name = prefix + spec.name
        nested: Any = spec.default_factory
        if isinstance(nested, type) and is_dataclass(nested):
            values[spec.name] = declare_settings(node, nested, f"{name}.")
        else:
            values[spec.name] = _declare(node, name, spec)
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(f"parameter {prefix}{error}") from None


def refuse_unknown(node: Node) -> None:
    """Refuse parameters that were given but that the node does not have; call once all are declared.

    Raises:
        SettingsError: names them and lists those that there are.
    """
    declared = set(node._parameters)
    unknown = sorted(set(node._parameter_overrides) - declared)
    if unknown:
        own = sorted(name for name in declared if not name.startswith(("use_sim_time", "start_type", "qos_")))
        name = node.get_fully_qualified_name()
        raise SettingsError(
            f"{name}: unknown parameter {', '.join(unknown)}; expected one of {', '.join(own)}"
        )


def announce(node: Node) -> Publisher:
    """Publish all parameters of a node, latched, so that a bag tells how its run was set up."""
    event = ParameterEvent(stamp=node.get_clock().now().to_msg(), node=node.get_fully_qualified_name())
    event.new_parameters = [p.to_parameter_msg() for p in node.get_parameters(sorted(node._parameters))]
    publisher = node.create_publisher(ParameterEvent, "parameters", LATEST)
    publisher.publish(event)
    return publisher


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
        read_only=True,
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
