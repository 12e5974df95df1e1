"""Settings of TD-MPC2's update."""

import math
from dataclasses import dataclass

from spec_control_ros.core.settings import Checked, setting

LAST_RATE = 0.05  # of a learning rate that falls, relative to the first


@dataclass(frozen=True, slots=True)
class LearnerSettings(Checked):
    """Settings of the update; the defaults are the official ones."""

    discount: float = setting(0.99, "a tick", above=0.0, high=1.0)
    rho: float = setting(0.5, "weight of a step relative to the one before it", above=0.0, high=1.0)
    consistency_coef: float = setting(20.0, "weight of the latents' error", low=0.0)
    reward_coef: float = setting(0.1, "weight of the reward's error", low=0.0)
    value_coef: float = setting(0.1, "weight of the values' error", low=0.0)
    entropy_coef: float = setting(1e-4, "weight of the prior's entropy", low=0.0)
    learning_rate: float = setting(3e-4, "of everything but the encoder", above=0.0)
    encoder_learning_rate_scale: float = setting(0.3, "the encoder's learning rate relative to it", above=0.0)
    decay_updates: int = setting(
        0, "over which learning rates fall along a cosine to a twentieth; 0: never", low=0
    )
    grad_clip_norm: float = setting(20.0, "largest norm of a gradient", above=0.0)
    target_rate: float = setting(0.01, "at which target values follow", above=0.0, high=1.0)
    prior_every: int = setting(1, "updates of the model for one of the prior", low=1)
    imitation_coef: float = setting(
        2.0,
        "weight in the prior's loss of the squared distance to the expert's action, if there is one",
        low=0.0,
    )
    latent_imitation_coef: float = setting(
        0.05, "the same in the model's loss, where it keeps in the latent what the expert looks at", low=0.0
    )

    def rate(self, updates: int) -> float:
        """The learning rate after so many updates, relative to the first."""
        if not self.decay_updates:
            return 1.0
        phase = math.pi * min(updates / self.decay_updates, 1.0)
        return LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + math.cos(phase))
