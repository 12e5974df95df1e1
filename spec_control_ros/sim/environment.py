"""Environments by name. The word before the colon is a kind, and any package may add kinds.

A package offers one as an entry point of the group `spec_control_ros.envs`: a function of what comes after the colon,
which returns an environment of dm_control or Gymnasium, or a plant. The kinds below are in the same table.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from dm_control import mujoco
from dm_control.rl import control

from spec_control_ros.core import registry
from spec_control_ros.core.errors import SettingsError, SpecControlError, TaskError, told_of
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.plant import Plant

GROUP = "spec_control_ros.envs"
DEFAULT_REPEAT = {"dm_control": 2}  # as TD-MPC2 has it; elsewhere an environment's step is a tick
EXAMPLES = (
    "as in walker-walk, dm_control:walker-walk, gymnasium:HalfCheetah-v5, mjcf:FILE.xml@package.module:factory or "
    "python:package.module:factory"
)


def make_env(name: str, action_repeat: int | None = None) -> Plant:
    """The environment of a name.

    Args:
        name: `dm_control:TASK`, or TASK alone: a task of the suite. `gymnasium:ID`: a registered environment.
            `mjcf:FILE@MODULE:FACTORY`: a MuJoCo file, with what FACTORY(FILE) makes of it: a dm_control task whose
            attribute `time_limit` (s) ends its episodes, and `control_timestep` (s) if it is not the model's, or one of
            the following. `python:MODULE:FACTORY`: whatever FACTORY() makes: an environment of dm_control or
            Gymnasium, or a plant of one's own. Modules are found as Python finds them, and in the working directory;
            a MuJoCo file's also beside it.
            `state:NAME`: one of dm_control's that observes its whole physical state, as planners want it that
            simulate: positions, velocities and activations, as MuJoCo has them.
            `KIND:ANYTHING`: as an installed package has it.
        action_repeat: Steps of the environment in a tick; None or 0: 2 for the suite, else 1.

    Raises:
        TaskError: there is no such environment, its factory raised something, or it cannot be controlled: no bounds,
            no end, discrete actions.
    """
    if action_repeat is not None and not isinstance(action_repeat, int):
        raise TaskError(f"action_repeat: got {action_repeat!r}, expected a whole number, or None")
    rest = _parts(name)[1]
    innermost, _ = _parts(name.removeprefix("state:"))
    repeat = action_repeat or DEFAULT_REPEAT.get(innermost, 1)
    try:
        return _adapted(_made(name), name, repeat)
    except TaskError as error:
        told = str(error)
        raise TaskError(told if rest in told else f"environment {name}: {told}") from None
    except SpecControlError:
        raise
    except Exception as error:  # a factory is anybody's code
        raise TaskError(f"environment {name}: its factory raised {told_of(error)}") from error


def is_code(name: str) -> bool:
    """Whether making the environment of a name imports and calls what the name tells."""
    return name.removeprefix("state:").startswith(("mjcf:", "python:"))


def file_digests(name: str) -> dict[str, str]:
    """Digests of the files that an environment of the user's is made of, by their names: they change under it.

    Only what the environment's name tells is known: a MuJoCo file and the factory's module, but not what these include.
    """
    kind, _, rest = name.removeprefix("state:").partition(":")
    file, _, factory = rest.rpartition("@") if kind == "mjcf" else ("", "", rest if kind == "python" else "")
    module = factory.partition(":")[0].replace(".", "/")
    folders = (Path(file).parent, Path.cwd()) if file else (Path.cwd(),)
    files = [path for path in (Path(file), _source(module, folders)) if path is not None and path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


def make_control_plant(name: str, action_repeat: int | None = None) -> ControlPlant:
    """An environment of dm_control, whose physics can be read and set: for cameras, curricula and emulators.

    Raises:
        TaskError: see `make_env`; or it is another kind of environment.
    """
    plant = make_env(name, action_repeat)
    if not isinstance(plant, ControlPlant):
        raise TaskError(
            f"environment {name}: got a {type(plant).__name__}, expected an environment of dm_control or an mjcf file "
            "with a dm_control task, whose physics can be read and set"
        )
    return plant


def gymnasium_env(env_id: str) -> Any:
    """A registered environment of Gymnasium."""
    if importlib.util.find_spec("gymnasium") is None:
        raise TaskError(f"{env_id} needs gymnasium, which is not installed: pip install gymnasium")
    import gymnasium

    try:
        return gymnasium.make(env_id)
    except (gymnasium.error.Error, ImportError, ValueError) as error:
        raise TaskError(f"got {env_id!r}, which Gymnasium cannot make: {error}") from None


def mjcf_env(rest: str) -> Any:
    """What the factory in `FILE@MODULE:FACTORY` makes of the file."""
    file, _, factory = rest.rpartition("@")
    if not (file and factory):
        raise TaskError(f"got {rest!r} without a task, expected mjcf:FILE@MODULE:FACTORY")
    if not Path(file).is_file():
        raise TaskError(f"got {rest!r}, but {Path(file).absolute()} is not a file")
    path = str(Path(file).absolute())
    made = _made_by(factory, path, folders=[Path(path).parent])
    return _with_physics(made, path) if isinstance(made, control.Task) else made


def python_env(factory: str) -> Any:
    """What the factory `MODULE:FACTORY` makes."""
    return _made_by(factory)


def state_env(name: str) -> control.Environment:
    """The environment of a name, whose task observes MuJoCo's state in place of what it observed."""
    env = _made(name)
    if not isinstance(env, control.Environment):
        raise TaskError(
            f"state:{name}: got a {type(env).__name__}, expected an environment of dm_control or an mjcf file with a "
            "dm_control task: other kinds do not expose their state"
        )
    env.task.get_observation = _state
    return env


def _state(physics: mujoco.Physics) -> dict[str, Any]:
    data = physics.data
    return {"position": data.qpos.copy(), "velocity": data.qvel.copy(), "activation": data.act.copy()}


def _parts(name: str) -> tuple[str, str]:
    """The kind of an environment, and what its factory is given."""
    kind, colon, rest = name.partition(":")
    return (kind if colon else "dm_control"), rest or name


def _made(name: str) -> Any:
    """What the factory of a name's kind makes."""
    (kind, rest), found = _parts(name), registry.offered(GROUP)
    if kind not in found:
        known = registry.listed(found)
        raise TaskError(f"environment: got {name!r}, expected one of the kinds {known}; {EXAMPLES}")
    try:
        make = registry.load(found[kind], f"environment {name}")
    except SettingsError as error:
        raise TaskError(str(error)) from None
    return make(rest)


def _with_physics(task: control.Task, path: str) -> control.Environment:
    time_limit_s = getattr(task, "time_limit", None)
    if time_limit_s is None:
        raise TaskError(
            f"{path}: its {type(task).__name__} has no time_limit, expected an attribute in seconds"
        )
    try:
        physics = mujoco.Physics.from_xml_path(path)
    except ValueError as error:
        raise TaskError(f"{path}: not a valid MuJoCo model ({error})") from None
    period_s = getattr(task, "control_timestep", None)
    return control.Environment(physics, task, time_limit=time_limit_s, control_timestep=period_s)


def _made_by(factory: str, *given: str, folders: Sequence[Path] = ()) -> Any:
    """What the factory `MODULE:FACTORY` makes of what it is given."""
    make = _imported(factory, *folders)
    if not callable(make):
        raise TaskError(f"got {factory!r}, a {type(make).__name__}, expected a function or a class")
    try:
        inspect.signature(make).bind(*given)
    except ValueError:  # written in C: its parameters are not known
        pass
    except TypeError as error:
        raise TaskError(
            f"got {factory!r}, which cannot be called with {list(given) or 'no argument'} ({error}); expected "
            "FACTORY(FILE) after mjcf:, FACTORY() after python:"
        ) from None
    return make(*given)


def _imported(factory: str, *folders: Path) -> Any:
    module, _, attribute = factory.partition(":")
    folders = (*folders, Path.cwd())  # as `python -m` has it
    sys.path.extend(str(folder) for folder in folders if str(folder) not in sys.path)
    try:
        return getattr(_module(module, folders), attribute)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise TaskError(
            f"got {factory!r}, which cannot be imported ({error}); expected package.module:factory, of an installed "
            f"package or of a file in {' or '.join(map(str, folders))}"
        ) from None


def _source(module: str, folders: Sequence[Path]) -> Path | None:
    """The file of a module in the first of the folders that has it."""
    files = (folder.resolve() / f"{module}.py" for folder in folders)
    return next((file for file in files if file.is_file()), None)


def _module(name: str, folders: Sequence[Path]) -> ModuleType:
    """The module of a file in one of the folders, or else what is installed under the name.

    Modules of one name in the folders of several robots are different ones.
    """
    file = _source(name, folders)
    if file is None:
        return importlib.import_module(name)
    key = f"{name} of {file}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None  # of a .py file there is one
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        under_name = sys.modules.setdefault(name, module)  # where dataclasses look for what they are made of
        try:
            spec.loader.exec_module(module)
        except BaseException:
            if under_name is module:
                del sys.modules[name]
            raise
        sys.modules[key] = module
    return sys.modules[key]


def _adapted(made: Any, name: str, repeat: int) -> Plant:
    """What a factory made, as a plant."""
    if isinstance(made, control.Environment):
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
        f"its factory gave a {type(made).__name__}, expected an environment of dm_control or Gymnasium, or a "
        "spec_control_ros.sim.plant.Plant"
    )
