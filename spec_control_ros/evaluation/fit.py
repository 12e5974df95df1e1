"""Whether a model and what it is to drive belong together: sizes and tick decide, another task is told."""

from math import isclose
from typing import Protocol

from spec_control_ros.core.errors import CheckpointError, MisfitError, TaskError
from spec_control_ros.sim.suite_plant import split_task
from spec_control_ros.world_model.card import Card

SAME_PERIOD = 1e-3  # relative


class Driven(Protocol):
    """What a model is to drive, as far as it has to fit: a plant, or what was told of one."""

    @property
    def obs_dim(self) -> int:
        """Length of an observation."""

    @property
    def action_dim(self) -> int:
        """Length of an action."""

    @property
    def control_period_s(self) -> float:
        """Duration of a tick."""


def refuse_misfit(name: str, sizes: tuple[int, int] | None, card: Card, plant: Driven, task: str) -> None:
    """Hold a model against what it is to drive.

    Args:
        name: of the model, for the message.
        sizes: lengths of observation and action that the model was made for; None: not known.
        card: of the model.
        plant: what it is to drive.
        task: of the plant, for the message.

    Raises:
        MisfitError: sizes or the duration of a tick differ; says what was got and expected.
    """
    expected = plant.obs_dim, plant.action_dim
    if sizes is not None and sizes != expected:
        raise MisfitError(
            f"model {name}: made for observations of {sizes[0]} and actions of {sizes[1]}, expected {expected[0]} and "
            f"{expected[1]}, as {task} has; name another with --model"
        )
    period_s = float(card.get("control_period_s", 0.0))
    if period_s and not isclose(period_s, plant.control_period_s, rel_tol=SAME_PERIOD):
        raise MisfitError(
            f"model {name}: made for ticks of {period_s:g} s, expected {plant.control_period_s:g} s, as {task} has "
            "with this action_repeat; name another with --model, or set action_repeat"
        )


def other_task(name: str, card: Card, task: str) -> str:
    """A warning that the model was made for another task; empty where it was not, or is not known."""
    own = str(card.get("task", ""))
    if not own or _same_spelling(own) == _same_spelling(task):
        return ""
    return f"model {name} was made for {own}, and drives {task}"


def task_of(name: str, card: Card) -> str:
    """The task that a model was made for.

    Raises:
        CheckpointError: its card does not tell.
    """
    if "task" not in card:
        raise CheckpointError(f"{name}: its card names no task, expected `task`, as walker-walk")
    return str(card["task"])


def _same_spelling(task: str) -> object:
    try:
        return split_task(task.removeprefix("dm_control:"))
    except TaskError:
        return task
