"""The file that a run goes on from, and what it is held against."""

from pathlib import Path

import numpy as np
import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.environment import file_digests
from spec_control_ros.training.train_state import digest, load_state, save_state
from spec_control_ros.training.trainer_settings import TrainerSettings

BODY = Path(__file__).parents[1] / "data/bodies/two_link.xml"
TASK = Path(__file__).parents[1] / "own_body.py"


def test_run_does_not_go_on_with_another_reward_than_it_began_with(tmp_path: Path) -> None:
    for source in (BODY, TASK):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    settings = TrainerSettings(task=f"mjcf:{tmp_path}/{BODY.name}@own_body:raise_links")
    state = tmp_path / "run" / "state.pt"
    state.parent.mkdir()
    save_state(state, settings, {"ticks": 7})
    loaded = load_state(state, settings, set())
    assert loaded is not None
    assert loaded["ticks"] == 7
    code = tmp_path / TASK.name
    code.write_text(code.read_text().replace("0.5 * np.cos", "0.4 * np.cos"))
    with pytest.raises(SettingsError, match=r"other settings \(.*own_body.py.*use another folder"):
        load_state(state, settings, set())


def test_files_that_change_before_a_save_are_not_those_that_the_run_began_with(tmp_path: Path) -> None:
    for source in (BODY, TASK):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    settings = TrainerSettings(task=f"mjcf:{tmp_path}/{BODY.name}@own_body:raise_links")
    began, code = file_digests(settings.task), tmp_path / TASK.name
    code.write_text(code.read_text() + "\n")
    save_state(tmp_path / "state.pt", settings, {}, began)
    with pytest.raises(SettingsError, match=r"own_body\.py"):
        load_state(tmp_path / "state.pt", settings, set())


def test_tasks_of_the_suite_have_no_files(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    save_state(state, TrainerSettings(task="walker-walk"), {})
    assert "files" not in (load_state(state, TrainerSettings(task="walker-walk"), set()) or {})["settings"]


def test_run_does_not_go_on_with_other_contents_behind_its_settings(tmp_path: Path) -> None:
    state, settings = tmp_path / "state.pt", TrainerSettings(task="walker-walk")
    save_state(state, settings, {}, contents={"dataset": digest([np.zeros(3)])})
    assert load_state(state, settings, set(), {"dataset": digest([np.zeros(3)])}) is not None
    with pytest.raises(SettingsError, match=r"other settings \(contents\.dataset: was .*use another folder"):
        load_state(state, settings, set(), {"dataset": digest([np.ones(3)])})


def test_state_of_an_older_version_tells_of_no_contents(tmp_path: Path) -> None:
    state, settings = tmp_path / "state.pt", TrainerSettings(task="walker-walk")
    save_state(state, settings, {})
    assert load_state(state, settings, set(), {"dataset": digest([np.ones(3)])}) is not None
