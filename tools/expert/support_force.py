"""A force that carries a part of a biped's weight while it gets up, and ever less of it."""

from typing import Any

from spec_control_ros.sim.control_plant import ControlPlant

LOW_HEAD_M = 1.25  # the force acts below
STEP = 0.05  # of the weight, that the force loses at a time
EPISODES = 64  # that are judged together
UPRIGHT_POSTURE = 0.8  # at the end of an episode that went well


class SupportForce:
    """How much is carried.

    Args:
        share: of the weight, at first.
    """

    def __init__(self, share: float):
        self.share = share
        self._went_well: list[bool] = []

    def lift(self, plant: ControlPlant) -> None:
        """Set the force on the body's root for the next tick."""
        model, data = plant.physics.model, plant.physics.data
        weight = -model.opt.gravity[2] * model.body_mass.sum()
        is_low = plant.physics.head_height() < LOW_HEAD_M
        data.xfrc_applied[model.jnt_bodyid[0], 2] = self.share * weight if is_low else 0.0

    def note(self, posture: float) -> None:
        """Take in how an episode that began low has ended; once half of them end upright, less is carried."""
        self._went_well.append(posture >= UPRIGHT_POSTURE)
        if len(self._went_well) == EPISODES:
            if 2 * sum(self._went_well) >= EPISODES:
                self.share = max(self.share - STEP, 0.0)
            self._went_well.clear()

    def state_dict(self) -> dict[str, Any]:
        """What a run goes on from."""
        return {"share": self.share, "went_well": list(self._went_well)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.share, self._went_well = state["share"], list(state["went_well"])
