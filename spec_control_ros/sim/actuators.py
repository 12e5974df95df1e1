"""What the motors of a MuJoCo model do to their joints."""

from dataclasses import dataclass

import numpy as np
from dm_control import mujoco
from dm_control.mujoco.wrapper.mjbindings import enums
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError, TaskError


@dataclass(frozen=True, slots=True)
class Actuators:
    """One motor a joint, in the action's order: effort = offset + gain * action."""

    joints: tuple[str, ...]
    gains: NDArray[np.float64]  # (joint,) N m, or N where the joint slides
    offsets: NDArray[np.float64]  # (joint,) as gains; zero for motors that pull as much as they push
    gears: NDArray[np.float64]  # (joint,) effort of a control of 1

    def ordered(self, joints: tuple[str, ...]) -> tuple[str, ...]:
        """The joints in this order; empty: in their own.

        Raises:
            SettingsError: these are not the joints of the motors, each once.
        """
        if joints and sorted(joints) != sorted(self.joints):
            raise SettingsError(
                f"joints: got {', '.join(joints)}, expected each of {', '.join(self.joints)} once"
            )
        return joints or self.joints


def find_actuators(physics: mujoco.Physics) -> Actuators:
    """The motors of a task's model.

    Raises:
        TaskError: an actuator is no plain motor, or moves something other than one joint.
    """
    model = physics.model
    plain = (
        (model.actuator_trntype == enums.mjtTrn.mjTRN_JOINT)
        & (model.actuator_dyntype == enums.mjtDyn.mjDYN_NONE)
        & (model.actuator_gaintype == enums.mjtGain.mjGAIN_FIXED)
        & (model.actuator_biastype == enums.mjtBias.mjBIAS_NONE)
        & (model.actuator_ctrllimited != 0)
    )
    if not plain.all():
        names = [model.id2name(int(i), "actuator") for i in np.flatnonzero(~plain)]
        raise TaskError(f"actuators {', '.join(names)}: expected limited motors of one joint each")
    gears = model.actuator_gear[:, 0] * model.actuator_gainprm[:, 0]
    low, high = model.actuator_ctrlrange.T
    joints = tuple(model.id2name(int(i), "joint") for i in model.actuator_trnid[:, 0])
    return Actuators(joints, gears * (high - low) / 2, gears * (high + low) / 2, gears)
