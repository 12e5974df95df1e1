"""How long the control law computes inside a tick, with nothing around it."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.executor.synthetic_planner import SyntheticPlanner
from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest
from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_input import ExecutorInput
from spec_control_ros.core.gate import GateMode, GateSettings
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.evaluation.controller import ControllerSettings

EPISODE = 500  # ticks of an epoch
# The longest way through a tick that need not wait: every queued action is corrected.
ALWAYS_CORRECT = GateSettings(mode=GateMode.FIXED, accept=0.0, replan=1e9)


def correcting(settings: ControllerSettings) -> ControllerSettings:
    """The same controller with a gate that has every action corrected."""
    return replace(settings, gate=ALWAYS_CORRECT)


def drive(
    law: PlanExecutor, synthetic: SyntheticPlanner, ticks: int, clock: Callable[[], float] = time.perf_counter
) -> Iterator[tuple[Decision, float]]:
    """Drive the law through epochs of `EPISODE` ticks; every request is answered at once.

    Yields the decision of each tick, and the seconds that the law computed from observation to command; a tick that
    waits for its plan is computed twice, and both count.
    """
    decided: list[tuple[Decision, float]] = []
    asked: list[PlanRequest] = []
    start_s = before_s = 0.0
    driver = ExecutorDriver(
        law,
        lambda decision: decided.append((decision, before_s + clock() - start_s)),
        lambda request, _: asked.append(request),
    )
    for n in range(ticks):
        tick, now_s = n % EPISODE, float(n)
        observation = Observation(1 + n // EPISODE, tick, synthetic.obs(tick))
        before_s, start_s = 0.0, clock()
        driver.give(ExecutorInput.observation(observation, now_s))
        if not decided and asked:
            before_s = clock() - start_s
            plan = synthetic.plan(asked.pop())
            start_s = clock()
            driver.give(ExecutorInput.plan(plan, now_s))
        if not decided:
            raise BenchmarkError(f"tick {tick}: no decision although its plan came; drops: {law.drops}")
        yield decided.pop()
        if asked:
            driver.give(ExecutorInput.plan(synthetic.plan(asked.pop()), now_s))


def computing_times_s(
    law: PlanExecutor,
    synthetic: SyntheticPlanner,
    ticks: int,
    period_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Of every tick that had something queued.

    As in the executor node, garbage is collected between ticks, and the process sleeps then: the caches of a CPU that
    has done something else meanwhile are part of what a tick costs.
    """
    times: list[float] = []
    with _garbage_frozen():
        for decision, seconds in drive(law, synthetic, ticks, clock):
            if decision.kind in (DecisionKind.ACCEPT, DecisionKind.CORRECT):
                times.append(seconds)
            gc.collect()
            time.sleep(period_s)
    return times


@contextmanager
def _garbage_frozen() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
