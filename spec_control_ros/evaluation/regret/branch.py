"""An episode that can be copied between two ticks, to live on in several branches."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.decision import Decision, DecisionKind
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_input import ExecutorInput
from spec_control_ros.core.gate import Gate, GateVerdict
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import NoisyPlanner, Planner
from spec_control_ros.sim.plant import Plant


class ForcedGate(Gate):
    """Decides on every row that is not stale as it is told, with the settings and measures of the gate that it is like.

    After so many judged ticks (None: never) it replans at every tick. Rows that are older than `oldest_accepted` (None:
    there is no limit) are corrected where it would accept them. What it judged last can be read.
    """

    def __init__(
        self, like: Gate, kind: DecisionKind, ticks: int | None = None, oldest_accepted: int | None = None
    ):
        super().__init__(like.settings, like.calibration, like.model)
        self._kind, self._ticks, self._oldest_accepted = kind, ticks, oldest_accepted
        # Observed latent, its row, and what the gate that it is like decides there, as this plan has gone so far
        self.judged: tuple[np.ndarray, QueuedAction, DecisionKind] | None = None

    def judge(
        self, observed: Float32[np.ndarray, "latent"], row: QueuedAction, *, can_correct: bool = True
    ) -> GateVerdict:
        """The forced decision, with the mismatch and the thresholds of the gate that it is like."""
        verdict = super().judge(observed, row, can_correct=can_correct)
        self.judged = observed, row, verdict.kind
        kind = self._kind
        if self._ticks is not None:
            kind = kind if self._ticks > 0 else DecisionKind.REPLAN
            self._ticks -= 1
        if (
            kind is DecisionKind.ACCEPT
            and self._oldest_accepted is not None
            and row.age > self._oldest_accepted
        ):
            kind = DecisionKind.CORRECT
        if kind is DecisionKind.CORRECT and not can_correct:
            kind = DecisionKind.ACCEPT
        if row.steps_ahead > self.settings.max_steps_ahead:
            kind = DecisionKind.REPLAN
        return replace(verdict, kind=kind)


class Branch:
    """An episode in progress, whose plans come at once.

    Args:
        plant: Environment at the start of the episode; it can be copied by `copy.deepcopy`.
        executor: Executor with no epoch behind it, or one of a smaller number.
        planner: Planner without a warm start of this epoch. `copy.copy` gives one that goes on independently.
        obs: The first observation.
        epoch: Number of the epoch.
    """

    def __init__(self, plant: Plant, executor: PlanExecutor, planner: Planner, obs: np.ndarray, epoch: int):
        self.plant, self.executor, self.planner = plant, executor, planner
        self._obs, self._epoch = obs, epoch
        self.tick = 0  # that comes next
        self.is_over = False
        self.episode_return = 0.0

    def fork(self, kind: DecisionKind | None = None, ticks: int = 1, seed: int | None = None) -> "Branch":
        """An independent episode in the same state, which goes on bit for bit as this one would.

        Args:
            kind: Decision on the rows of the next ticks; None: the gate decides as before.
            ticks: Number of ticks with that decision; then it replans at every tick.
            seed: Seed of another noise of the planner, which must be a `NoisyPlanner`; None: as before.
        """
        twin = copy.copy(self)
        twin.plant, twin.planner = copy.deepcopy(self.plant), copy.copy(self.planner)
        twin.executor = copy.deepcopy(self.executor, _shared(self.executor))
        if seed is not None:
            assert isinstance(twin.planner, NoisyPlanner)
            twin.planner = twin.planner.with_seed(seed)
        if kind is not None:
            twin.executor.gate = ForcedGate(self.executor.gate, kind, ticks)
        return twin

    def step(self) -> tuple[Decision, float]:
        """Live one tick; returns its decision and its reward."""
        now_s, decisions, plans = self.tick * self.plant.control_period_s, list[Decision](), list[Plan]()
        driver = ExecutorDriver(
            self.executor, decisions.append, lambda request, _: plans.append(self.planner.plan(request))
        )
        observation = Observation(self._epoch, self.tick, self._obs)
        driver.give(ExecutorInput.observation(observation, now_s))
        while plans:
            driver.give(ExecutorInput.plan(plans.pop(0), now_s))
        if not decisions:
            raise PlanningError(f"tick {self.tick}: no decision and no request; drops: {self.executor.drops}")
        step = self.plant.step(decisions[0].action)
        self._obs, self.is_over = step.obs, step.is_last
        self.tick += 1
        self.episode_return += step.reward
        return decisions[0], step.reward

    def run(self, ticks: int) -> float:
        """The return of so many ticks, or of those that are left."""
        before, end = self.episode_return, self.tick + ticks
        while self.tick < end and not self.is_over:
            self.step()
        return self.episode_return - before


def _shared(executor: PlanExecutor) -> dict[int, Any]:
    """What two executors may have in common, as `copy.deepcopy` takes it: networks and functions keep no state."""
    model = executor.model
    parts = (model, model.encode, model.policy, model.step, executor.corrector)
    return {id(part): part for part in parts if part is not None}
