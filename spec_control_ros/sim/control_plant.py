"""Any environment of dm_control as a plant."""

import copy
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from dm_control import mujoco
from dm_control.rl import control
from mujoco import MjData, mj_copyData, mj_id2name, mj_setConst, mjtJoint, mjtObj
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, TaskError
from spec_control_ros.sim.plant import JointStates, Step, checked_action, checked_seed

UNBOUNDED = 1e9  # dm_control gives a control without limits bounds of 1e10
# Free and ball joints have no scalar position
SCALAR = (int(mjtJoint.mjJNT_HINGE), int(mjtJoint.mjJNT_SLIDE))


class ScalarJoints:
    """Reads the hinges and slides of a model (MjModel) from MuJoCo's state, but for those that are left out."""

    def __init__(self, model: Any, left_out: Collection[str] = ()):
        named = {j: mj_id2name(model, mjtObj.mjOBJ_JOINT, j) or "" for j in range(model.njnt)}
        joints = [j for j, name in named.items() if model.jnt_type[j] in SCALAR and name not in left_out]
        self.names = tuple(named[j] for j in joints)
        self.qpos, self.qvel = model.jnt_qposadr[joints], model.jnt_dofadr[joints]  # addresses
        is_limited = model.jnt_limited[joints].astype(bool)
        # (joint, 2) lowest and highest position; infinite where there is none
        self.ranges = np.where(is_limited[:, None], model.jnt_range[joints], [-np.inf, np.inf])

    def read(self, data: Any) -> JointStates:
        """The joints as they are in `data`, a MjData."""
        return JointStates(self.names, data.qpos[self.qpos].copy(), data.qvel[self.qvel].copy())


class ControlPlant:
    """An environment of dm_control, of its suite or anybody's; an action is held for `action_repeat` control steps.

    A seed gives the same episode whatever came before it.

    Args:
        env: Environment whose task draws all its random numbers from `task.random`.
        action_repeat: Control steps in a tick.

    Raises:
        TaskError: its episodes never end, it has no actuators or one without bounds, or its task has no `random`.
    """

    def __init__(self, env: control.Environment, task: str, action_repeat: int = 2):
        if action_repeat < 1:
            raise TaskError(f"action_repeat: got {action_repeat}, expected at least 1")
        self.task = task
        self.action_repeat = action_repeat
        self._env = env
        if not isinstance(getattr(env.task, "random", None), np.random.RandomState):
            raise TaskError(
                f"task {task}: its {type(env.task).__name__} has no RandomState `random`, which seeds fix; expected a "
                "subclass of dm_control.suite.base.Task"
            )
        if not np.isfinite(self._env._step_limit):
            raise TaskError(f"task {task}: its episodes have no end; expected a task with a time limit")
        spec = self._env.action_spec()
        self._low, self._high = (np.broadcast_to(bound, spec.shape) for bound in (spec.minimum, spec.maximum))
        if not self._low.size:
            raise TaskError(f"task {task}: its body has no actuators; expected at least one to control")
        is_bounded = (self._low > -UNBOUNDED) & (self._high < UNBOUNDED)
        if not is_bounded.all():
            got = ", ".join(map(str, np.flatnonzero(~is_bounded)))
            raise TaskError(
                f"task {task}: got no bounds for the actions {got} (counted from 0); give every actuator a ctrlrange"
            )
        self.obs_dim = sum(int(np.prod(s.shape)) for s in self._env.observation_spec().values())
        self.action_dim = len(self._low)
        self.control_period_s = self._env.control_timestep() * action_repeat
        # The last tick may be cut short by dm_control's time limit
        self.episode_ticks = int(np.ceil(self._env._step_limit / action_repeat))
        self._joints = ScalarJoints(self.physics.model.ptr)
        self._is_running = False
        self._unchanged: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None  # masses and frictions
        model = self.physics.model
        self.actuator_names = tuple(str(model.id2name(i, "actuator")) for i in range(model.nu))
        # Body 0 is the world
        self.body_names = tuple(str(model.id2name(i, "body")) for i in range(1, model.nbody))

    @property
    def physics(self) -> mujoco.Physics:
        """MuJoCo's state, for rendering and for curricula of starts."""
        return self._env.physics

    @property
    def mass_kg(self) -> float:
        """Mass of all bodies."""
        return float(self.physics.model.body_mass.sum())

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Start the episode that `seed` stands for; returns its first observation (obs,).

        Raises:
            SettingsError: `seed` is no whole number from 0 to 2**32 - 1.
            TaskError: the simulation diverges at its start.
        """
        self._restore_body()
        self._env.task.random.seed(checked_seed(seed))
        self._is_running = True
        with self._told_of_divergence():
            return _concatenate(self._env.reset().observation)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ControlPlant":
        """An independent plant in the same state, which goes on bit for bit as this one does; they share the model."""
        data, physics = self.physics.data.ptr, self.physics.copy(share_model=True)
        mj_copyData(physics.data.ptr, self.physics.model.ptr, data)  # the warm start of the solver included
        memo[id(self.physics)] = physics
        plant = copy.copy(self)
        plant._env = copy.deepcopy(self._env, memo)
        return plant

    def observe(self) -> NDArray[np.float32]:
        """Observation (obs,) of the physics' present state, as after setting it from outside."""
        return _concatenate(self._env.task.get_observation(self.physics))

    def reward(self) -> float:
        """Of one control step that ends in the physics' present state, under its present control."""
        return float(self._env.task.get_reward(self.physics))

    def step(self, action: NDArray[np.float32]) -> Step:
        """Hold `action` (action,) in [-1, 1] for one tick.

        Raises:
            ActionError: wrong size, not finite, or no episode under way.
            TaskError: the simulation diverged.
        """
        applied = self.control_of(action)
        if not self._is_running:
            raise ActionError("step: the episode is over or none was started; call reset first")
        reward = 0.0
        for _ in range(self.action_repeat):
            with self._told_of_divergence():
                time_step = self._env.step(applied)
            reward += float(time_step.reward)
            if time_step.last():
                self._is_running = False
                break
        is_last = time_step.last()
        # dm_env: a discount of 0 says that nothing comes after; a time limit leaves it at 1.
        is_terminated = is_last and time_step.discount == 0.0
        return Step(_concatenate(time_step.observation), reward, is_last, is_terminated)

    @contextmanager
    def _told_of_divergence(self) -> Iterator[None]:
        try:
            yield
        except control.PhysicsError as error:
            self._is_running = False
            raise TaskError(
                f"task {self.task}: the simulation diverged ({error}); give its model a smaller timestep, or its "
                "actuators smaller ctrlranges and gears"
            ) from None

    def control_of(self, action: NDArray[np.float32]) -> NDArray[np.float64]:
        """The actuators' control (action,) for `action` (action,) in [-1, 1].

        Raises:
            ActionError: wrong size or not finite.
        """
        checked = checked_action(action, self.action_dim)
        return self._low + (np.clip(checked, -1.0, 1.0) + 1.0) * 0.5 * (self._high - self._low)

    def push(self, body: str, wrench: NDArray[np.float64]) -> None:
        """Let a wrench (6,) act on a body until the next push or reset: force (N), then torque (N m), world's axes.

        Raises:
            TaskError: there is no such body.
        """
        if body not in self.body_names:
            raise TaskError(f"body: got {body!r}, expected one of {', '.join(self.body_names)}")
        self.physics.named.data.xfrc_applied[body] = wrench

    def change_body(self, payload_kg: Mapping[str, float], friction: float) -> None:
        """Have further masses on bodies, and so many times the friction, until the next reset.

        Masses are by the name of their body, at its centre of mass; friction is the sliding friction of all surfaces.

        Raises:
            TaskError: there is no such body.
        """
        model = self.physics.model
        self._restore_body()
        self._unchanged = model.body_mass.copy(), model.geom_friction.copy()
        for body, mass_kg in payload_kg.items():
            if body not in self.body_names:
                raise TaskError(f"body: got {body!r}, expected one of {', '.join(self.body_names)}")
            model.body_mass[model.name2id(body, "body")] += mass_kg
        model.geom_friction[:, 0] *= friction
        self._follow_body()

    def _restore_body(self) -> None:
        if self._unchanged is not None:
            self.physics.model.body_mass[:], self.physics.model.geom_friction[:] = self._unchanged
            self._unchanged = None
            self._follow_body()

    def _follow_body(self) -> None:
        """Have MuJoCo derive again what depends on masses; a scratch state keeps the present one as it is."""
        model = self.physics.model.ptr
        mj_setConst(model, MjData(model))

    def joint_states(self) -> JointStates:
        """The hinges and slides as they are now."""
        return self._joints.read(self.physics.data)


def _concatenate(observation: dict[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    return np.concatenate([np.ravel(v) for v in observation.values()]).astype(np.float32)
