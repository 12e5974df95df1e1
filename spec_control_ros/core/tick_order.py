"""Which observations and plans are still of use: time as epochs and ticks."""

from spec_control_ros.core.drop import Drop
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan


class TickOrder:
    """Where the law is, and what it refuses because it comes from elsewhere."""

    def __init__(self) -> None:
        self.epoch = self.tick = -1  # of the newest observation
        self.missed_ticks = 0  # of this epoch
        self._newest_plan = (-1, -1)

    def objection_to_observation(self, observation: Observation) -> Drop | None:
        """Why an observation comes too late; None if it does not."""
        if observation.epoch < self.epoch:
            return Drop.STALE_EPOCH
        is_stale = observation.epoch == self.epoch and observation.tick <= self.tick
        return Drop.STALE_TICK if is_stale else None

    def begin_epoch(self, epoch: int) -> None:
        """Nothing of it has been seen."""
        self.epoch, self.tick, self.missed_ticks = epoch, -1, 0
        self._newest_plan = (-1, -1)

    def advance(self, tick: int) -> int:
        """Take a tick of this epoch for the newest; returns how many were missed since the one before."""
        # The first observation of an epoch says where we come in, not that ticks were missed.
        missed = tick - self.tick - 1 if self.tick >= 0 else 0
        self.tick = tick
        self.missed_ticks += missed
        return missed

    def objection_to_plan(self, plan: Plan) -> Drop | None:
        """Why a plan is not taken; None if it is, and then no older one will be."""
        if plan.epoch != self.epoch:
            return Drop.STALE_EPOCH
        if plan.observation_tick > self.tick:
            return Drop.BAD_PLAN  # of an observation that never came
        if plan.identity < self._newest_plan:
            return Drop.STALE_PLAN  # overtaken by a newer one
        self._newest_plan = plan.identity
        return None
