"""What a model's card may hold: how its weights came about, and what they were measured to do."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.planner_format import PlannerFormat, find_format, format_of

Card = dict[str, Any]
PLANNER_CARD = "planner.json"  # of any other planner than TD-MPC2
CARDS = (PLANNER_CARD, "world_model.json")  # of a model's folder, whose `format` names the kind of planner
OURS = "tdmpc2"

NO_TASK = -1  # in place of the index of a multi-task model's task
NUMBER = (int, float)
RETURNS = {
    "command": str,
    "seeds": list,  # of the plant, one an episode
    "returns": list,  # one an episode, in the order of the seeds
    "return_mean": NUMBER,
    "return_ci95": (*NUMBER, NoneType),  # half of the 95 % interval of the mean; null: of a single episode
}
MADE = {
    "command": str,
    "ticks": int,  # that were collected, or that it was fitted to
    "wall_time_s": NUMBER,
    "hardware": str,
}
HELD_OUT = {"steps_ahead": int, "ticks": int, "before": NUMBER, "after": NUMBER}

# Of any model. A part may hold more than these names.
PLANNER: dict[str, Any] = {
    "task": str,
    "control_period_s": NUMBER,
    "evaluation": {"replan_every_tick": RETURNS, "prior_alone": RETURNS},
}
# Of a world model.
WORLD_MODEL: dict[str, Any] = {
    **PLANNER,
    "dimensions": dict,
    "action_repeat": int,  # that it was trained with; 0: the environment's own
    "multi_task": {
        "task_index": int,
        "obs": int,
        "action": int,
    },  # which of its tasks `task` is, and its sizes
    "training": {**MADE, "updates": int, "seed": int},
    "gate": dict,
    "source": {"file": str, "sha256": str},
}
# Of a corrector.
CORRECTOR: dict[str, Any] = {
    "dimensions": dict,
    "training": {**MADE, "seed": int},
    "held_out": [HELD_OUT],
    "evaluation": {"open_loop": RETURNS, "corrected": RETURNS},
}
STUDENT: dict[str, Any] = {**CORRECTOR, "evaluation": {"open_loop": RETURNS, "alone": RETURNS}}
# Of a student that needs no world model.
POLICY_STUDENT: dict[str, Any] = {
    "training": {**MADE, "settings": dict},
    "held_out": {"distance": NUMBER},
    "evaluation": {"planner": RETURNS, "alone": RETURNS},
}


def load_card(path: Path) -> Card:
    """The card of the weights at `path`.

    Raises:
        CheckpointError: missing, not a JSON object, or a part of it is not what docs/models.md tells.
    """
    card_path = path.with_suffix(".json")
    try:
        card = json.loads(card_path.read_text())
    except FileNotFoundError:
        raise CheckpointError(
            f"{card_path}: no such file; expected the card of {path.name} beside it"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{card_path}: not JSON ({error})") from None
    except OSError as error:
        raise CheckpointError(f"{card_path}: cannot be read ({error})") from None
    if not isinstance(card, dict):
        raise CheckpointError(f"{card_path}: got a {type(card).__name__}, expected an object")
    check_card(card, str(card_path))
    return card


def find_folder(name: str, models: Path) -> Path:
    """The folder of a model by its name among the shipped ones in `models`, as `walker-walk`, or by its path.

    Raises:
        CheckpointError: there is no such model; the message lists those that there are.
    """
    for path in (models / name, Path(os.path.expanduser(name))):
        if name and any((path / card).is_file() for card in CARDS):
            return path.resolve()
    known = sorted(path.name for path in models.glob("*") if any((path / card).is_file() for card in CARDS))
    raise CheckpointError(
        f"model: got {name!r}, expected one of {', '.join(known) or '(none shipped)'}, or the path of a folder that "
        f"holds {' or '.join(CARDS)}; `spec-control convert` makes one of an official checkpoint"
    )


def model_folder(name: str) -> Path:
    """The folder of a model, by the name under which it is shipped or by its path.

    Raises:
        CheckpointError: there is none.
    """
    return find_folder(name, share_folder() / "models")


def named_format(name: str) -> PlannerFormat:
    """The kind of planner that a model is for; our own where there is no such model, which loading it will tell.

    Raises:
        SettingsError: its card names a kind that nobody offers.
    """
    try:
        card = folder_card(model_folder(name))
    except CheckpointError:
        return find_format(OURS)
    return format_of(card)


def folder_card(folder: Path) -> Card:
    """The card of a model's folder.

    Raises:
        CheckpointError: see `load_card`.
    """
    return load_card(card_of(folder))


def card_of(folder: Path) -> Path:
    """Where the card of a model's folder lies, or should."""
    return next((path for name in CARDS if (path := folder / name).is_file()), folder / CARDS[0])


def check_card(card: Card, name: str) -> None:
    """Hold what a card has against what cards of its `format` may have; `missing` tells what it lacks.

    Raises:
        CheckpointError: a value is of another type, or a measurement is not complete; names it.
    """
    _check(card, contents(card), name)


def contents(card: Card) -> dict[str, Any]:
    """All that a card of this `format` should have in the end."""
    known = {
        OURS: WORLD_MODEL,
        "two_tower": CORRECTOR,
        "temporal": CORRECTOR,
        "student": STUDENT,
        "policy_student": POLICY_STUDENT,
    }
    return known.get(str(card.get("format")), PLANNER)


def missing(card: Card, expected: Mapping[str, Any]) -> list[str]:
    """Names of the parts that `card` lacks, dotted where they are nested."""
    names: list[str] = []
    for part, inner in expected.items():
        if part not in card:
            names.append(part)
        elif isinstance(inner, Mapping):
            names += [f"{part}.{name}" for name in missing(card[part], inner)]
    return names


def sizes(card: Card, task_index: int = NO_TASK) -> tuple[int, int] | None:
    """Lengths of observation and action that a world model drives; None where its card does not tell.

    Of a multi-task model they are those of a task; `NO_TASK`: of the one that the card names.
    """
    own = card.get("multi_task", {})
    if task_index not in (NO_TASK, own.get("task_index", NO_TASK)):
        return None
    dimensions = card.get("dimensions", {})
    known = own if dimensions.get("tasks") else dimensions
    return (known["obs"], known["action"]) if {"obs", "action"} <= known.keys() else None


def with_part(card: Card, part: str, value: object) -> Card:
    """The card with one part set, whose name is dotted where it is nested."""
    first, _, rest = part.partition(".")
    return {**card, first: with_part(card.get(first, {}), rest, value) if rest else value}


def _check(got: Any, expected: Any, name: str) -> None:
    if isinstance(expected, list):
        _check_type(got, list, name)
        for index, item in enumerate(got):
            _check(item, expected[0], f"{name}[{index}]")
    elif isinstance(expected, Mapping):
        _check_type(got, dict, name)
        for key, inner in expected.items():
            if key in got:
                _check(got[key], inner, f"{name}: {key}")
            elif expected in (RETURNS, HELD_OUT):
                raise CheckpointError(f"{name}: {key} is missing, expected {', '.join(expected)}")
    else:
        _check_type(got, expected, name)


def _check_type(got: Any, expected: type | tuple[type, ...], name: str) -> None:
    kinds = expected if isinstance(expected, tuple) else (expected,)
    if not isinstance(got, kinds) or isinstance(got, bool):
        words = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
        raise CheckpointError(f"{name}: got {got!r}, expected {words} (docs/models.md lists what cards hold)")
