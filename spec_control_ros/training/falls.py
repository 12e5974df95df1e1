"""States of a biped upright, on its way down, and on the ground."""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.suite_plant import SuitePlant

ROOT_QPOS, ROOT_QVEL = 7, 6  # of a free joint
FALL_TICKS = 30
LOWEST_HEAD_M, HIGHEST_HEAD_M = 0.25, 1.3  # of the states on the way down
PUSH = 1.5  # standard deviation of the first velocity, m/s and rad/s

State = tuple[NDArray[np.float64], NDArray[np.float64]]  # positions (qpos,) and velocities (qvel,)


def is_biped(plant: SuitePlant) -> bool:
    """Whether the body floats freely and tells the height of its head and how upright its torso is."""
    physics = plant.physics
    has_free_root = physics.model.njnt > 0 and physics.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
    return has_free_root and hasattr(physics, "head_height") and hasattr(physics, "torso_upright")


def place(plant: SuitePlant, qpos: NDArray[np.float64], qvel: NDArray[np.float64]) -> None:
    """Put the body into a state."""
    with plant.physics.reset_context():
        plant.physics.data.qpos[:] = qpos
        plant.physics.data.qvel[:] = qvel


def upright_state(plant: SuitePlant, rng: np.random.Generator) -> State:
    """Standing as the body was built, a little disturbed, facing anywhere."""
    qpos = plant.physics.model.qpos0 + rng.normal(0.0, 0.03, plant.physics.model.nq)
    yaw = rng.uniform(-np.pi, np.pi)
    qpos[:ROOT_QPOS] = plant.physics.model.qpos0[:ROOT_QPOS]
    qpos[3:ROOT_QPOS] = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
    return qpos, rng.normal(0.0, 0.05, plant.physics.model.nv)


@dataclass(frozen=True, slots=True)
class Falls:
    """States of falls, lowest head first, and how the falls ended."""

    qpos: NDArray[np.float64]  # (state, qpos)
    qvel: NDArray[np.float64]  # (state, qvel)
    head_m: NDArray[np.float64]  # (state,), ascending
    last_qpos: NDArray[np.float64]  # (fall, qpos)

    @classmethod
    def record(cls, plant: SuitePlant, falls: int, rng: np.random.Generator) -> "Falls":
        """Let the body fall: from standing, pushed, and as often from the task's own starts; limp or twitching."""
        rows: list[tuple[float, State]] = []
        last = []
        for index in range(2 * falls):
            is_pushed = index % 2 == 0
            plant.reset(int(rng.integers(2**31)))
            if is_pushed:
                qpos, qvel = upright_state(plant, rng)
                qvel[:ROOT_QVEL] += rng.normal(0.0, PUSH, ROOT_QVEL)
                place(plant, qpos, qvel)
            twitch = rng.uniform(0.0, 1.0) if rng.random() < 0.5 else 0.0
            for _ in range(FALL_TICKS):
                plant.step(twitch * rng.uniform(-1.0, 1.0, plant.action_dim).astype(np.float32))
                if is_pushed:
                    rows.append((float(plant.physics.head_height()), _state(plant)))
            last.append(_state(plant)[0])
        rows.sort(key=lambda row: row[0])
        return cls(
            qpos=np.stack([state[0] for _, state in rows]),
            qvel=np.stack([state[1] for _, state in rows]),
            head_m=np.array([head for head, _ in rows]),
            last_qpos=np.stack(last),
        )

    def on_the_way_down(self, rng: np.random.Generator) -> State:
        """A state of a fall, uniform in the height of the head; every second one comes to rest there."""
        head_m = rng.uniform(LOWEST_HEAD_M, HIGHEST_HEAD_M)
        row = min(int(np.searchsorted(self.head_m, head_m)), len(self.head_m) - 1)
        return self.qpos[row], self.qvel[row] * rng.integers(2)

    def lying(self, rng: np.random.Generator) -> State:
        """How a fall ended, at rest."""
        return self.last_qpos[rng.integers(len(self.last_qpos))], np.zeros(self.qvel.shape[1])


def _state(plant: SuitePlant) -> State:
    return plant.physics.data.qpos.copy(), plant.physics.data.qvel.copy()
