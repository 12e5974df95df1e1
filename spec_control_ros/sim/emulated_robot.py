"""A robot that is only simulated: efforts in, joints and base out, as time goes by."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, SettingsError
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.state_estimate import BodyModel


class EmulatedRobot:
    """A dm_control body behind motors that hold the last effort, as a forward command controller does.

    After a reset it is held in its start pose, as on a stand, until the first command.

    Args:
        plant: Environment with the robot's body and its start poses.
        joints: Joints in the order of the controller; empty: the task's own order.

    Raises:
        TaskError: its actuators are no plain motors.
        SettingsError: the joints are not those of the task's motors.
    """

    def __init__(self, plant: ControlPlant, joints: tuple[str, ...] = ()):
        self.plant, self._body = plant, BodyModel(plant)
        self._actuators = find_actuators(self.plant.physics)
        self.joints = joints or self._actuators.joints
        if sorted(self.joints) != sorted(self._actuators.joints):
            raise SettingsError(
                f"joints: got {', '.join(self.joints)}, expected each of {', '.join(self._actuators.joints)} once"
            )
        self._order = [self.joints.index(name) for name in self._actuators.joints]
        self._steps_of_reward = round(plant.control_period_s / plant.action_repeat / self.step_s)
        self._steps_of_episode = round(plant.episode_ticks * plant.control_period_s / self.step_s)
        self.reset(0)

    @property
    def step_s(self) -> float:
        """Duration of a step of the physics."""
        return float(self.plant.physics.timestep())

    @property
    def time_s(self) -> float:
        """Simulated since the last reset."""
        return self._steps * self.step_s

    @property
    def is_fixed(self) -> bool:
        """Whether its base cannot move."""
        return self._body.is_fixed

    @property
    def task_return(self) -> float:
        """What dm_control itself has given since the last reset, up to the length of its episodes."""
        return self._return

    def reset(self, seed: int) -> None:
        """Hold the robot in the start pose that `seed` stands for, without effort."""
        self.plant.reset(seed)
        self._control = np.zeros(len(self.joints))
        self._is_held, self._steps, self._return = True, 0, 0.0

    def command(self, efforts: NDArray[np.float64]) -> None:
        """Take efforts (joint,), N m or N, in the controller's order; motors give no more than they can.

        Raises:
            ActionError: wrong size or not finite.
        """
        if efforts.shape != (len(self.joints),) or not np.isfinite(efforts).all():
            raise ActionError(
                f"efforts: got shape {efforts.shape}, expected ({len(self.joints)},) of finite values"
            )
        low, high = self.plant.physics.model.actuator_ctrlrange.T
        self._control = np.clip(efforts[self._order] / self._actuators.gears, low, high)
        self._is_held = False

    def advance(self, steps: int) -> None:
        """Let so many steps of the physics go by under the newest efforts."""
        if self._is_held:
            return
        physics = self.plant.physics
        physics.set_control(self._control)
        while steps > 0:
            until_reward = self._steps_of_reward - self._steps % self._steps_of_reward
            physics.step(min(steps, until_reward))
            self._steps += min(steps, until_reward)
            if steps >= until_reward and self._steps <= self._steps_of_episode:
                self._return += self.plant.reward()
            steps -= until_reward

    def state(self) -> BodyState:
        """What its sensors tell, without noise."""
        return self._body.read()
