"""A robot under the contract of plants."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, ObservationError
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.plant import JointStates, Step, checked_action
from spec_control_ros.sim.state_estimate import Estimate, StateEstimator


class RobotPlant:
    """A robot under the contract of plants: a step has happened already, and is what the sensors tell now."""

    def __init__(self, estimator: StateEstimator, episode_ticks: int):
        self._estimator = estimator
        self.obs_dim, self.action_dim = estimator.plant.obs_dim, estimator.plant.action_dim
        self.control_period_s, self.episode_ticks = estimator.plant.control_period_s, episode_ticks
        self.body: BodyState | None = None  # as it was sensed last; None where it was not
        self._ticks_left = 0

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Begin an episode; where the robot is not sensed, there is nothing to observe."""
        self._ticks_left = self.episode_ticks
        return self.observe()

    def step(self, action: NDArray[np.float32]) -> Step:
        """The tick that `action` (action,) in [-1, 1] has driven is over.

        Raises:
            ActionError: wrong size, not finite, or no episode under way.
        """
        if not self.is_running:
            raise ActionError("step: the episode is over or none was started; call reset first")
        checked_action(action, self.action_dim)  # also where the body is not known
        estimate = self._observe(action)
        self._ticks_left -= 1
        return Step(
            estimate.obs, self._estimator.plant.action_repeat * estimate.reward, self._ticks_left == 0
        )

    def joint_states(self) -> JointStates:
        """The joints as they were sensed last."""
        return self._estimator.body.read().joints if self.body is None else self.body.joints

    @property
    def is_running(self) -> bool:
        """Whether an episode is under way."""
        return self._ticks_left > 0

    def observe(self) -> NDArray[np.float32]:
        """Observation (obs,) of the body as it is now; not numbers where it is not known."""
        return self._observe(np.zeros(self.action_dim, np.float32)).obs

    def _observe(self, action: NDArray[np.float32]) -> Estimate:
        if self.body is not None:
            with suppress(ObservationError):
                return self._estimator.estimate(self.body, action)
        return Estimate(np.full(self.obs_dim, np.nan, np.float32), 0.0)
