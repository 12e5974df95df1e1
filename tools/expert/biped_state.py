"""A body that floats freely, has a head, and should be upright."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.control_plant import ControlPlant

ROOT_QPOS = 7  # of a free joint
STANDING_HEAD_M = 1.4


def is_biped(plant: ControlPlant) -> bool:
    """Whether the body floats freely and tells the height of its head and how upright its torso is."""
    physics = plant.physics
    has_free_root = physics.model.njnt > 0 and physics.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
    return has_free_root and hasattr(physics, "head_height") and hasattr(physics, "torso_upright")


def place(plant: ControlPlant, qpos: NDArray[np.float64], qvel: NDArray[np.float64]) -> None:
    """Put the body into a state of positions (qpos,) and velocities (qvel,)."""
    with plant.physics.reset_context():
        plant.physics.data.qpos[:] = qpos
        plant.physics.data.qvel[:] = qvel


def stand(plant: ControlPlant, rng: np.random.Generator) -> None:
    """Put the body upright as it was built, a little disturbed, facing anywhere."""
    model = plant.physics.model
    qpos = model.qpos0 + rng.normal(0.0, 0.03, model.nq)
    yaw = rng.uniform(-np.pi, np.pi)
    qpos[:ROOT_QPOS] = model.qpos0[:ROOT_QPOS]
    qpos[3:ROOT_QPOS] = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
    place(plant, qpos, rng.normal(0.0, 0.05, model.nv))


def posture(plant: ControlPlant) -> float:
    """How well a biped stands, in [0, 1]: the height of its head and the uprightness of its torso."""
    height = min(max(plant.physics.head_height() / STANDING_HEAD_M, 0.0), 1.0)
    return 0.7 * height**2 + 0.15 * (plant.physics.torso_upright() + 1.0)
