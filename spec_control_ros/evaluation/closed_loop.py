"""An episode in one process: the plant waits for the executor, and the executor for its plans as long as is said."""

import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest, Reason
from spec_control_ros.core.errors import (
    BenchmarkError,
    ObservationError,
    PlanningError,
    SettingsError,
    TaskError,
)
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import Planner, check_plan, check_planner
from spec_control_ros.evaluation.misfit import refuse_misfit
from spec_control_ros.sim.plant import Plant, Step, checked_seed

NEEDED = ("obs_dim", "action_dim", "control_period_s", "episode_ticks", "reset", "step")  # of an environment
# Reasons that something is broken: an episode that ends with one of them tells nothing of a controller.
BROKEN = (Reason.BAD_OBSERVATION, Reason.FAULT, Reason.SENSOR_FROZEN)


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """What an episode brought."""

    seed: int
    episode_return: float
    decisions: tuple[Decision, ...]  # one a tick
    latencies_s: tuple[float, ...]  # from observation to command, one a tick, what was waited included
    fault: str | None = None  # that was latched at the end, in words

    @property
    def holds(self) -> Counter[Reason]:
        """Ticks that were held, by the reason why."""
        return Counter(d.reason for d in self.decisions if d.kind is DecisionKind.HOLD)

    @property
    def planning_inferences(self) -> int:
        """Plans that were made."""
        return self.decisions[-1].planning_inferences

    @property
    def waited_inferences(self) -> int:
        """Of these, the ones that a tick could not do without."""
        return self.decisions[-1].waited_inferences

    def refuse_fault(self) -> None:
        """See to it that the executor decided to the end.

        Raises:
            BenchmarkError: it latched a fault, which outlives the episode, and held.
        """
        if self.fault is not None:
            raise BenchmarkError(
                f"seed {self.seed}: the executor latched a fault and held from then on: {self.fault}"
            )


def run_episode(
    env: Plant,
    planner: Planner | None,
    executor: PlanExecutor,
    *,
    seed: int = 0,
    epoch: int | None = None,
    watch: Callable[[Float32[np.ndarray, "obs"], Decision], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    delay_ticks: int = 0,
) -> EpisodeResult:
    """Run the episode of `seed`; the same arguments give the same episode.

    Where the planner raises PlanningError or ObservationError, the executor holds and asks again, as the nodes do.

    Warns (RuntimeWarning) of such a planner, and where the executor holds to the end because of bad observations or a
    fault.

    Args:
        env: The environment; it is reset.
        planner: Planner that answers the executor's requests; None: nobody does, and the executor holds.
        executor: Executor that continues from earlier epochs where `epoch` is given; else a fresh one like it drives.
        seed: Seed of the environment.
        epoch: Number larger than any that `executor` has seen; it also fixes the planner's noise. None: follows from
            `seed`.
        watch: Function that is shown the observation and the decision of every tick, before the plant moves.
        clock: Clock in seconds; computing times are read from it, and nothing else.
        delay_ticks: Ticks that a plan takes; meanwhile the executor executes what is queued, or holds. 0: every plan is
            there before the plant moves.

    Raises:
        MisfitError: planner or executor were made for other sizes, or for another tick, than the environment has.
        PlanningError: a plan does not answer its request, contradicts the planner's spec, or does not fit the executor.
        ObservationError: an observation of the environment is no array of numbers.
        SettingsError: the executor would wait for a plan longer than the plant does; or seed, epoch or delay are
            impossible.
        TaskError: the environment does not end its episode.
        TypeError: an argument is no environment, planner or executor.
    """
    _check_types(env, planner, executor)
    checked_seed(seed)
    if epoch is None:
        executor, epoch = executor.fresh(), 1 + seed
    elif epoch <= executor.epoch:
        raise SettingsError(
            f"epoch: got {epoch}, expected more than {executor.epoch}, the last that this executor has seen"
        )
    if delay_ticks < 0:
        raise SettingsError(f"delay_ticks: got {delay_ticks}, expected at least 0")
    _check_fit(env, planner, executor)
    period_s = env.control_period_s
    if planner is None or delay_ticks:
        check_waits(executor, period_s)
    slow = _SlowPlanner(planner, delay_ticks)
    decisions: list[Decision] = []
    latencies_s: list[float] = []
    observed_at_s = waited_s = 0.0
    paused_s = 0.0  # that the plant stood still beyond a tick's time, while a plan was waited for in vain

    def act(decision: Decision) -> None:
        decisions.append(decision)
        latencies_s.append(clock() - observed_at_s + waited_s)

    def answer(tick: int, now_s: float) -> bool:
        """Give the executor the planner's answer, if there is one by this tick."""
        if (answered := slow.finished(tick)) is None:
            return False
        is_plan = isinstance(answered, Plan)
        input_of: Any = ExecutorInput.plan if is_plan else ExecutorInput.replan_failed
        driver.give(input_of(answered, now_s))
        return True

    driver = ExecutorDriver(executor, act, lambda request, _: slow.ask(request))
    obs, episode_return, is_last = _row(env.reset(seed)), 0.0, False
    while not is_last:
        tick, now_s = len(decisions), len(decisions) * period_s + paused_s
        answer(tick, now_s)
        observed_at_s, waited_s = clock(), 0.0
        driver.give(ExecutorInput.observation(Observation(epoch, tick, obs), now_s))
        while len(decisions) == tick:
            if answer(tick, now_s):
                continue
            if planner is not None and slow.is_idle and not slow.has_failed:
                raise PlanningError(
                    f"tick {tick}: the executor refused the plan, which is {executor.last_drop or 'of no use'}"
                )
            # Waited in vain, in simulated time: a planner that fails is waited for as long as the settings say
            waited_s = executor.settings.plan_wait_s
            paused_s += max(0.0, waited_s - period_s)
            driver.give(ExecutorInput(InputKind.POLL, now_s + max(period_s, waited_s)))
        if watch is not None:
            watch(obs, decisions[-1])
        step = env.step(decisions[-1].action)
        if not isinstance(step, Step):
            raise TypeError(f"env.step: got a {type(step).__name__}, expected a spec_control_ros.Step")
        obs, is_last = _row(step.obs), step.is_last
        episode_return += step.reward
        if not is_last and len(decisions) >= env.episode_ticks:
            raise TaskError(
                f"env: its episode goes on after {len(decisions)} ticks, expected a Step with is_last after "
                f"episode_ticks = {env.episode_ticks} at the latest"
            )
    result = EpisodeResult(seed, episode_return, tuple(decisions), tuple(latencies_s), executor.fault)
    if slow.failures:
        told = f"seed {seed}: the planner failed {len(slow.failures)} times, first {slow.failures[0]}"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
    _warn_if_broken(result)
    return result


def _check_types(env: Any, planner: Any, executor: Any) -> None:
    if lacks := [name for name in NEEDED if not hasattr(env, name)]:
        raise TypeError(
            f"env: got a {type(env).__name__} without {', '.join(lacks)}; expected what make_env(NAME) gives: it takes "
            "dm_control:TASK, gymnasium:ID, and python:MODULE:FACTORY for an environment that FACTORY() makes"
        )
    if planner is not None:
        check_planner(planner)
    if not isinstance(executor, PlanExecutor):
        raise TypeError(
            f"executor: got a {type(executor).__name__}, expected a PlanExecutor, as make_executor gives"
        )


def _check_fit(env: Plant, planner: Planner | None, executor: PlanExecutor) -> None:
    task = str(getattr(env, "task", type(env).__name__))
    if planner is not None:
        spec, period = planner.spec, {"control_period_s": planner.spec.control_period_s}
        refuse_misfit(spec.name, (spec.obs_dim, spec.action_dim), period, env, task)
    model = executor.model
    refuse_misfit("of the executor", (model.obs_dim, model.action_dim), {}, env, task)


def _row(obs: Any) -> Float32[np.ndarray, "obs"]:
    """An environment's observation as everything else takes it; sizes and values are the executor's to judge."""
    try:
        return np.asarray(obs, np.float32)
    except (TypeError, ValueError) as error:
        raise ObservationError(
            f"env: observation: got a {type(obs).__name__}, expected an array (obs_dim,) of numbers ({error})"
        ) from None


def _warn_if_broken(result: EpisodeResult) -> None:
    if (last := result.decisions[-1]).kind is not DecisionKind.HOLD or last.reason not in BROKEN:
        return
    holds = ", ".join(f"{reason.name.lower()}: {ticks}" for reason, ticks in result.holds.items())
    why = result.fault or "observations had a wrong size or non-finite values, or never changed"
    warnings.warn(
        f"seed {result.seed}: the executor held to the end of the episode: {why}; ticks held of "
        f"{len(result.decisions)}, by reason: {holds}",
        RuntimeWarning,
        stacklevel=3,  # the caller of run_episode
    )


def check_waits(executor: PlanExecutor, period_s: float) -> None:
    """Look whether an executor can run where plans do not come at once.

    Raises:
        SettingsError: it would wait for a plan longer than a control period, or without end.
    """
    if executor.settings.plan_wait_s >= period_s:
        raise SettingsError(
            f"plan_wait_s: got {executor.settings.plan_wait_s} s, expected less than the control period of "
            f"{period_s} s where plans do not come at once"
        )
    if executor.settings.prefetch and executor.settings.wait_for_prefetch:
        raise SettingsError("wait_for_prefetch: got true, expected false where plans do not come at once")


class _SlowPlanner:
    """Takes `delay_ticks` for a plan, one at a time; of the requests that come meanwhile, the latest is next.

    Without a planner no plan ever comes. Earlier plans of the planner are forgotten.
    """

    def __init__(self, planner: Planner | None, delay_ticks: int):
        if planner is not None:
            planner.reset()
        self._planner, self._delay_ticks = planner, delay_ticks
        self._in_work: PlanRequest | None = None
        self._done_tick = 0
        self._next: PlanRequest | None = None
        self._plan_ids = 0
        self.has_failed = False  # at the last request that it answered
        self.failures: list[str] = []  # when and why, in words

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._in_work is None

    def ask(self, request: PlanRequest) -> None:
        """Take a request, at its tick."""
        if self._in_work is None:
            self._begin(request, request.tick)
        else:
            self._next = request

    def finished(self, tick: int) -> Plan | PlanRequest | None:
        """The plan that is there by a tick, or the request that the planner failed at; each one once.

        Raises:
            PlanningError: the plan does not answer its request, or contradicts the planner's spec.
        """
        request = self._in_work
        if self._planner is None or request is None or tick < self._done_tick:
            return None
        self._in_work = None
        if self._next is not None:
            self._begin(self._next, self._done_tick)
            self._next = None
        try:
            plan = self._planner.plan(request)
        except (PlanningError, ObservationError) as error:
            self.has_failed = True
            self.failures.append(f"at tick {tick}: {error}")
            return request
        check_plan(plan, request, self._planner.spec)
        self.has_failed = False
        self._plan_ids += 1
        return replace(plan, plan_id=self._plan_ids)

    def _begin(self, request: PlanRequest, tick: int) -> None:
        self._in_work, self._done_tick = request, tick + self._delay_ticks
