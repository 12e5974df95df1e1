"""One setting through a range of values, on the same recording."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.replay.session import ReplaySession

MAX_POINTS = 1000


@dataclass(frozen=True, slots=True)
class Sweep:
    """A setting by its dotted name, and its values."""

    name: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Sweep":
        """Of `gate.accept=0.05:0.5:10`: first, last, how many; or of `corrector=none,two_tower`.

        Raises:
            SettingsError: it is neither, or has a value twice.
        """
        name, _, values = text.partition("=")
        if name and re.fullmatch(r"[^:,]+(,[^:,]+)*", values):
            return cls(name, _distinct(text, values.split(",")))
        try:
            first, last, count = values.split(":")
            points = np.linspace(float(first), float(last), min(int(count), MAX_POINTS + 1))
        except ValueError:
            points = np.zeros(0)
        if not name or not 1 <= len(points) <= MAX_POINTS:
            raise SettingsError(
                f"sweep: got {text!r}, expected NAME=FIRST:LAST:COUNT, as gate.accept=0.05:0.5:10, or values with "
                "commas"
            )
        return cls(name, _distinct(text, [f"{point:.6g}" for point in points]))


def _distinct(text: str, values: list[str]) -> tuple[str, ...]:
    if twice := [value for value in values if values.count(value) > 1]:
        raise SettingsError(f"sweep: got {text!r}, which has {twice[0]} twice, expected each value once")
    return tuple(values)


def run_sweep(
    session: ReplaySession, sweep: Sweep, given: Mapping[str, str], *, plans_again: bool = False
) -> Iterator[dict[str, Any]]:
    """What each value comes to over all epochs, one after the other; all are checked before the first is run.

    Raises:
        SettingsError: the setting is unknown, or a value is not allowed.
    """
    settings = [session.changed({**given, sweep.name: value}) for value in sweep.values]
    for value, changed in zip(sweep.values, settings, strict=True):
        changes = session.compare(session.run(changed, plans_again=plans_again, fixed=(*given, sweep.name)))
        ticks = max(1, sum(c.ticks for c in changes))
        yield {
            "value": value,
            "planning_inferences": sum(c.planning_inferences for c in changes),
            "waited_inferences": sum(c.waited_inferences for c in changes),
            "decision_agreement": 1.0 - sum(c.decisions_changed for c in changes) / ticks,
            "command_agreement": 1.0 - sum(c.commands_changed for c in changes) / ticks,
            "first_divergence_ticks": [c.first_divergence_tick for c in changes],  # by epoch
        }
