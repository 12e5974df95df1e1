"""Data sets of mixed quality, and the command that records them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from short_plant import FallingPlant, ShortPlant
from typer.testing import CliRunner

from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.evaluation.parallel import Workers
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import RandomPolicy
from spec_control_ros.training.episodes import Episodes, TaskSpec, write_spec
from spec_control_ros.training.recording import groups_of, policy_names, record, recorded_folder
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS

TASK = "cup-catch"


@pytest.mark.parametrize("plant", [ShortPlant, FallingPlant])
def test_every_episode_that_is_asked_for_is_recorded_whole(tmp_path: Path, plant: type[ShortPlant]) -> None:
    pool, spec = PlantPool(plant, 3), TaskSpec.of("sliders", plant())
    with recorded_folder(tmp_path / "data", spec, 5, 3) as buffer:
        returns = []
        for group in groups_of(["random"], 5, 3, 100, 0):
            policy = RandomPolicy(2, np.random.default_rng(group.noise_seed))
            episodes, own = record(pool, policy, group, spec)
            buffer.extend(episodes)
            returns += own.tolist()
    write_spec(tmp_path / "data", spec, {"command": "x"})
    Episodes.open(tmp_path / "data")
    length = np.load(tmp_path / "data" / "length.npy")
    reward = np.load(tmp_path / "data" / "reward.npy")
    assert (length > 0).tolist() == [True] * 5 + [False] * 3
    assert [reward[i, : length[i]].sum() for i in range(5)] == pytest.approx(returns, abs=1e-5)
    first = [plant().reset(100 + i) for i in range(5)]
    np.testing.assert_array_equal(np.load(tmp_path / "data" / "obs.npy")[:5, 0], first)


def test_folder_of_a_data_set_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    folder, spec = tmp_path / "data", TaskSpec.of("sliders", ShortPlant())
    of_somebody_else = tmp_path / "data.part"
    of_somebody_else.mkdir()
    with pytest.raises(KeyboardInterrupt), recorded_folder(folder, spec, 1, 1):
        raise KeyboardInterrupt
    assert not folder.exists()
    assert of_somebody_else.exists()
    folder.mkdir()
    with pytest.raises(SettingsError, match="exists already"), recorded_folder(folder, spec, 1, 1):
        pass


@pytest.mark.parametrize("text", ["", ",", "teacher", "prior,prior", "planner,checkpoint"])
def test_unknown_policies_are_refused(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"expected some of planner, prior, noisy, random, checkpoint:MODEL"
    ):
        policy_names(text)


@pytest.fixture
def model(small_model: Callable[..., WorldModel], tmp_path: Path) -> Path:
    plant = make_control_plant(TASK, 250)
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    save_world_model(tmp_path / "model" / WEIGHTS, model, {"task": TASK, "action_repeat": 250})
    return tmp_path / "model"


def test_command_tells_how_good_each_policy_is(model: Path, tmp_path: Path) -> None:
    policies = ["planner", "prior", "noisy", "random", f"checkpoint:{model}"]
    folder, report = tmp_path / "data", tmp_path / "report.json"
    words = ["collect", TASK, "--policy", ",".join(policies), "--episodes", "2", "--model", str(model)]
    words += ["--folder", str(folder), "--json", str(report)]
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    assert "returns of 10 episodes" in ended.output
    recorded = json.loads(report.read_text())["policies"]
    assert json.loads((folder / "dataset.json").read_text())["recorded"]["policies"] == recorded
    assert [own["policy"] for own in recorded] == policies
    assert all(len(own["returns"]) == 2 for own in recorded)
    assert Episodes.open(folder).ticks == 10 * 4
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, SpecControlError)
    assert "exists already" in str(again.exception)


def test_data_does_not_depend_on_who_is_done_first(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        "collect",
        TASK,
        "--policy",
        "noisy,random",
        "--episodes",
        "3",
        "--plants",
        "2",
        "--model",
        str(model),
    ]
    for name, order in (("here", 1), ("late", -1)):
        run = Workers.run
        monkeypatch.setattr(Workers, "run", lambda *given, o=order, r=run: (x for x in list(r(*given))[::o]))
        ended = CliRunner().invoke(app, [*words, "--folder", str(tmp_path / name)], catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        monkeypatch.undo()
    for array in ("obs", "action", "reward", "length"):
        one, other = (np.load(tmp_path / name / f"{array}.npy") for name in ("here", "late"))
        np.testing.assert_array_equal(one, other)


def test_checkpoint_of_other_sizes_is_refused(
    model: Path, small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    save_world_model(tmp_path / "other" / WEIGHTS, small_model(), {})
    words = ["collect", TASK, "--policy", f"checkpoint:{tmp_path}/other", "--model", str(model)]
    ended = CliRunner().invoke(app, [*words, "--folder", str(tmp_path / "data")])
    assert "made for observations of 5" in str(ended.exception)
    assert not (tmp_path / "data").exists()
