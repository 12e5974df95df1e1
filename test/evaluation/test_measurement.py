"""Episodes that nodes ran, as measurements."""

from dataclasses import replace
from math import inf, nan

import pytest

from spec_control_ros.analysis.run_log import EpisodeRecord
from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.evaluation.closed_loop import EpisodeResult
from spec_control_ros.evaluation.measurement import Measurement


def record(*ticks: int, missed: int = 0, is_done: bool = True) -> EpisodeRecord:
    """Of an episode of five ticks, whose status came at these."""
    made = EpisodeRecord(1, seed=7, episode_return=3.0, plant_ticks=5, missed_ticks=missed, is_done=is_done)
    for number in ticks:
        made.ticks.add(
            TickRecord(
                tick=number,
                decision=DecisionKind.ACCEPT,
                reason=Reason.NONE,
                mismatch=0.1,
                accept_threshold=0.5,
                replan_threshold=1.0,
                queue_depth=2,
                steps_ahead=1,
                latency_s=0.001 * number,
                planning_inferences=number,
                waited_inferences=1,
                dropped=0,
            )
        )
    return made


def test_every_tick_of_an_episode_has_an_entry() -> None:
    measured = Measurement.of_record(record(0, 1, 2, 3, 4))
    assert measured.latencies_s == (0.0, 0.001, 0.002, 0.003, 0.004)
    assert (measured.seed, measured.planning_inferences, measured.missed_ticks) == (7, 4, 0)
    assert Measurement.from_json(measured.to_json()) == measured


def test_episode_that_a_fault_held_to_its_end_is_no_measurement() -> None:
    result = EpisodeResult(
        seed=7, episode_return=3.0, decisions=[], latencies_s=[], fault="policy gave a NaN"
    )
    with pytest.raises(BenchmarkError, match=r"seed 7: the executor latched a fault .*: policy gave a NaN"):
        Measurement.of_result(result, 1)


@pytest.mark.parametrize("wrong", [nan, inf])
def test_return_that_is_no_number_is_no_measurement(wrong: float) -> None:
    with pytest.raises(BenchmarkError, match=r"seed 7: got a return of (nan|inf), expected a number"):
        Measurement.of_record(replace(record(0, 1, 2, 3, 4), episode_return=wrong))


def test_ticks_that_the_plant_went_on_without_have_none() -> None:
    measured = Measurement.of_record(record(0, 1, 3, 4, missed=1))
    assert len(measured.kinds) == 4
    assert measured.missed_ticks == 1


@pytest.mark.parametrize("wrong", [record(0, 1, 3, 4), record(0, 1, 2, 3, 4, is_done=False)])
def test_episode_of_which_something_is_lacking_is_refused(wrong: EpisodeRecord) -> None:
    with pytest.raises(BenchmarkError, match="seed 7: got the status of"):
        Measurement.of_record(wrong)
