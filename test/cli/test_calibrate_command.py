"""The command writes thresholds into the card of the model, or leaves it as it was."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spec_control_ros.cli.calibrate import calibrate
from spec_control_ros.cli.model_options import CalibrateOptions
from spec_control_ros.core.errors import CheckpointError, SettingsError, SpecControlError
from spec_control_ros.core.gate import GateCalibration, GateMode
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS

TASK = "cup-catch"
WANTED = {"false_alarm_rate": 0.25, "correction_rate": 0.9, "episodes": 4, "held_out": 1}
PARAMETERS = """
planner:
  ros__parameters:
    planner: {queue_length: 4, mppi: {samples: 16, prior_samples: 4, elites: 4, iterations: 1}}
sim_bridge:
  ros__parameters:
    action_repeat: 20
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(PARAMETERS)
    return path


@pytest.fixture
def folder(small_model: Callable[..., WorldModel], tmp_path: Path) -> Path:
    """A model, reached over a link as an installed one is."""
    plant = make_control_plant(TASK, 20)
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    save_world_model(tmp_path / "repository" / WEIGHTS, model, {"task": TASK, "size": "tiny"})
    installed = tmp_path / "installed"
    installed.mkdir()
    for file in (tmp_path / "repository").iterdir():
        (installed / file.name).symlink_to(file)
    return installed


def card(folder: Path) -> dict[str, object]:
    return json.loads((folder / WEIGHTS).with_suffix(".json").read_text())


def test_thresholds_and_how_they_came_about_are_added_to_the_card(
    folder: Path, params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = card(folder)
    calibrate(CalibrateOptions(model=str(folder), corrector="none", params=params, **WANTED))
    assert (folder / WEIGHTS).with_suffix(".json").is_symlink()
    after = card(folder)
    gate = after.pop("gate")
    assert after == before
    calibration = GateCalibration.of({"gate": gate})
    assert calibration is not None
    assert calibration.mode in (GateMode.QUANTILE, GateMode.ADAPTIVE)
    assert (calibration.false_alarm_rate, calibration.correction_rate) == (0.25, 0.9)
    assert isinstance(gate, dict)
    measured = gate["calibration"]
    assert (measured["queue_length"], len(measured["fitted"]["returns"])) == (4, 4)
    assert [v["mode"] for v in measured["verified"]] == ["open", "quantile", "adaptive"]
    assert measured["verified"][0]["false_alarm_rate"] == 0.0
    assert [v["return_ci95"] for v in measured["verified"]] == [None] * 3  # of a single episode each
    printed = capsys.readouterr().out
    assert "replan above" in printed
    assert str((folder / WEIGHTS).with_suffix(".json").resolve()) in printed.replace("\n", "")


@pytest.mark.parametrize("metric", ["relative_l2", "value"])
def test_thresholds_by_regret_stay_unless_their_metric_has_new_weights(
    folder: Path, params: Path, capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    calibrate(CalibrateOptions(model=str(folder), corrector="none", params=params, **WANTED))
    own = {"metric": metric, "accept": [0.0], "replan": [0.5], "measured": {"share": 0.02}}
    file = (folder / WEIGHTS).resolve().with_suffix(".json")
    gate = card(folder)["gate"]
    assert isinstance(gate, dict)
    file.write_text(json.dumps(card(folder) | {"gate": gate | {"regret": own}}))
    calibrate(CalibrateOptions(model=str(folder), corrector="none", params=params, **WANTED))
    again = card(folder)["gate"]
    assert isinstance(again, dict)
    assert again.get("regret") == (None if metric == "value" else own)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"thresholds by regret are {'gone' if metric == 'value' else 'kept as they were'}" in printed


def test_options_that_take_no_part_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="episodes: got one, expected none with --regret"):
        calibrate(CalibrateOptions(model=str(folder), regret=tmp_path / "regret.jsonl", episodes=4))


def test_code_that_a_card_names_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    file = (folder / WEIGHTS).resolve().with_suffix(".json")
    file.write_text(json.dumps(card(folder) | {"task": "python:evil:make"}))
    with pytest.raises(SettingsError, match=r"its card names python:evil:make, which is code .* --robot"):
        calibrate(CalibrateOptions(model=str(folder), **WANTED))


def test_card_stays_as_it_was_when_there_is_too_little_data(folder: Path, params: Path) -> None:
    before = card(folder)
    wanted = {"false_alarm_rate": 0.001, "episodes": 2, "most_episodes": 2}
    with pytest.raises(SpecControlError, match=r"2 episodes give \d+ nominal ticks .* give a larger"):
        calibrate(CalibrateOptions(model=str(folder), corrector="none", params=params, **wanted))
    assert card(folder) == before


def test_wrong_arguments_are_refused_at_once(folder: Path, params: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="model: got 'nowhere'"):
        calibrate(CalibrateOptions(model="nowhere", corrector="none", params=params, **WANTED))
    with pytest.raises(SettingsError, match="corrector: got 'oracle', expected one of"):
        calibrate(CalibrateOptions(model=str(folder), corrector="oracle", params=params, **WANTED))
    with pytest.raises(SettingsError, match="cannot be read"):
        calibrate(
            CalibrateOptions(model=str(folder), corrector="none", params=tmp_path / "nowhere.yaml", **WANTED)
        )


def test_model_of_no_task_is_refused(folder: Path, params: Path) -> None:
    file = (folder / WEIGHTS).with_suffix(".json")
    file.write_text(json.dumps({k: v for k, v in card(folder).items() if k != "task"}))
    with pytest.raises(CheckpointError, match="its card names no task"):
        calibrate(CalibrateOptions(model=str(folder), corrector="none", params=params, **WANTED))
