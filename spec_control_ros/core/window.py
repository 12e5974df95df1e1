"""When something happens in an episode: from a tick or a second on, for a while, perhaps by chance."""

import random
from dataclasses import dataclass, replace

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of an episode, in ticks or in seconds of the plant's time."""

    start_tick: int = setting(0, "First tick", low=0)
    duration_ticks: int = setting(0, "Number of ticks; 0: to the end of the episode", low=0)
    start_s: float = setting(0.0, "Start time (s), instead of start_tick", low=0.0)
    duration_s: float = setting(0.0, "Duration (s), instead of duration_ticks", low=0.0)
    probability: float = setting(1.0, "Probability for each of these ticks", low=0.0, high=1.0)
    episode: int = setting(-1, "Number of the episode, from 0 on; -1: every episode", low=-1)

    def __post_init__(self) -> None:
        check(self)
        for name in ("start", "duration"):
            if getattr(self, f"{name}_s") and getattr(self, f"{name}_tick" + "s" * (name == "duration")):
                raise SettingsError(f"{name}: got both ticks and seconds, expected one of them")

    def bounds(self, period_s: float) -> tuple[int, int | None]:
        """The first tick, and the one after the last; None: it lasts to the end of the episode."""
        start = self.start_tick or round(self.start_s / period_s)
        duration = self.duration_ticks or (
            max(1, round(self.duration_s / period_s)) if self.duration_s else 0
        )
        return start, start + duration if duration else None

    def covers(self, tick: int, period_s: float) -> bool:
        """Whether a tick lies in it, chance left aside."""
        start, end = self.bounds(period_s)
        return start <= tick and (end is None or tick < end)

    def is_for(self, episode: int) -> bool:
        """Whether it concerns the episode with that number."""
        return self.episode in (-1, episode)

    def scaled(self, factor: float) -> "Window":
        """One that is open more or less often: by its probability or, where that is 1, by its duration."""
        if self.probability < 1.0:
            return replace(self, probability=min(1.0, factor * self.probability))
        ticks, seconds = round(factor * self.duration_ticks), factor * self.duration_s
        if not (ticks or seconds):  # without an end, or scaled to nothing
            return replace(self, probability=min(1.0, factor))
        return replace(self, duration_ticks=ticks, duration_s=seconds)


class Chance:
    """Draws, tick by tick, whether a window's fault is there; the same seed draws the same."""

    def __init__(self, window: Window, period_s: float, seed: str):
        self._window, self._period_s = window, period_s
        self._random = random.Random(seed)

    def draw(self, tick: int) -> bool:
        """Whether it is there at `tick`; to be asked once a tick, whether the window is open or not."""
        return self.is_lucky() and self._window.covers(tick, self._period_s)

    def is_lucky(self) -> bool:
        """Whether chance alone lets it be there; draws."""
        return self._random.random() < self._window.probability
