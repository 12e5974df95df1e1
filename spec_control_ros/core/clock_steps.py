"""Whether a clock that can be set was set, or stands still: what a steady clock tells of it."""

from dataclasses import dataclass
from math import nan

from spec_control_ros.core.health import Finding, Health, Level

TOLERANCE_S = 0.1  # a clock that is only kept in time changes its rate by less than a thousandth
RECENT_S = 60.0  # a step is a warning for that long, and counted for good
STILL_S = 2.0  # a simulated clock that shows the same time for that long stands still


@dataclass(frozen=True, slots=True)
class _ClockStep:
    """A clock was set."""

    size_s: float  # ahead; negative: back
    shown_s: float  # by the clock itself, after the step
    at_s: float  # by the steady clock


class ClockSteps:
    """Compares a clock with a steady one, and counts its steps."""

    def __init__(self) -> None:
        self._ahead_s = nan  # of the steady clock
        self.count = 0
        self.last: _ClockStep | None = None

    def look(self, shown_s: float, now_s: float) -> _ClockStep | None:
        """The step since the last look, if there was one.

        Args:
            shown_s: Time that the clock shows.
            now_s: Time of the steady clock, at the same moment.
        """
        before_s, self._ahead_s = self._ahead_s, shown_s - now_s
        size_s = self._ahead_s - before_s
        if not abs(size_s) > TOLERANCE_S:
            return None
        self.count += 1
        self.last = _ClockStep(size_s, shown_s, now_s)
        return self.last

    def health(self, now_s: float) -> Health:
        """How the clock did, by the steady clock's present time."""
        values: dict[str, object] = {"steps": self.count}
        if self.last is None:
            return Health(Finding(Level.OK, "steady"), values)
        values |= {"last_step_s": f"{self.last.size_s:.3f}", "last_step_at": f"{self.last.shown_s:.3f}"}
        is_recent = now_s - self.last.at_s < RECENT_S
        return Health(Finding(Level.WARN if is_recent else Level.OK, told(self.last)), values)


class SimulatedClock:
    """Whether a simulation's clock goes on, and never back."""

    def __init__(self) -> None:
        self._shown_s = 0.0
        self._changed_s = nan
        self.jumps_back = 0

    def look(self, shown_s: float, now_s: float) -> None:
        """Take note of what it shows; 0 where it has not begun."""
        self.jumps_back += shown_s < self._shown_s
        if shown_s != self._shown_s or self._changed_s != self._changed_s:
            self._shown_s, self._changed_s = shown_s, now_s

    def health(self, now_s: float) -> Health:
        """How the clock did, by the steady clock's present time."""
        still_s = now_s - self._changed_s
        values: dict[str, object] = {
            "time_s": f"{self._shown_s:.3f}",
            "still_s": f"{still_s:.1f}",
            "jumps_back": self.jumps_back,
        }
        level, text = Level.OK, "simulated"
        if still_s > STILL_S:
            what = "/clock has stood still" if self._shown_s else "nobody has published /clock"
            level, text = Level.WARN, f"{what} for {still_s:.0f} s"
        elif self.jumps_back:
            level, text = Level.WARN, f"/clock jumped back, {self.jumps_back} times so far"
        return Health(Finding(level, text), values)


def told(step: _ClockStep) -> str:
    """A step in words."""
    way = "ahead" if step.size_s > 0.0 else "back"
    return f"the system clock was set {way} by {abs(step.size_s):.1f} s"
