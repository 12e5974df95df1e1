"""The hinges and slides of a MuJoCo model; free and ball joints have no scalar position."""

from typing import Any

import mujoco

from spec_control_ros.sim.plant import JointStates

SCALAR = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


class ScalarJoints:
    """Reads them from MuJoCo's state.

    Args:
        model: A MuJoCo model (MjModel).
    """

    def __init__(self, model: Any):
        joints = [j for j in range(model.njnt) if model.jnt_type[j] in SCALAR]
        self._names = tuple(mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, j) or "" for j in joints)
        self._qpos, self._qvel = model.jnt_qposadr[joints], model.jnt_dofadr[joints]

    def read(self, data: Any) -> JointStates:
        """The joints as they are in `data`, a MjData."""
        return JointStates(self._names, data.qpos[self._qpos].copy(), data.qvel[self._qvel].copy())
