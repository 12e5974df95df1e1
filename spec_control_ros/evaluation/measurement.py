"""What was measured in one episode, tick by tick."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite, isnan, nan
from typing import Any

from spec_control_ros.analysis.run_log import EpisodeRecord
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.evaluation.closed_loop import EpisodeResult
from spec_control_ros.evaluation.processor import processor


@dataclass(frozen=True, slots=True)
class Measurement:
    """One episode; the sequences have an entry a tick."""

    seed: int
    epoch: int
    episode_return: float
    planning_inferences: int
    waited_inferences: int
    kinds: tuple[int, ...]  # `DecisionKind`
    steps_ahead: tuple[int, ...]
    mismatches: tuple[float, ...]  # NaN where nothing was predicted
    latencies_s: tuple[float, ...]  # from observation to command
    missed_ticks: int = 0  # which the plant did without a command of their own
    processor: str = ""  # see `processor`; empty: from before it was kept

    def __post_init__(self) -> None:
        if not isfinite(self.episode_return):
            raise BenchmarkError(
                f"seed {self.seed}: got a return of {self.episode_return}, expected a number; look at the reward of "
                "the environment"
            )
        lengths = {len(self.kinds), len(self.steps_ahead), len(self.mismatches), len(self.latencies_s)}
        if len(lengths) != 1 or 0 in lengths:
            raise BenchmarkError(
                f"seed {self.seed}: got sequences of {sorted(lengths)} ticks, expected one length"
            )

    @classmethod
    def of_result(cls, result: EpisodeResult, epoch: int) -> "Measurement":
        """Of an episode in one process.

        Raises:
            BenchmarkError: the executor latched a fault, and held to the end.
        """
        result.refuse_fault()
        last = result.decisions[-1]
        return cls(
            seed=result.seed,
            epoch=epoch,
            episode_return=result.episode_return,
            planning_inferences=last.planning_inferences,
            waited_inferences=last.waited_inferences,
            kinds=tuple(int(d.kind) for d in result.decisions),
            steps_ahead=tuple(d.steps_ahead for d in result.decisions),
            mismatches=tuple(round(d.mismatch, 6) for d in result.decisions),
            latencies_s=_rounded(result.latencies_s),
            processor=processor(),
        )

    @classmethod
    def of_record(cls, record: EpisodeRecord) -> "Measurement":
        """Of an episode that ROS nodes ran; ticks that the plant went on without have no entry.

        Raises:
            BenchmarkError: it was cut off, or the status of a tick that had its command did not come.
        """
        ticks = record.in_order
        if not record.is_done or len(ticks) < record.plant_ticks - record.missed_ticks:
            raise BenchmarkError(
                f"seed {record.seed}: got the status of {len(ticks)} of {record.plant_ticks} ticks; run it again"
            )
        return cls(
            seed=record.seed,
            epoch=record.epoch,
            episode_return=record.episode_return,
            planning_inferences=ticks[-1].planning_inferences,
            waited_inferences=ticks[-1].waited_inferences,
            kinds=tuple(int(t.decision) for t in ticks),
            steps_ahead=tuple(t.steps_ahead for t in ticks),
            mismatches=tuple(round(t.mismatch, 6) for t in ticks),
            latencies_s=_rounded([t.latency_s for t in ticks]),
            missed_ticks=record.missed_ticks,
            processor=processor(),
        )

    @classmethod
    def from_json(cls, text: str) -> "Measurement":
        """Read what `to_json` wrote.

        Raises:
            BenchmarkError: it is something else.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            values["mismatches"] = [nan if m is None else float(m) for m in values["mismatches"]]
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            measurement = cls(**values)
            for kind in measurement.kinds:
                DecisionKind(kind)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BenchmarkError(f"not a measured episode ({type(error).__name__}: {error})") from None
        return measurement

    def to_json(self) -> str:
        """One line."""
        values = asdict(self)
        values["mismatches"] = [None if isnan(m) else m for m in self.mismatches]
        return json.dumps(values, separators=(",", ":"))


def _rounded(latencies_s: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(latency_s, 7) for latency_s in latencies_s)
