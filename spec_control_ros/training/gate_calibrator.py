"""Thresholds of the gate for stated rates of false alarms, by the age of the prediction.

The threshold at rate r is a split-conformal quantile (Angelopoulos and Bates, arXiv 2107.07511): of n nominal
mismatches the one of rank floor((n + 1) r), counted from the largest. A further nominal mismatch exceeds it with
probability r at most, as far as ticks are exchangeable. Neighbouring ticks are not quite, and the gate changes what
it watches: so its rate is measured as well, on other episodes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
from jaxtyping import Float, Int

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.core.gate import GateCalibration, GateMode, Metric
from spec_control_ros.core.settings import check, setting
from spec_control_ros.evaluation.summary import interval
from spec_control_ros.training.calibration_rollouts import (
    CalibrationRollouts,
    GatedEpisode,
    normal_episodes,
    open_gate,
)

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9, 0.99)
LEAST_RANK = 5  # of a threshold among the largest nominal mismatches: above that its true rate is mere chance
KNOWN_PART = 0.9  # of all ticks that must be of an age with thresholds of its own
TIE = 0.01  # of the best mode's return: less than that is no loss


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """What is asked of the thresholds."""

    false_alarm_rate: float = setting(
        0.01, "part of nominal ticks at which the queue is dropped", above=0.0, high=0.5
    )
    correction_rate: float = setting(0.99, "part of nominal ticks that are corrected", above=0.0, high=1.0)
    episodes: int = setting(24, "Fewest episodes that the thresholds are fitted to", low=2)
    most_episodes: int = setting(400, "Episodes after which the calibration gives up", low=2)
    held_out: int = setting(10, "episodes that each mode is verified on", low=1)

    def __post_init__(self) -> None:
        check(self)
        if self.false_alarm_rate > self.correction_rate:
            raise SettingsError(
                f"false_alarm_rate: got {self.false_alarm_rate}, expected at most correction_rate = "
                f"{self.correction_rate}"
            )
        if self.episodes > self.most_episodes:
            raise SettingsError(
                f"episodes: got {self.episodes}, expected at most most_episodes = {self.most_episodes}"
            )


@dataclass(frozen=True, slots=True)
class Verification:
    """How a gate did on episodes that it was not fitted to."""

    mode: str
    returns: tuple[float, ...]
    planning_inferences: tuple[int, ...]
    ticks: tuple[int, ...]  # judged in nominal episodes, for ages 1, 2, ...
    corrections: tuple[int, ...]  # of these, likewise
    false_alarms: tuple[int, ...]  # of these, likewise: mismatch dropped the queue

    @property
    def false_alarm_rate(self) -> float:
        """Part of the nominal ticks that dropped the queue."""
        return sum(self.false_alarms) / max(1, sum(self.ticks))

    @property
    def correction_rate(self) -> float:
        """Part of the nominal ticks that were corrected."""
        return sum(self.corrections) / max(1, sum(self.ticks))


def gather(
    operation: CalibrationRollouts, settings: CalibrationSettings, first_seed: int
) -> Iterator[tuple[list[GatedEpisode], int]]:
    """Run episodes until there are as many as asked for, and as many as the thresholds take.

    Every other one has plans made ahead of time: there predictions grow older.

    Yields:
        After each episode all of them so far, and how many there will be, judged by those so far.

    Raises:
        SpecControlError: the most episodes have too few ticks for the stated rate of false alarms, or none.
    """
    gate, rate = open_gate(operation.settings.gate), settings.false_alarm_rate
    seeds = range(first_seed, first_seed + settings.most_episodes)
    at_once = operation.run(gate, None, seeds[::2], prefetch=False)
    ahead = operation.run(gate, None, seeds[1::2], prefetch=True)
    episodes: list[GatedEpisode] = []
    for turn in range(len(seeds)):
        episodes.append(episode := next(ahead if turn % 2 else at_once))
        count = len(episodes)
        ticks = _scarcest(_ages(episodes))
        expected = ceil(count * _needed(rate) / ticks) if ticks else settings.most_episodes
        yield episodes, min(max(expected, count, settings.episodes), settings.most_episodes)
        if count >= settings.episodes and (ticks >= _needed(rate) or not episode.judged):
            return


def fit(
    operation: CalibrationRollouts, episodes: Sequence[GatedEpisode], settings: CalibrationSettings
) -> GateCalibration:
    """The thresholds that the nominal ones of `episodes` lead to.

    Raises:
        SpecControlError: they have too few ticks for the stated rate of false alarms.
    """
    ticks = [tick for episode in normal_episodes(episodes) for tick in episode.judged]
    ages = _ages(episodes)
    known = _known_ages(ages, len(episodes), settings.false_alarm_rate)
    wanted = sorted({*RATES, settings.false_alarm_rate, settings.correction_rate} - {1.0})
    rates = tuple(r for r in wanted if all(_rank((ages == age).sum(), r) >= LEAST_RANK for age in known))
    weights = np.round(operation.value_weights(ticks), 3)

    def table(metric: Metric) -> tuple[tuple[float, ...], ...]:
        distance = np.array([operation.mismatch(t, metric, weights) for t in ticks])
        rows = {
            age: tuple(_four_digits(conformal_quantile(distance[ages == age], rate)) for rate in rates)
            for age in known
        }
        # An age that is hardly ever seen is judged as the next older one that is.
        return tuple(rows[min(a for a in known if a >= age)] for age in range(1, known[-1] + 1))

    growth = operation.growth(ticks)
    return GateCalibration(
        mode=GateMode.QUANTILE,
        false_alarm_rate=settings.false_alarm_rate,
        correction_rate=settings.correction_rate,
        rates=rates,
        thresholds={metric: table(metric) for metric in Metric},
        sensitivity=_four_digits(float(np.median(growth[growth > 0.0]))),
        value_weights=tuple(weights.tolist()),
    )


def _known_ages(ages: Int[np.ndarray, "tick"], episodes: int, rate: float) -> list[int]:
    """The ages that there are enough ticks of, in order.

    Raises:
        SpecControlError: most ticks are of other ages.
    """
    values, counts = np.unique(ages, return_counts=True)
    ticks, needed = _scarcest(ages), _needed(rate)
    if ticks < needed:
        raise SpecControlError(
            f"calibration: {episodes} episodes give {ticks} nominal ticks at some age of the prediction, expected "
            f"{needed} for a false-alarm rate of {rate}; give a larger --false-alarm-rate, or plans of more rows"
        )
    return [int(age) for age in values[counts >= needed]]


def _ages(episodes: Sequence[GatedEpisode]) -> Int[np.ndarray, "tick"]:
    """Of the predictions at all nominal ticks."""
    return np.array([tick.age for episode in normal_episodes(episodes) for tick in episode.judged], int)


def _scarcest(ages: Int[np.ndarray, "tick"]) -> int:
    """Ticks of the rarest age among the most frequent ones that most ticks are of; 0: there are no ticks."""
    counts = np.sort(np.unique(ages, return_counts=True)[1])[::-1]
    return int(counts[np.searchsorted(counts.cumsum(), KNOWN_PART * len(ages))]) if len(counts) else 0


def _needed(rate: float) -> int:
    """How many nominal ticks a threshold for this rate takes."""
    return ceil(LEAST_RANK / rate)


def conformal_quantile(values: Float[np.ndarray, "tick"], rate: float) -> float:
    """What a further value exceeds with probability `rate` at most; infinite where there are too few values."""
    rank = _rank(len(values), rate)
    return float(np.sort(values)[-rank]) if rank else float("inf")


def _rank(ticks: int, rate: float) -> int:
    """Rank of the threshold among so many values, the largest having rank 1; 0: none is large enough."""
    # Rounded: 100 x 0.07 is 7, and no floating-point hair more.
    return min(floor(round((ticks + 1) * rate, 9)), ticks)


def _four_digits(value: float) -> float:
    return float(f"{value:.4g}")


def verify(mode: str, episodes: Sequence[GatedEpisode]) -> Verification:
    """Count what a gate did in `episodes`; alarms are false in the nominal ones only."""
    chosen = normal_episodes(episodes)
    judged = [tick.age for episode in chosen for tick in episode.judged]
    ages = range(1, max(judged, default=0) + 1)

    def by_age(kind: DecisionKind) -> tuple[int, ...]:
        counts = [episode.count(kind) for episode in chosen]
        return tuple(sum(count[age] for count in counts) for age in ages)

    return Verification(
        mode=mode,
        returns=tuple(round(e.result.episode_return, 1) for e in episodes),
        planning_inferences=tuple(e.result.planning_inferences for e in episodes),
        ticks=tuple(judged.count(age) for age in ages),
        corrections=by_age(DecisionKind.CORRECT),
        false_alarms=by_age(DecisionKind.REPLAN),
    )


def best_mode(calibration: GateCalibration, verifications: Sequence[Verification]) -> GateCalibration:
    """The calibration with the mode of the fewest planning inferences among those that do not return less."""
    best = np.array(max((v.returns for v in verifications), key=np.mean))
    good = [v for v in verifications if not _is_worse(best - v.returns, best.mean())]
    fewest = min(good, key=lambda v: np.mean(v.planning_inferences))
    return replace(calibration, mode=GateMode(fewest.mode))


def _is_worse(losses: Float[np.ndarray, "episode"], best: float) -> bool:
    """Whether a loss of return, seed by seed, matters, and is no chance."""
    loss, half = float(losses.mean()), interval(losses.tolist())
    return loss > TIE * abs(best) and (half is None or loss > half)
