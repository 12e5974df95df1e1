"""From what a robot senses to what the policy sees, by forward kinematics with the task's own MuJoCo model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from dm_control import mujoco
from dm_control.mujoco.wrapper.mjbindings import enums
from mujoco import mj_step1
from numpy.typing import NDArray

from spec_control_ros.core.errors import ObservationError, TaskError
from spec_control_ros.sim.body_state import LARGEST, BaseState, BodyState
from spec_control_ros.sim.control_plant import SCALAR, ControlPlant, ScalarJoints

PLANAR = ("rootx", "rootz", "rooty")  # the suite's names for a body that moves in the plane y = 0
TRIAL_TICKS, IDLE_TICKS = 60, 40


class _Base:
    """Reads and writes the root's part of MuJoCo's state; this one is of a body that is bolted to the world."""

    joints: frozenset[str] = frozenset()  # that move the root, and so are no joints of the robot's

    def read(self, data: Any) -> BaseState:
        """The root as it is in `data`, whose qpos and qvel count."""
        return BaseState(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), np.zeros(3))

    def write(self, state: BaseState, data: Any) -> None:
        """Set the root's part of qpos and qvel; the rest is left alone."""


class _FreeBase(_Base):
    """A free joint; MuJoCo has its linear velocity in the world's frame, its angular one in the body's."""

    def __init__(self, model: Any, joint: int):
        self.joints = frozenset({model.id2name(joint, "joint")})
        self._qpos, self._dof = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])

    def read(self, data: Any) -> BaseState:
        """The root as it is in `data`."""
        pose, twist = data.qpos[self._qpos : self._qpos + 7], data.qvel[self._dof : self._dof + 6]
        return BaseState(
            position=pose[:3].copy(),
            orientation=pose[3:] / np.linalg.norm(pose[3:]),
            linear_velocity=twist[:3].copy(),
            angular_velocity=twist[3:].copy(),
        )

    def write(self, state: BaseState, data: Any) -> None:
        """Set the root's part of qpos and qvel."""
        data.qpos[self._qpos : self._qpos + 7] = [*state.position, *state.orientation]
        data.qvel[self._dof : self._dof + 6] = [*state.linear_velocity, *state.angular_velocity]


class _PlanarBase(_Base):
    """Two slides, x and z, that count from where the model puts the body, and a hinge about y: those of `PLANAR`."""

    def __init__(self, model: Any):
        self.joints = frozenset(PLANAR)
        ids = [model.name2id(name, "joint") for name in PLANAR]
        self._qpos, self._dof = model.jnt_qposadr[ids], model.jnt_dofadr[ids]
        self._origin = model.body_pos[model.jnt_bodyid[ids[0]]].copy()

    def read(self, data: Any) -> BaseState:
        """The root as it is in `data`."""
        (x, z, pitch), (vx, vz, rate) = data.qpos[self._qpos], data.qvel[self._dof]
        return BaseState(
            position=self._origin + np.array([x, 0.0, z]),
            orientation=np.array([np.cos(pitch / 2), 0.0, np.sin(pitch / 2), 0.0]),
            linear_velocity=np.array([vx, 0.0, vz]),
            angular_velocity=np.array([0.0, rate, 0.0]),
        )

    def write(self, state: BaseState, data: Any) -> None:
        """Set the root's part of qpos and qvel; whatever leaves the plane is left out."""
        x, _, z = state.position - self._origin
        w, _, y, _ = state.orientation
        vx, _, vz = state.linear_velocity
        data.qpos[self._qpos] = [x, z, 2.0 * np.arctan2(y, w)]
        data.qvel[self._dof] = [vx, vz, state.angular_velocity[1]]


def find_base(physics: mujoco.Physics) -> _Base:
    """The root of a task's only body.

    Raises:
        TaskError: there are joints that are neither the root's nor hinges and slides of the robot's.
    """
    model = physics.model
    names = [model.id2name(j, "joint") for j in range(model.njnt)]
    free = [j for j in range(model.njnt) if model.jnt_type[j] == enums.mjtJoint.mjJNT_FREE]
    others = [names[j] for j in range(model.njnt) if j not in free and model.jnt_type[j] not in SCALAR]
    if others or len(free) > 1:
        raise TaskError(
            f"joints {', '.join(others or [names[j] for j in free])}: got ball joints or several free bodies, "
            "expected one robot of hinges and slides, with or without a free root"
        )
    if free:
        return _FreeBase(model, free[0])
    return _PlanarBase(model) if set(PLANAR) <= set(names) else _Base()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the task makes of a body's state."""

    obs: NDArray[np.float32]  # (obs,) the task's observation, in its own order
    reward: float  # of one of the task's control steps that ends in this state


class BodyModel:
    """The joints and the root of a task's robot in MuJoCo's state."""

    def __init__(self, plant: ControlPlant):
        self._physics = plant.physics
        self.base = find_base(plant.physics)
        self.is_fixed = not self.base.joints  # so that neither IMU nor odometry is needed
        self._joints = ScalarJoints(plant.physics.model.ptr, self.base.joints)
        self.joint_names, self.joint_ranges = self._joints.names, self._joints.ranges

    def read(self) -> BodyState:
        """The body as the physics has it."""
        data = self._physics.data
        return BodyState(self._joints.read(data), self.base.read(data))

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
        data.qpos[self._joints.qpos] = joints.position[order]
        data.qvel[self._joints.qvel] = joints.velocity[order]
        self.base.write(state.base, data)
        if not (np.abs([*data.qpos, *data.qvel]) < LARGEST).all():
            self._physics.reset()
            raise ObservationError(f"body state: got values that are not finite or beyond {LARGEST:g}")
        # What dm_control's own step ends with: all that follows from positions and velocities, sensors included.
        mj_step1(self._physics.model.ptr, data.ptr)


class StateEstimator:
    """The observation of a dm_control task from a robot's joints, IMU and odometry.

    The task's own code computes it, from a physics whose positions and velocities are set: head height,
    extremities and the centre of mass's velocity are dm_control's to the last digits of the arithmetic.

    Raises:
        TaskError: its observation contains more than the robot's body, or its actuators have activations.
    """

    def __init__(self, plant: ControlPlant):
        self.plant, self.body = plant, BodyModel(plant)
        has_activation = plant.physics.model.actuator_dyntype != enums.mjtDyn.mjDYN_NONE
        # No sensor tells them: they depend on every command that the actuators ever got
        if names := [plant.actuator_names[i] for i in np.flatnonzero(has_activation)]:
            raise TaskError(
                f"task {plant.task}: its actuators {', '.join(names)} have activations (MuJoCo's act), which no "
                "sensor tells; expected motors without dynamics (dyntype none)"
            )
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
        """Some tasks have targets that move from episode to episode, or feel contacts or forces."""
        rng, seen = np.random.default_rng(0), []
        self.plant.reset(1)
        for tick in range(TRIAL_TICKS):  # at first idle; motors that do nothing show no forces
            drawn = rng.uniform(-1.0, 1.0, self.plant.action_dim) * (tick >= IDLE_TICKS)
            action = drawn.astype(np.float32)
            step = self.plant.step(action)
            seen.append((self.body.read(), action, step.obs))
            if step.is_last:  # an episode may be shorter, or end early
                break
        self.plant.reset(2)
        estimated = (self.estimate(body, action).obs for body, action, _ in seen)
        if not np.allclose(list(estimated), [obs for *_, obs in seen], rtol=1e-5, atol=1e-6):
            raise TaskError(
                f"task {self.plant.task}: its observation contains more than joints and base (targets, contacts, "
                "forces); expected one that follows from kinematics, as that of humanoid-walk or walker-walk does"
            )
