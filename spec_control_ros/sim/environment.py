"""Environments by name: the suite's, Gymnasium's, a MuJoCo file with a task, or anything that a factory makes."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dm_control import mujoco, rl

from spec_control_ros.core.errors import TaskError
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.suite_plant import SuitePlant

DEFAULT_REPEAT = {"dm_control": 2}  # as TD-MPC2 has it; elsewhere an environment's step is a tick
HOW = (
    "expected `dm_control:walker-walk` (or just `walker-walk`), `gymnasium:HalfCheetah-v5`, "
    "`mjcf:FILE.xml@package.module:factory` or `python:package.module:factory`"
)


def make_env(name: str, action_repeat: int | None = None) -> Plant:
    """The environment of a name.

    Args:
        name: `dm_control:TASK`, or TASK alone: a task of the suite. `gymnasium:ID`: a registered environment.
            `mjcf:FILE@MODULE:FACTORY`: a MuJoCo file, with what FACTORY(FILE) makes of it: a dm_control task whose
            attribute `time_limit` (s) ends its episodes, and `control_timestep` (s) if it is not the model's, or one of
            the following. `python:MODULE:FACTORY`: whatever FACTORY() makes: an environment of dm_control or
            Gymnasium, or a plant of one's own.
        action_repeat: the environment's steps in a tick; None: 2 for the suite, else 1.

    Raises:
        TaskError: there is no such environment, or it cannot be controlled: no bounds, no end, discrete actions.
    """
    kind, _, rest = name.partition(":") if ":" in name else ("dm_control", "", name)
    makers: dict[str, Callable[[str, str, int], Plant]] = {
        "dm_control": lambda rest, _, repeat: SuitePlant(rest, repeat),
        "gymnasium": _gymnasium,
        "mjcf": _mjcf,
        "python": _python,
    }
    if kind not in makers:
        raise TaskError(f"environment: got {name!r}, {HOW}")
    repeat = DEFAULT_REPEAT.get(kind, 1) if action_repeat is None else action_repeat
    return makers[kind](rest, name, repeat)


def _gymnasium(env_id: str, name: str, repeat: int) -> Plant:
    gymnasium = _optional("gymnasium", name)
    try:
        env = gymnasium.make(env_id)
    except (gymnasium.error.Error, ImportError, ValueError) as error:
        raise TaskError(f"environment: got {name!r}, which Gymnasium does not make: {error}") from None
    return _adapted(env, name, repeat)


def _mjcf(rest: str, name: str, repeat: int) -> Plant:
    file, _, factory = rest.partition("@")
    if not factory:
        raise TaskError(f"environment: got {name!r} without a task, expected mjcf:FILE@MODULE:FACTORY")
    if not Path(file).is_file():
        raise TaskError(f"environment: got {name!r}, but {file} is not a file")
    path = str(Path(file).absolute())
    made = _call(factory, name, path)
    return _adapted(_with_physics(made, path) if isinstance(made, rl.control.Task) else made, name, repeat)


def _with_physics(task: rl.control.Task, path: str) -> rl.control.Environment:
    time_limit_s = getattr(task, "time_limit", None)
    if time_limit_s is None:
        raise TaskError(
            f"{path}: its {type(task).__name__} has no time_limit, expected an attribute in seconds"
        )
    try:
        physics = mujoco.Physics.from_xml_path(path)
    except ValueError as error:
        raise TaskError(f"{path}: no model for MuJoCo ({error})") from None
    period_s = getattr(task, "control_timestep", None)
    return rl.control.Environment(physics, task, time_limit=time_limit_s, control_timestep=period_s)


def _python(factory: str, name: str, repeat: int) -> Plant:
    return _adapted(_call(factory, name), name, repeat)


def _call(factory: str, name: str, *given: Any) -> Any:
    module, _, attribute = factory.partition(":")
    try:
        make = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise TaskError(
            f"environment: got {name!r}, but {factory} cannot be imported ({error}); {HOW}"
        ) from None
    return make(*given)


def _adapted(made: Any, name: str, repeat: int) -> Plant:
    """What a factory made, as a plant."""
    if isinstance(made, rl.control.Environment):
        return ControlPlant(made, name, repeat)
    if importlib.util.find_spec("gymnasium") is not None:
        from gymnasium import Env

        from spec_control_ros.sim.gymnasium_plant import GymnasiumPlant

        if isinstance(made, Env):
            return GymnasiumPlant(made, name, repeat)
    if isinstance(made, Plant):
        if repeat != 1:
            raise TaskError(f"action_repeat: got {repeat}, expected 1 for {name}, which has ticks of its own")
        return made
    raise TaskError(
        f"environment {name}: its factory gave a {type(made).__name__}, expected an environment of dm_control or "
        "Gymnasium, or a spec_control_ros.sim.plant.Plant"
    )


def _optional(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise TaskError(
            f"environment: {name} needs {module}, which is not installed: pip install {module}"
        ) from None
