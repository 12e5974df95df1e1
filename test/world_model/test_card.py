"""Cards: one schema, checked when they are read and when they are written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.output import UNFINISHED
from spec_control_ros.world_model.card import WORLD_MODEL, check_card, contents, missing
from spec_control_ros.world_model.checkpoint import load_card, save_world_model, update_card
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS

MODELS = Path(__file__).parents[2] / "models"
RETURNS: dict[str, Any] = {
    "command": "spec-control bench",
    "seeds": [0, 1],
    "returns": [900.0, 902.0],
    "return_mean": 901.0,
    "return_ci95": 12.7,
}


@pytest.fixture
def weights(small_model: Callable[..., WorldModel], tmp_path: Path) -> Path:
    path = tmp_path / WEIGHTS
    card = {"task": "cup-catch", "control_period_s": 0.05, "evaluation": {"replan_every_tick": RETURNS}}
    save_world_model(path, small_model(), card)
    return path


@pytest.mark.parametrize(
    "path",
    sorted(path for path in MODELS.glob("*/*.json") if path.parent.name != "experts"),
    ids=lambda p: f"{p.parent.name}/{p.name}",
)
def test_shipped_card_has_every_part(path: Path) -> None:
    card = load_card(path)
    may_lack = {"source", "multi_task"}  # of converted models only
    if path.name == "draft.json":  # what only drafts drives no robot
        may_lack |= {"evaluation.replan_every_tick", "evaluation.prior_alone"}
    assert set(missing(card, contents(card))) <= may_lack


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/*.json")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_shipped_measurements_belong_together(path: Path) -> None:
    evaluation = load_card(path).get("evaluation", {})
    curve = evaluation.get("curve", [])  # of a Transformer, by the return that is asked for
    for measured in curve or evaluation.values():
        returns = measured["returns"]
        assert curve or len(returns) == len(measured["seeds"])
        assert measured["return_mean"] == pytest.approx(sum(returns) / len(returns), abs=0.06)


def test_updated_part_is_set_and_all_others_stay(weights: Path) -> None:
    before = load_card(weights)
    update_card(weights, "evaluation.prior_alone", RETURNS)
    update_card(weights, "gate", {"accept": [0.1, 0.2]})
    update_card(weights, "gate", {"replan": [0.5]})
    after = load_card(weights)
    assert after == {
        **before,
        "evaluation": {"replan_every_tick": RETURNS, "prior_alone": RETURNS},
        "gate": {"replan": [0.5]},
    }
    assert [p.name for p in weights.parent.iterdir() if p.name.startswith(UNFINISHED)] == []


def test_card_behind_a_link_is_renewed_where_it_lies(weights: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed" / "world_model.safetensors"
    installed.parent.mkdir()
    for suffix in (".safetensors", ".json"):
        installed.with_suffix(suffix).symlink_to(weights.with_suffix(suffix))
    update_card(installed, "evaluation.prior_alone", RETURNS)
    assert installed.with_suffix(".json").is_symlink()
    assert load_card(weights)["evaluation"]["prior_alone"] == RETURNS


def test_numbers_of_a_list_stand_on_one_line(weights: Path) -> None:
    update_card(weights, "gate", {"thresholds": [[1, -2.5, 3e-05], []], "modes": ["fixed"]})
    text = weights.with_suffix(".json").read_text()
    assert "\n      [1, -2.5, 3e-05],\n" in text
    assert load_card(weights)["gate"] == {"thresholds": [[1, -2.5, 3e-05], []], "modes": ["fixed"]}


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("gate", [0.1], r"world_model\.json: gate: got \[0\.1\], expected dict"),
        ("training", {"updates": "many"}, "training: updates: got 'many', expected int"),
        ("training.wall_time_s", True, "wall_time_s: got True, expected int or float"),
        ("evaluation.prior_alone", {"returns": [1.0]}, "evaluation: prior_alone: command is missing"),
        ("gate", {"accept": float("nan")}, "got what JSON cannot hold"),
    ],
)
def test_part_that_is_not_one_is_refused_and_changes_nothing(
    weights: Path, part: str, value: object, said: str
) -> None:
    before = weights.with_suffix(".json").read_text()
    with pytest.raises(CheckpointError, match=said):
        update_card(weights, part, value)
    assert weights.with_suffix(".json").read_text() == before


def test_single_episode_has_no_interval(weights: Path) -> None:
    single = RETURNS | {"seeds": [0], "returns": [900.0], "return_mean": 900.0, "return_ci95": None}
    update_card(weights, "evaluation.prior_alone", single)
    assert load_card(weights)["evaluation"]["prior_alone"] == single
    with pytest.raises(CheckpointError, match="return_ci95: got 'wide', expected int or float or null"):
        update_card(weights, "evaluation.prior_alone", RETURNS | {"return_ci95": "wide"})


def test_measurements_of_its_own_may_join(weights: Path) -> None:
    update_card(weights, "evaluation.on_ice", 3)
    assert load_card(weights)["evaluation"] == {"replan_every_tick": RETURNS, "on_ice": 3}


def test_broken_card_is_refused_when_it_is_read(weights: Path) -> None:
    path = weights.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"task": 3}))
    with pytest.raises(CheckpointError, match=r"world_model\.json: task: got 3, expected str \(docs/models"):
        load_card(weights)


def test_missing_parts_are_named_with_dots() -> None:
    card = {"format": "tdmpc2", "task": "a", "evaluation": {}, "training": {"command": "c"}}
    lacks = missing(card, WORLD_MODEL)
    assert {"dimensions", "evaluation.prior_alone", "training.updates", "gate"} <= set(lacks)
    assert not {"task", "training.command"} & set(lacks)
    check_card(card, "card")
