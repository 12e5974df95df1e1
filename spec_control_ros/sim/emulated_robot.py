"""A robot that is only simulated: efforts or trajectories in, joints and base out, as time goes by."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, SettingsError
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.joint_trajectory import JointTrajectory, TrajectoryFollower
from spec_control_ros.sim.state_estimate import BodyModel


class EmulatedRobot:
    """A dm_control body behind motors that hold the last effort, as a forward command controller does.

    With stiffness and damping it follows trajectories as well, as a joint trajectory controller with effort commands
    does: the effort is stiffness (wanted - real position) + damping (wanted - real velocity).

    After a reset it is held in its start pose, as on a stand, until the first command.

    Args:
        plant: Environment with the robot's body and its start poses.
        joints: Joints in the order of the controller; empty: the task's own order.
        stiffness: Effort of each joint for an error of 1 rad (or m), in the order of the controller; empty: none.
        damping: Effort of each joint for an error of 1 rad/s (or m/s).

    Raises:
        TaskError: its actuators are no plain motors.
        SettingsError: the joints are not those of the task's motors, or stiffness or damping do not fit them.
    """

    def __init__(
        self,
        plant: ControlPlant,
        joints: tuple[str, ...] = (),
        stiffness: tuple[float, ...] = (),
        damping: tuple[float, ...] = (),
    ):
        self.plant, self._body = plant, BodyModel(plant)
        self._actuators = find_actuators(self.plant.physics)
        self.joints = self._actuators.ordered(joints)
        for name, values in (("stiffness", stiffness), ("damping", damping)):
            if stiffness and (len(values) != len(self.joints) or not np.isfinite(values).all()):
                raise SettingsError(
                    f"{name}: got {list(values)}, expected {len(self.joints)} finite values, for "
                    f"{', '.join(self.joints)} in this order"
                )
        self._stiffness, self._damping = np.array(stiffness), np.array(damping)
        self.follows_trajectories = bool(stiffness)
        self._follower: TrajectoryFollower | None = None  # of the trajectory that it is following
        self._order = [self.joints.index(name) for name in self._actuators.joints]
        self._from = [self._actuators.joints.index(name) for name in self.joints]
        self.step_s = float(plant.physics.timestep())  # of the physics
        self._steps_of_reward = round(plant.control_period_s / plant.action_repeat / self.step_s)
        self._steps_of_episode = round(plant.episode_ticks * plant.control_period_s / self.step_s)
        self.reset(0)

    @property
    def time_s(self) -> float:
        """Simulated since the last reset."""
        return self._steps * self.step_s

    def reset(self, seed: int) -> None:
        """Hold the robot in the start pose that `seed` stands for, without effort."""
        self.plant.reset(seed)
        self._control = np.zeros(len(self.joints))
        self._is_held, self._steps = True, 0
        # What dm_control itself has given since then, up to the length of its episodes
        self.task_return = 0.0
        self._follower = None

    def command(self, efforts: NDArray[np.float64]) -> None:
        """Take efforts (joint,), N m or N, in the controller's order; motors give no more than they can.

        Raises:
            ActionError: wrong size or not finite.
        """
        if efforts.shape != (len(self.joints),) or not np.isfinite(efforts).all():
            raise ActionError(
                f"efforts: got shape {efforts.shape}, expected ({len(self.joints)},) of finite values"
            )
        self._drive(efforts)
        self._is_held, self._follower = False, None

    def follow(self, trajectory: JointTrajectory, start_s: float) -> None:
        """Follow a trajectory from `start_s` of `time_s` on; the newest takes over from the one before it.

        Raises:
            ActionError: wrong size, or its end is in the past; the robot goes on with what it was told before.
        """
        if trajectory.positions.shape[1] != len(self._stiffness):
            raise ActionError(
                f"trajectory: got {trajectory.positions.shape[1]} joints, expected {len(self._stiffness)}"
            )
        follower = self._follower or TrajectoryFollower(self._joints()[0], self.time_s)
        follower.take(trajectory, start_s, self.time_s)
        self._follower, self._is_held = follower, False

    def _joints(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions and velocities (joint,), in the controller's order."""
        model, data = self.plant.physics.model, self.plant.physics.data
        ids = model.actuator_trnid[:, 0][self._from]
        return data.qpos[model.jnt_qposadr[ids]], data.qvel[model.jnt_dofadr[ids]]

    def _drive(self, efforts: NDArray[np.float64]) -> None:
        low, high = self.plant.physics.model.actuator_ctrlrange.T
        self._control = np.clip(efforts[self._order] / self._actuators.gears, low, high)

    def advance(self, steps: int) -> None:
        """Let so many steps of the physics go by under the newest command."""
        if self._is_held:
            return
        physics = self.plant.physics
        while steps > 0:
            if self._follower is not None:
                wanted, real = self._follower.sample(self.time_s), self._joints()
                self._drive(self._stiffness * (wanted[0] - real[0]) + self._damping * (wanted[1] - real[1]))
            until_reward = self._steps_of_reward - self._steps % self._steps_of_reward
            taken = min(steps, until_reward if self._follower is None else 1)
            physics.set_control(self._control)
            physics.step(taken)
            self._steps += taken
            if taken == until_reward and self._steps <= self._steps_of_episode:
                self.task_return += self.plant.reward()
            steps -= taken

    def state(self) -> BodyState:
        """What its sensors tell, without noise."""
        return self._body.read()
