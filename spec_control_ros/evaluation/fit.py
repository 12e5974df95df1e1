"""Whether a model and what it is to drive belong together: sizes, task and tick decide."""

from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

from spec_control_ros.core.errors import CheckpointError, MisfitError
from spec_control_ros.evaluation.misfit import refuse_misfit
from spec_control_ros.sim.plant import Driven
from spec_control_ros.sim.suite import is_same
from spec_control_ros.world_model.card import NO_TASK, Card, sizes

STATE = "state:"  # before the name of an environment that observes its physical state


AnyPlant = TypeVar("AnyPlant", bound=Driven)


def fitting_env(
    make: Callable[[str, int], AnyPlant],
    name: str,
    card: Card,
    environment: str,
    action_repeat: int = 0,
    task_index: int = NO_TASK,
    lengths: tuple[int, int] | None = None,
) -> AnyPlant:
    """The environment that a model is to drive, if it fits.

    `make` makes it of its name and the action repeat, as `make_env` does. An action repeat of 0, a task index of
    `NO_TASK` and lengths (of observation and action) of None are those that the card names.

    Raises:
        TaskError: there is no such environment.
        MisfitError: sizes, task or the duration of a tick differ; says what was got and expected.
    """
    env = make(environment, repeat_of(card, action_repeat))
    refuse_misfit(name, lengths or sizes(card, task_index), card, env, environment)
    refuse_other_task(name, card, environment, task_index)
    return env


def repeat_of(card: Card, action_repeat: int) -> int:
    """Steps of the environment in a tick, where 0 stands for what the model was trained with; 0: not known."""
    return action_repeat or int(card.get("action_repeat", 0))


def refuse_other_task(name: str, card: Card, task: str, task_index: int = NO_TASK) -> None:
    """Hold the task of a model against the one that it is to drive.

    The task index is that of a multi-task model's task; `NO_TASK`: the one that the card names.

    Raises:
        MisfitError: the card names another task.
    """
    own, index = str(card.get("task", "")), card.get("multi_task", {}).get("task_index", NO_TASK)
    is_told = bool(own) and task_index in (NO_TASK, index)
    if is_told and not _is_same_task(own, task):
        raise MisfitError(f"model {name}: made for {own}, expected {task}; name another with --model")


def task_of(name: str, card: Card) -> str:
    """The task that a model was made for.

    Raises:
        CheckpointError: its card does not tell.
    """
    if "task" not in card:
        raise CheckpointError(f"{name}: its card names no task, expected `task`, as walker-walk")
    return str(card["task"])


def _is_same_task(own: str, task: str) -> bool:
    """Whether both observe and do the same; a MuJoCo file is the same wherever it lies."""
    names = []
    for name in (own, task):
        kind, _, rest = name.removeprefix(STATE).partition(":")
        names.append(f"mjcf:{PurePath(rest).name}" if kind == "mjcf" else name.removeprefix(STATE))
    return own.startswith(STATE) == task.startswith(STATE) and is_same(*names)
