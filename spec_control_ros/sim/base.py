"""The root of a MuJoCo body, however its model moves it: a free joint, a plane's three, or none."""

from typing import Any, Protocol

import numpy as np
from dm_control import mujoco
from dm_control.mujoco.wrapper.mjbindings import enums

from spec_control_ros.core.errors import TaskError
from spec_control_ros.sim.body_state import BaseState

PLANAR = ("rootx", "rootz", "rooty")  # the suite's names for a body that moves in the plane y = 0
SCALAR = (enums.mjtJoint.mjJNT_HINGE, enums.mjtJoint.mjJNT_SLIDE)


class Base(Protocol):
    """Reads and writes the root's part of MuJoCo's state."""

    joints: frozenset[str]  # that move the root, and so are no joints of the robot's

    def read(self, data: Any) -> BaseState:
        """The root as it is in `data`, whose qpos and qvel count."""

    def write(self, state: BaseState, data: Any) -> None:
        """Set the root's part of qpos and qvel; the rest is left alone."""


class _FreeBase:
    """A free joint; MuJoCo has its linear velocity in the world's frame, its angular one in the body's.

    Args:
        name: Name of the joint.
        qpos: Address of its position.
        dof: Address of its velocity.
    """

    def __init__(self, name: str, qpos: int, dof: int):
        self.joints = frozenset({name})
        self._qpos, self._dof = qpos, dof

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


class _PlanarBase:
    """Two slides, x and z, that count from where the model puts the body, and a hinge about y.

    Args:
        model: Model with the joints of `PLANAR`.
    """

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


class FixedBase:
    """A body that is bolted to the world."""

    joints: frozenset[str] = frozenset()

    def read(self, data: Any) -> BaseState:
        """At the origin, at rest."""
        return BaseState(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), np.zeros(3))

    def write(self, state: BaseState, data: Any) -> None:
        """Nothing moves."""


def find_base(physics: mujoco.Physics) -> Base:
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
        return _FreeBase(names[free[0]], int(model.jnt_qposadr[free[0]]), int(model.jnt_dofadr[free[0]]))
    return _PlanarBase(model) if set(PLANAR) <= set(names) else FixedBase()
