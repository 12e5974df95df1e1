"""The body that a sampling planner simulates: a MuJoCo model, and how its state becomes an observation."""

from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float64
from mujoco import rollout

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.sampling.cost import Cost

FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS


def load_spec(file: Path) -> mujoco.MjSpec:
    """The MuJoCo model of an MJCF or URDF file, not yet compiled.

    Raises:
        CheckpointError: there is none, or MuJoCo does not read it.
    """
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; expected a MuJoCo model (MJCF)")
    try:
        return mujoco.MjSpec.from_file(str(file))
    except ValueError as error:
        raise CheckpointError(f"{file}: not a valid MuJoCo model ({error})") from None


class Body:
    """Simulates batches of rollouts from one state, on several threads.

    States are what is observed and predicted: positions, velocities and activations, (state,), as environments named
    `state:NAME` observe them.

    Args:
        spec: MuJoCo model before compilation.
        cost: Cost of rollouts; None: they are only simulated.

    Raises:
        SettingsError: a tick is no whole number of the model's time steps, or an actuator has no range.
    """

    def __init__(
        self, spec: mujoco.MjSpec, control_period_s: float, threads: int = 1, cost: Cost | None = None
    ):
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET  # what diverges is to be seen
        self.model = spec.compile()
        if cost is not None:
            cost.bind(self.model)
        step_s = self.model.opt.timestep
        self.steps = round(control_period_s / step_s)  # in a tick
        if self.steps < 1 or abs(self.steps * step_s - control_period_s) > 1e-9:
            raise SettingsError(
                f"timestep: got {step_s} s, expected a whole part of the tick of {control_period_s} s"
            )
        if not self.model.actuator_ctrllimited.all():
            raise SettingsError(
                "model: an actuator has no ctrlrange; expected one for each, because actions are in [-1, 1]"
            )
        self._low, high = self.model.actuator_ctrlrange.T
        self._range = high - self._low
        self._threads = [mujoco.MjData(self.model) for _ in range(threads)]
        self._data = mujoco.MjData(self.model)

    @property
    def state_dim(self) -> int:
        """Length of a state."""
        return int(self.model.nq + self.model.nv + self.model.na)

    @property
    def action_dim(self) -> int:
        """Length of an action."""
        return int(self.model.nu)

    @property
    def state_scale(self) -> Float64[np.ndarray, "state"]:
        """Factors to compare states by: a velocity counts as the way of one tick, a position as it is."""
        scale = np.ones(self.state_dim)
        scale[self.model.nq : self.model.nq + self.model.nv] = self.steps * self.model.opt.timestep
        return scale

    @property
    def whereabouts(self) -> list[int]:
        """Components of a state on which the motion of a single robot on a plane does not depend: where it is.

        These are the horizontal positions of its free joint, or of slides without limits.
        """
        model, data = self.model, mujoco.MjData(self.model)
        mujoco.mj_forward(model, data)
        up = -model.opt.gravity / max(float(np.linalg.norm(model.opt.gravity)), 1e-9)
        roots = {int(model.body_rootid[body]) for body in model.jnt_bodyid}
        if len(roots) != 1 or abs(up[2]) < 1.0:
            return []
        found: list[int] = []
        for joint in np.flatnonzero(np.isin(model.jnt_bodyid, list(roots))):
            first = int(model.jnt_qposadr[joint])
            if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                found += [first, first + 1]
            elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint]:
                found += [first] if abs(data.xaxis[joint][2]) < 1e-6 else []
        return found

    def simulate(
        self, states: Float64[np.ndarray, "start state"], actions: Float64[np.ndarray, "rollout tick action"]
    ) -> tuple[Float64[np.ndarray, "rollout tick state"], Float64[np.ndarray, "rollout tick sensor"]]:
        """The states after every tick, and its sensors, of rollouts that start from one state or from one each.

        MuJoCo computes sensors at the start of a step, so they are of the last simulation step's start.
        """
        control = self._low + (np.clip(actions, -1.0, 1.0) + 1.0) * 0.5 * self._range
        control = np.repeat(control, self.steps, axis=1)
        start = np.stack([self._full(state) for state in states])
        full, sensors = rollout.rollout(self.model, self._threads, start, control, persistent_pool=True)
        each_tick = slice(self.steps - 1, None, self.steps)
        return full[:, each_tick, 1 : 1 + self.state_dim], sensors[:, each_tick]

    def _full(self, state: Float64[np.ndarray, "state"]) -> Float64[np.ndarray, "full"]:
        """A state with the time, and whatever else MuJoCo counts to it."""
        data, model = self._data, self.model
        data.qpos[:], data.qvel[:], data.act[:] = np.split(state, [model.nq, model.nq + model.nv])
        full = np.empty(mujoco.mj_stateSize(model, FULL))
        mujoco.mj_getState(model, data, full, FULL)
        return full
