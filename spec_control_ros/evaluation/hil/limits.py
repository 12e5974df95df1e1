"""What a scenario must bring: limits of what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.hil.measures import Measures

MEASURES = tuple(f.name.rstrip("_") for f in fields(Measures))
# Every scenario must keep to these, whatever it says.
ALWAYS = {
    "stale_commands_max": 0.0,
    "commands_seen_min": 1.0,
    "bad_commands_max": 0.0,
    "unfinished_episodes_max": 0.0,
}


@dataclass(frozen=True, slots=True)
class _Limit:
    """A bound of one measure."""

    measure: str
    bound: float
    is_highest: bool  # else lowest

    @property
    def name(self) -> str:
        """As a scenario's file has it."""
        return f"{self.measure}_{'max' if self.is_highest else 'min'}"

    def objection(self, measures: Measures) -> str | None:
        """Why the measures do not keep to it, for people; None if they do."""
        value = measures.as_dict()[self.measure]
        if value is None:
            return f"{self.measure}: never, expected {'at most' if self.is_highest else 'at least'} {self.bound:g}"
        if self.is_highest and value > self.bound:
            return f"{self.measure}: got {value:g}, expected at most {self.bound:g}"
        if not self.is_highest and value < self.bound:
            return f"{self.measure}: got {value:g}, expected at least {self.bound:g}"
        return None


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a scenario."""

    limits: tuple[_Limit, ...]

    def objections(self, measures: Measures) -> list[str]:
        """Why the measures are not good enough, for people; none: they are."""
        return [objection for limit in self.limits if (objection := limit.objection(measures)) is not None]

    def as_dict(self) -> dict[str, float]:
        """As a scenario's file has them."""
        return {limit.name: limit.bound for limit in self.limits}


NO_LIMITS = Limits(())


def limits_from(values: Any) -> Limits:
    """The limits that a scenario's file tells, `MEASURE_min` and `MEASURE_max`, with those that hold for all.

    Raises:
        SettingsError: a measure is unknown, or its bound is no number.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"limits: got {values!r}, expected bounds by name, as in `return_min: 100`")
    limits = []
    for name, bound in (ALWAYS | dict(values)).items():
        measure, _, end = str(name).rpartition("_")
        if end not in ("min", "max") or measure not in MEASURES:
            raise SettingsError(
                f"limits.{name}: unknown, expected _min or _max after one of {', '.join(MEASURES)}"
            )
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not isfinite(bound):
            raise SettingsError(f"limits.{name}: got {bound!r}, expected a finite number")
        limits.append(_Limit(measure, float(bound), end == "max"))
    return Limits(tuple(limits))
