"""The control law by itself: how long a tick computes, and that it keeps nothing of it."""

import gc
import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.executor.executor_speed import EPISODE, computing_times_s, correcting, drive
from benchmarks.executor.memory_growth import MemoryGrowth, MemorySample
from benchmarks.executor.synthetic_planner import SyntheticPlanner
from spec_control_ros.core.decision import Decision, DecisionKind
from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

QUEUE = 4
AHEAD = ExecutorSettings(prefetch=True)
MakeLaw = Callable[..., tuple[PlanExecutor, SyntheticPlanner]]


@pytest.fixture
def make(model: Path) -> MakeLaw:
    """The control law of a small model, and what surrounds it."""
    folder = ModelFolder(model)

    def make(settings: ExecutorSettings = AHEAD, kind: str = "two_tower"):
        controller = replace(correcting(ControllerSettings(executor=settings)), corrector=kind)
        parts = TDMPC2Format().load_parts(folder.path)
        return make_executor(controller.configured(parts)), SyntheticPlanner(parts.model, QUEUE)

    return make


def kinds(law: PlanExecutor, synthetic: SyntheticPlanner, ticks: int) -> list[DecisionKind]:
    return [decision.kind for decision, _ in drive(law, synthetic, ticks)]


def test_every_tick_but_an_epochs_first_is_corrected(make: MakeLaw) -> None:
    found = kinds(*make(), EPISODE + 10)
    assert [i for i, kind in enumerate(found) if kind is DecisionKind.REPLAN] == [0, EPISODE]
    assert set(found) == {DecisionKind.REPLAN, DecisionKind.CORRECT}


def test_without_asking_ahead_every_queue_begins_with_a_replan(make: MakeLaw) -> None:
    found = kinds(*make(ExecutorSettings(prefetch=False)), 3 * QUEUE)
    assert [i for i, kind in enumerate(found) if kind is DecisionKind.REPLAN] == [0, QUEUE, 2 * QUEUE]


def test_computing_time_is_that_of_the_law_alone(make: MakeLaw) -> None:
    clock = itertools.count()
    timed = drive(*make(), 3, clock=lambda: float(next(clock)))
    # The first tick computes before and after its plan, the others once.
    assert [seconds for _, seconds in timed] == [2.0, 1.0, 1.0]


def test_ticks_that_wait_for_a_plan_do_not_count(make: MakeLaw) -> None:
    times = computing_times_s(*make(ExecutorSettings(prefetch=False)), 3 * QUEUE, 0.0)
    assert len(times) == 3 * QUEUE - 3
    assert min(times) > 0.0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_plan_that_does_not_fit_is_told(make: MakeLaw) -> None:
    law, _ = make()
    with pytest.raises(BenchmarkError, match="no decision"):
        list(drive(law, SyntheticPlanner(replace(law.model, action_dim=7), QUEUE), 1))


@pytest.mark.parametrize("kind", ["two_tower", "temporal"])
def test_thousands_of_ticks_leave_nothing_behind(make: MakeLaw, kind: str) -> None:
    law, synthetic = make(kind=kind)
    samples: list[MemorySample] = []
    last: Decision | None = None
    gc.collect()
    gc.freeze()
    try:
        for n, (decision, _) in enumerate(drive(law, synthetic, 6 * EPISODE)):
            last = decision
            if n % (EPISODE // 2) == EPISODE // 4:  # at the same places of an epoch
                gc.collect()
                samples.append(MemorySample(n, 0, sys.getallocatedblocks()))
    finally:
        gc.unfreeze()
    growth = MemoryGrowth.of(samples)
    assert last is not None
    assert growth.python_blocks < 50, [s.python_blocks for s in samples]
