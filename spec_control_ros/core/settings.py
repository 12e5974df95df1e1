"""Settings as frozen dataclasses whose fields know their own description and range.

`setting` is used in place of `dataclasses.field`; `check` goes into `__post_init__`. The same description
and range become the ROS parameter's descriptor, so that they are written once.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass, replace
from enum import Enum
from math import inf
from typing import Any, TypeVar

from spec_control_ros.core.errors import SettingsError

Settings = TypeVar("Settings")


def setting(
    default: Any,
    description: str,
    *,
    low: int | float | None = None,
    high: int | float | None = None,
    above: int | float | None = None,
    of: type | None = None,
    live: bool = False,
) -> Any:
    """A dataclass field with a default, what it means (with its unit), and the values it may have.

    Args:
        default: Default value; it also fixes the type.
        description: Description for people; `ros2 param describe` shows it.
        low: Smallest value allowed.
        high: Largest value allowed.
        above: Bound that the value must be larger than.
        of: Type of a list's elements, str or float; the list's default is a tuple.
        live: Whether a running node takes another value.
    """
    metadata = {"description": description, "low": low, "high": high, "above": above, "of": of, "live": live}
    return field(default=default, metadata=metadata)


def by_name(kind: type, description: str) -> Any:
    """A dataclass field that holds any number of settings of one kind, by names that the user chooses."""
    return field(default_factory=dict, metadata={"description": description, "by_name": kind, "live": False})


def allowed(spec: Field[Any]) -> str:
    """The values that a field may have, in words."""
    if isinstance(spec.default, Enum):
        return "one of " + ", ".join(str(choice.value) for choice in type(spec.default))
    if (kind := spec.metadata.get("of")) is not None:
        return f"a list of {kind.__name__}s"
    low, high, above = (spec.metadata.get(k) for k in ("low", "high", "above"))
    bounds = [
        *([f"more than {above}"] if above is not None else []),
        *([f"at least {low}"] if low is not None else []),
        *([f"at most {high}"] if high is not None else []),
    ]
    kind = "list" if isinstance(spec.default, tuple) else type(spec.default).__name__
    return " and ".join(bounds) or f"a {kind}"


def settings_from(
    kind: type[Settings], values: Mapping[str, Any], prefix: str = "", default: Settings | None = None
) -> Settings:
    """The settings dataclass that plain values make, as a parameter file has them; what is left out has its default.

    Args:
        kind: Class of the settings; nested settings are nested mappings.
        values: Values by field name.
        prefix: Prefix of the names in messages.
        default: Settings from which what is left out comes, instead of the fields' defaults.

    Raises:
        SettingsError: a name is unknown, or its value is not allowed.
    """
    specs = {spec.name: spec for spec in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(map(str, values.keys() - specs.keys())):
        raise SettingsError(f"{prefix}{unknown[0]}: unknown, expected one of {', '.join(specs)}")
    given = {
        name: _value(specs[name], value, prefix, _nested(specs[name], default))
        for name, value in values.items()
    }
    try:
        return kind(**given) if default is None else replace(default, **given)  # type: ignore[type-var]
    except SettingsError as error:
        raise SettingsError(f"{prefix}{error}") from None


def _nested(spec: Field[Any], settings: Any) -> Any:
    """The settings below a field: those that it holds, or its default where only the kind is known; None: none."""
    if settings is not None and not isinstance(settings, type):
        held = getattr(settings, spec.name)
    else:
        held = None if spec.default_factory is MISSING else spec.default_factory()
    return held if is_dataclass(held) else None


def _value(spec: Field[Any], value: Any, prefix: str, nested: Any) -> Any:
    if (kind := spec.metadata.get("by_name")) is not None:
        if not isinstance(value, Mapping) or not all(isinstance(inner, Mapping) for inner in value.values()):
            raise SettingsError(f"{prefix}{spec.name}: got {value!r}, expected settings by name")
        return {
            name: settings_from(kind, inner, f"{prefix}{spec.name}.{name}.") for name, inner in value.items()
        }
    if nested is not None:
        if not isinstance(value, Mapping):
            raise SettingsError(f"{prefix}{spec.name}: got {value!r}, expected settings by name")
        return settings_from(type(nested), value, f"{prefix}{spec.name}.", nested)
    if isinstance(spec.default, float) and type(value) is int:
        return float(value)  # YAML writes 70 where 70.0 is meant
    if isinstance(spec.default, tuple) and isinstance(value, list):
        return tuple(value)
    if not isinstance(spec.default, Enum):
        return value
    try:
        return type(spec.default)(value)
    except ValueError:
        raise SettingsError(f"{prefix}{spec.name}: got {value!r}, expected {allowed(spec)}") from None


def check(settings: Any) -> None:
    """Hold every field against its range; the text of a choice becomes the choice.

    Raises:
        SettingsError: names the field, the value got and the values allowed.
    """
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if is_dataclass(value) or isinstance(value, Mapping) or not spec.metadata:
            continue
        if isinstance(spec.default, Enum) and isinstance(value, str):
            value = _choice(spec.default, value)
            object.__setattr__(settings, spec.name, value)  # frozen for everybody else
        low, high, above = (spec.metadata.get(k) for k in ("low", "high", "above"))
        is_wrong = (
            not _is_of_type(value, type(spec.default), spec.metadata.get("of"))
            # Negated, so that a NaN is out of every range
            or (low is not None and not value >= low)
            or (high is not None and not value <= high)
            or (above is not None and not value > above)
        )
        if is_wrong:
            finite = "a finite value, " if value in (inf, -inf) else ""
            raise SettingsError(f"{spec.name}: got {value!r}, expected {finite}{allowed(spec)}")


def _choice(default: Enum, text: str) -> Any:
    """The choice that a text is the value of; the text itself where there is none."""
    return next((choice for choice in type(default) if choice.value == text), text)


class Checked:
    """A base of settings that has nothing but `check` to do once they are made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        check(self)


def _is_of_type(value: Any, kind: type, of: type | None = None) -> bool:
    """Numbers are finite; what a list holds is looked at by those who know how long it is to be."""
    if of is not None:
        return isinstance(value, tuple) and all(_has_type(element, of) for element in value)
    # No deadline would never come
    return _has_type(value, kind) and (kind is not float or -inf < value < inf)


def _has_type(value: Any, kind: type) -> bool:
    """A whole number is a float as well; true and false are no numbers."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def named_fields(kind: Any, prefix: str = "") -> dict[str, Field[Any]]:
    """The fields of settings, or of a kind of them, and of those nested in them, by their dotted names.

    What is there by names that the user chooses, only settings tell; their kind does not.
    """
    found: dict[str, Field[Any]] = {}
    for spec in fields(kind):
        if (inner := spec.metadata.get("by_name")) is not None:
            names = () if isinstance(kind, type) else getattr(kind, spec.name)
            for name in names:
                found |= named_fields(inner, f"{prefix}{spec.name}.{name}.")
            continue
        if (nested := _nested(spec, kind)) is not None:
            below = type(nested) if isinstance(kind, type) else nested
            found |= named_fields(below, f"{prefix}{spec.name}.")
        else:
            found[prefix + spec.name] = spec
    return found


def changed(settings: Settings, given: Mapping[str, str], *, fixed: Collection[str] = ()) -> Settings:
    """Settings of which some are replaced.

    Args:
        settings: Settings to start from.
        given: Text by dotted name, as in `gate.accept`: `0.2`.
        fixed: Names that cannot be given here.

    Raises:
        SettingsError: a name is unknown, or its value is not allowed.
    """
    specs = {name: spec for name, spec in named_fields(settings).items() if name not in fixed}
    for name in given:
        if name not in specs:
            raise SettingsError(f"{name}: unknown, expected one of {', '.join(specs)}")
    return replaced(settings, {name: _parsed(name, specs[name], text) for name, text in given.items()})


def replaced(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings of which some have other values, by dotted name.

    Raises:
        SettingsError: a value is not allowed.
    """
    tree = asdict(settings)  # type: ignore[call-overload]
    for name, value in values.items():
        *path, last = name.split(".")
        inner = tree
        for part in path:
            inner = inner[part]
        inner[last] = value
    return settings_from(type(settings), tree, default=settings)


def live_fields(kind: Any) -> dict[str, Field[Any]]:
    """The fields of settings whose values a running node changes, by their dotted names."""
    return {name: spec for name, spec in named_fields(kind).items() if spec.metadata["live"]}


def _parsed(name: str, spec: Field[Any], text: str) -> Any:
    kind: type = type(spec.default)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text) if kind in (int, float) else text
    except (KeyError, ValueError):
        what = "true or false" if kind is bool else f"{allowed(spec)} ({kind.__name__})"
        raise SettingsError(f"{name}: got {text!r}, expected {what}") from None
