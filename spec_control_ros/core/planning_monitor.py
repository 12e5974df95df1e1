"""How long plans take, against how long they may."""

from collections import Counter
from collections.abc import Mapping
from math import nan

from spec_control_ros.core.health import Finding, Health, Level

HANGING_S = 10.0  # that a plan is in hand; no robot can use it then


class PlanningMonitor:
    """Counts planning times, and those beyond the planner's objective."""

    def __init__(self, objective_s: float):
        self._objective_s = objective_s
        self._total_misses = 0
        self._failing: set[str] = set()  # robots
        self._turned_away: Counter[str] = Counter()  # up to the last report, by robot
        self._times_s: list[float] = []  # since the last report
        self._begun_s: float | None = None  # when the work in hand was begun

    def begin(self, now_s: float) -> None:
        """Work is taken in hand."""
        self._begun_s = now_s

    def end(self) -> None:
        """It is done, whatever came of it."""
        self._begun_s = None

    def note(self, planning_time_s: float, robot: str = "") -> None:
        """A plan was made for a robot."""
        self._failing.discard(robot)
        self._times_s.append(planning_time_s)

    def note_failure(self, robot: str = "") -> None:
        """A search gave no plan for a robot."""
        self._failing.add(robot)

    def forget(self, robot: str) -> None:
        """A robot is not planned for any more."""
        self._failing.discard(robot)

    def health(self, now_s: float, turned_away: Mapping[str, int] | None = None) -> Health:
        """How the planner has done since the last call.

        Args:
            now_s: Time (s), on the clock of `begin`.
            turned_away: Requests so far that were refused, or that nobody could plan for in time, by robot.
        """
        before, self._turned_away = self._turned_away, Counter(turned_away or {})
        new = self._turned_away - before  # without those that have none
        times_s, self._times_s = self._times_s, []
        misses = sum(time_s > self._objective_s for time_s in times_s)
        self._total_misses += misses
        values = {
            "planning_time_s": f"{times_s[-1] if times_s else nan:.4f}",
            "planning_time_mean_s": f"{sum(times_s) / len(times_s) if times_s else nan:.4f}",
            "planning_time_max_s": f"{max(times_s, default=nan):.4f}",
            "slo_s": f"{self._objective_s:.4f}",
            "slo_misses": self._total_misses,
        }
        begun_s = self._begun_s
        if begun_s is not None and (in_hand_s := now_s - begun_s) > HANGING_S:
            return Health(Finding(Level.ERROR, f"a plan has been in hand for {in_hand_s:.0f} s"), values)
        return Health(self._finding(misses, len(times_s), new), values)

    def _finding(self, misses: int, plans: int, turned_away: Mapping[str, int]) -> Finding:
        if self._failing:
            robots = ", ".join(sorted(self._failing))
            return Finding(Level.ERROR, f"the last plan failed{f' of {robots}' if robots else ''}")
        if misses:
            text = f"{misses} of {plans} plans took longer than {1e3 * self._objective_s:.0f} ms"
            return Finding(Level.WARN, text)
        if turned_away:
            robots = ", ".join(filter(None, sorted(turned_away)))
            text = f"{sum(turned_away.values())} requests got no plan: too many, too late or not understood"
            return Finding(Level.WARN, f"{text}{f' ({robots})' if robots else ''}")
        return Finding(Level.OK, "ready")
