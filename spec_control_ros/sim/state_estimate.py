"""From what a robot senses to what the policy sees, by forward kinematics with the task's own MuJoCo model."""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ObservationError, TaskError
from spec_control_ros.sim.base import Base, FixedBase, find_base
from spec_control_ros.sim.body_state import LARGEST, BodyState
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.plant import JointStates

TRIAL_TICKS = 40


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the task makes of a body's state."""

    obs: NDArray[np.float32]  # (obs,) the task's observation, in its own order
    reward: float  # of one of the task's control steps that ends in this state


class BodyModel:
    """The joints and the root of a task's robot in MuJoCo's state."""

    def __init__(self, plant: ControlPlant):
        self._physics = plant.physics
        self.base: Base = find_base(plant.physics)
        all_names = plant.joint_states().names
        kept = [i for i, name in enumerate(all_names) if name not in self.base.joints]
        self.joint_names = tuple(all_names[i] for i in kept)
        model = plant.physics.model
        ids = [model.name2id(name, "joint") for name in self.joint_names]
        self._qpos, self._dof = model.jnt_qposadr[ids], model.jnt_dofadr[ids]

    @property
    def is_fixed(self) -> bool:
        """Whether the root cannot move, so that neither IMU nor odometry is needed."""
        return isinstance(self.base, FixedBase)

    def read(self) -> BodyState:
        """The body as the physics has it."""
        data = self._physics.data
        joints = JointStates(self.joint_names, data.qpos[self._qpos].copy(), data.qvel[self._dof].copy())
        return BodyState(joints, self.base.read(data))

    def write(self, state: BodyState) -> None:
        """Set the physics' positions and velocities, and all that follows from them.

        Raises:
            ObservationError: a joint is missing, or a value is not finite or absurdly large.
        """
        data, joints = self._physics.data, state.joints
        index = {name: i for i, name in enumerate(joints.names)}
        if missing := [name for name in self.joint_names if name not in index]:
            raise ObservationError(f"joints: {', '.join(missing)} missing, got {', '.join(joints.names)}")
        order = [index[name] for name in self.joint_names]
        data.qpos[self._qpos], data.qvel[self._dof] = joints.position[order], joints.velocity[order]
        self.base.write(state.base, data)
        if not (np.abs([*data.qpos, *data.qvel]) < LARGEST).all():
            self._physics.reset()
            raise ObservationError(f"body state: got values that are not finite or beyond {LARGEST:g}")
        # What dm_control's own step ends with: all that follows from positions and velocities, sensors included.
        mujoco.mj_step1(self._physics.model.ptr, data.ptr)


class StateEstimator:
    """The observation of a dm_control task from a robot's joints, IMU and odometry.

    The task's own code computes it, from a physics whose positions and velocities are set: head height,
    extremities and the centre of mass's velocity are dm_control's to the last digits of the arithmetic.

    Args:
        plant: Environment with the task, and with the robot's body as MuJoCo's model.

    Raises:
        TaskError: its observation contains more than the robot's body.
    """

    def __init__(self, plant: ControlPlant):
        self.plant, self.body = plant, BodyModel(plant)
        self._check_that_the_body_is_all()

    def estimate(self, state: BodyState, action: NDArray[np.float32]) -> Estimate:
        """What the task observes, and what it gives for having got there with `action` (action,).

        Raises:
            ObservationError: a joint is missing, or a value is not finite.
            ActionError: wrong size or not finite.
        """
        self.body.write(state)
        self.plant.physics.set_control(self.plant.control_of(action))
        return Estimate(self.plant.observe(), self.plant.reward())

    def _check_that_the_body_is_all(self) -> None:
        """Some tasks have targets that move from episode to episode, or feel contacts."""
        idle = np.zeros(self.plant.action_dim, np.float32)
        self.plant.reset(1)
        for _ in range(TRIAL_TICKS):
            step = self.plant.step(idle)
            if step.is_last:  # an episode may be shorter, or end early
                break
        state = self.body.read()
        self.plant.reset(2)
        if not np.allclose(self.estimate(state, idle).obs, step.obs, rtol=1e-5, atol=1e-6):
            raise TaskError(
                f"task {self.plant.task}: its observation contains more than joints and base (targets, contacts); "
                "expected a task whose observation follows from kinematics, such as humanoid-walk or walker-walk"
            )
