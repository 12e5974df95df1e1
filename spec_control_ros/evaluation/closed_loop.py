"""An episode in lockstep: every plan that the law asks for is there before the plant moves."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import Decision, ReplanRequest
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.planner import Planner, WarmStart


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """What an episode brought."""

    seed: int
    episode_return: float
    decisions: tuple[Decision, ...]  # one a tick
    latencies_s: tuple[float, ...]  # from observation to command, one a tick, a plan waited for included

    @property
    def planning_inferences(self) -> int:
        """Plans that were made."""
        return self.decisions[-1].planning_inferences


class InlinePlanner:
    """Answers a request at once, as the planner node does in its own process."""

    def __init__(self, planner: Planner, control_period_s: float):
        self._planner, self._control_period_s = planner, control_period_s
        self._warm_start: WarmStart | None = None
        self._plan_ids = 0

    def answer(self, request: ReplanRequest) -> Plan:
        """The plan for a request."""
        queue = self._planner.plan(request.observation, request.epoch, request.start_tick, self._warm_start)
        self._warm_start = queue.warm_start
        self._plan_ids += 1
        return queue.as_plan(
            self._plan_ids, observation_tick=request.tick, control_period_s=self._control_period_s
        )


def run_episode(
    plant: Plant,
    planner: InlinePlanner | None,
    law: PlanExecutor,
    *,
    seed: int,
    epoch: int,
    watch: Callable[[Float32[np.ndarray, "obs"], Decision], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> EpisodeResult:
    """Run the episode of `seed`; the same arguments give the same episode.

    Args:
        plant: is reset.
        planner: answers the law's requests; None: nobody does, and the law, which must wait for a plan no longer
            than a control period, holds.
        law: continues from earlier epochs.
        seed: of the plant.
        epoch: must be larger than any that `law` has seen; it also fixes the planner's noise.
        watch: is shown the observation and the decision of every tick, before the plant moves.
        clock: in seconds; latencies are read from it, and nothing else.

    Raises:
        PlanningError: the law held although every plan came at once: its plans do not fit it.
    """
    obs = plant.reset(seed)
    decisions: list[Decision] = []
    latencies_s: list[float] = []
    episode_return, is_last = 0.0, False
    while not is_last:
        now_s = len(decisions) * plant.control_period_s
        observed_at_s = clock()
        outcome = law.tick(Observation(epoch, len(decisions), obs), now_s)
        if planner is None and outcome.decision is None:
            outcome = law.poll(now_s + plant.control_period_s)
        elif planner is not None and outcome.request is not None:
            outcome = law.receive(planner.answer(outcome.request), now_s)
        latencies_s.append(clock() - observed_at_s)
        if outcome.decision is None:
            raise PlanningError(
                f"seed {seed}, tick {len(decisions)}: no decision although the plan came; drops: {law.drops}"
            )
        decisions.append(outcome.decision)
        if watch is not None:
            watch(obs, outcome.decision)
        step = plant.step(outcome.decision.action)
        obs, is_last = step.obs, step.is_last
        episode_return += step.reward
    return EpisodeResult(seed, episode_return, tuple(decisions), tuple(latencies_s))
