"""Training a Decision Transformer: what it learns, how it continues, and what comes of its model folder."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from short_plant import ShortPlant
from typer.testing import CliRunner

from spec_control_ros.bringup.share import share_folder
from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import CheckpointError, MisfitError, SettingsError, SpecControlError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.core.settings import settings_from
from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.loaded_planner import load_planner
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import RandomPolicy
from spec_control_ros.training.episodes import EpisodeArrays, Episodes, TaskSpec
from spec_control_ros.training.recording import Group, record, recorded_folder
from spec_control_ros.training.return_windows import ReturnWindows
from spec_control_ros.training.transformer_trainer import TransformerTrainer, TransformerTrainerSettings
from spec_control_ros.transformer.format import WEIGHTS, TransformerFormat, load_transformer
from spec_control_ros.transformer.network import TransformerDimensions
from spec_control_ros.transformer.planner import Draft, TransformerSettings
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS as WORLD_MODEL

SHIPPED = sorted((share_folder() / "config" / "training" / "transformer").glob("*.yaml"))
SMALL = TransformerDimensions(width=16, layers=1, heads=2, context=4)


@pytest.fixture
def settings(small_model: Callable[..., WorldModel], tmp_path: Path) -> TransformerTrainerSettings:
    save_world_model(tmp_path / "world" / WORLD_MODEL, small_model(obs=3), {})
    plant = ShortPlant()
    spec, policy = TaskSpec.of("sliders", plant), RandomPolicy(2, np.random.default_rng(0))
    with recorded_folder(tmp_path / "data", spec, 6, 3) as buffer:
        for first_seed in (0, 3):
            episodes, _ = record(PlantPool(ShortPlant, 3), policy, Group("random", first_seed, 3, 0), spec)
            buffer.extend(episodes)
    return TransformerTrainerSettings(
        task="sliders",
        dataset=str(tmp_path / "data"),
        world_model=str(tmp_path / "world"),
        updates=12,
        batch=4,
        evaluate_every=6,
        evaluation_episodes=2,
        network=SMALL,
    )


def trainer(settings: TransformerTrainerSettings, folder: Path) -> TransformerTrainer:
    return TransformerTrainer(settings, folder, make_plant=ShortPlant)


def test_returns_to_go_are_the_rest_of_the_episode_at_the_same_rate(
    settings: TransformerTrainerSettings, small_model: Callable[..., WorldModel]
) -> None:
    data = Episodes.open(Path(settings.dataset))
    model = small_model(obs=3)
    windows = ReturnWindows([data], model, 7)  # so that every window is a whole episode
    to_go, latents, actions = windows.sample(1, np.random.default_rng(0))
    episode = int(np.flatnonzero((data.arrays.action == actions[0].numpy()).all((1, 2)))[0])
    reward = data.arrays.reward[episode]
    expected = [reward[t:].sum() / (7 - t) * 7 for t in range(7)]
    np.testing.assert_allclose(to_go[0], expected, rtol=1e-5)
    obs = torch.from_numpy(np.array(data.arrays.obs[episode, :7]))
    torch.testing.assert_close(latents[0], model.encode(obs))
    assert windows.best_tenth == windows.returns.max()


@pytest.mark.parametrize(("is_ended", "expected"), [(False, [7.0] * 4), (True, [4.0, 3.5, 2.8, 1.75])])
def test_returns_to_go_of_a_recording_that_stopped_do_not_fall(
    is_ended: bool, expected: list[float], small_model: Callable[..., WorldModel]
) -> None:
    """Four ticks of a task of seven, a reward of 1 each; after a fall there would have been none."""
    arrays = EpisodeArrays(
        obs=np.zeros((1, 8, 3), np.float32),
        action=np.zeros((1, 7, 2), np.float32),
        reward=np.ones((1, 7), np.float32),
        length=np.array([4]),
        ended=np.array([is_ended]),
    )
    data: Any = SimpleNamespace(arrays=arrays, spec=SimpleNamespace(episode_ticks=7))
    windows = ReturnWindows([data], small_model(obs=3), 4)
    np.testing.assert_allclose(windows.sample(1, np.random.default_rng(0))[0][0], expected)


def test_an_interrupted_run_ends_as_one_that_was_not(
    settings: TransformerTrainerSettings, tmp_path: Path
) -> None:
    whole = trainer(settings, tmp_path / "whole")
    reports = list(whole.run())
    assert [report.updates for report in reports] == [6]
    first = trainer(settings, tmp_path / "parts")
    list(first.run(lambda: first.updates >= 5))
    second = trainer(settings, tmp_path / "parts")
    assert second.updates == 5
    list(second.run())
    for one, other in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(SettingsError, match=r"batch: was 4, got 8"):
        trainer(replace(settings, batch=8), tmp_path / "parts")


def test_run_does_not_go_on_with_another_world_model_of_the_same_name(
    settings: TransformerTrainerSettings, small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    run = trainer(settings, tmp_path / "run")
    list(run.run(lambda: run.updates >= 2))
    torch.manual_seed(7)
    save_world_model(tmp_path / "world" / WORLD_MODEL, small_model(obs=3), {})
    with pytest.raises(SettingsError, match=r"contents\.world_model: was"):
        trainer(settings, tmp_path / "run")


def test_it_learns_what_its_data_did(settings: TransformerTrainerSettings, tmp_path: Path) -> None:
    run = trainer(replace(settings, updates=60, learning_rate=1e-2, evaluate_every=1000), tmp_path / "run")
    losses = []
    list(run.run(lambda: losses.append(run._losses.get("loss", np.inf)) or False))
    assert np.mean(losses[-10:]) < losses[1] - 0.1


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"dataset": ""}, SettingsError, "spec-control collect"),
        ({"dataset": "nowhere"}, SpecControlError, "nowhere"),
        ({"task": "other"}, SpecControlError, "got task 'sliders', expected 'other'"),
        (
            {"network": replace(SMALL, context=8)},
            SettingsError,
            "got 8 ticks, but no recorded episode is as long",
        ),
        ({"world_model": "no-such-model"}, CheckpointError, "no-such-model"),
    ],
)
def test_what_does_not_go_together_is_refused_at_the_start(
    settings: TransformerTrainerSettings,
    tmp_path: Path,
    change: dict[str, object],
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        trainer(replace(settings, **change), tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_world_model_of_other_sizes_is_refused(
    settings: TransformerTrainerSettings, small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    save_world_model(tmp_path / "world" / WORLD_MODEL, small_model(obs=4), {})
    with pytest.raises(MisfitError, match="made for observations of 4"):
        trainer(settings, tmp_path / "run")


def test_the_model_folder_plans_and_drives_an_executor(
    settings: TransformerTrainerSettings, tmp_path: Path
) -> None:
    run = trainer(settings, tmp_path / "run")
    measured = run.export(tmp_path / "model")
    assert [len(row["returns"]) for row in measured["curve"]] == [2, 2, 2]
    assert measured["curve"][-1]["asked"] == measured["data_highest"]
    planner = load_planner(tmp_path / "model", queue_length=3)
    assert planner.parts.model.latent_dim == 16
    result = run_episode(ShortPlant(), planner, make_executor(planner, queue_length=3))
    assert len(result.decisions) == 7
    assert result.planning_inferences >= 3


def test_what_is_measured_is_what_is_exported(
    settings: TransformerTrainerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, drove = trainer(settings, tmp_path / "run"), []

    def returns(network: torch.nn.Module, asked: np.ndarray) -> np.ndarray:
        drove.append({name: weight.clone() for name, weight in network.state_dict().items()})
        return np.zeros(len(asked))

    monkeypatch.setattr(run, "_returns", returns)
    run.export(tmp_path / "model")
    exported = load_transformer(tmp_path / "model")[0].state_dict()
    assert all(torch.equal(exported[name].float(), weight) for name, weight in drove[0].items())


def test_gradients_that_are_not_finite_end_the_run_before_they_reach_the_weights(
    settings: TransformerTrainerSettings, tmp_path: Path
) -> None:
    run = trainer(settings, tmp_path / "run")
    parameter = next(run.network.parameters())
    parameter.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(SpecControlError, match="update 0: the grad_norm is not finite"):
        list(run.run())
    assert all(weight.isfinite().all() for weight in run.network.parameters())


def test_a_small_network_learns_to_draft_for_a_large_one(
    settings: TransformerTrainerSettings, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    trainer(settings, tmp_path / "large").export(model)
    network = replace(SMALL, width=8)
    small = replace(settings, network=network, draft_of=str(model), updates=60, learning_rate=1e-2)
    run, losses = trainer(replace(small, evaluate_every=1000), tmp_path / "small"), []
    list(run.run(lambda: losses.append(run._losses.get("loss", np.inf)) or False))
    assert np.mean(losses[-10:]) < losses[1] - 0.1
    before = (model / WEIGHTS).read_bytes()
    run.export(model)
    assert (model / WEIGHTS).read_bytes() == before
    drafting = TransformerFormat().load_planner(
        model, TransformerSettings(queue_length=3, draft=Draft.NETWORK, tolerance=5.0), PlannerResources()
    )
    result = run_episode(
        ShortPlant(), drafting, make_executor(load_planner(model, queue_length=3), queue_length=3)
    )
    assert len(result.decisions) == 7
    assert drafting.drafts.passes < drafting.drafts.rows
    with pytest.raises(
        CheckpointError, match=r"a context of \('.*', 3\) to draft for it, expected \('.*', 4\)"
    ):
        trainer(replace(small, network=replace(network, context=3)), tmp_path / "other")


def test_a_run_may_begin_with_the_network_of_a_folder(
    settings: TransformerTrainerSettings, tmp_path: Path
) -> None:
    first = trainer(settings, tmp_path / "first")
    list(first.run())
    first.export(tmp_path / "model")
    second = trainer(replace(settings, start=str(tmp_path / "model")), tmp_path / "second")
    for name, value in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    other = replace(settings, start=str(tmp_path / "model"), network=replace(SMALL, layers=2))
    with pytest.raises(CheckpointError, match=r"start: got a network of .*layers=1.*, expected .*layers=2"):
        trainer(other, tmp_path / "third")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dimensions": {"width": 15}}, "dimensions do not make a Transformer"),
        ({"dimensions": None}, "dimensions do not make a Transformer"),
        ({"world_model": 3}, "has world_model 3, expected a model's name"),
        ({"world_model": "gone"}, "gone"),
    ],
)
def test_a_damaged_card_is_refused_by_name(
    settings: TransformerTrainerSettings, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    trainer(settings, tmp_path / "run").export(tmp_path / "model")
    card = tmp_path / "model" / "planner.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(CheckpointError, match=said):
        load_planner(tmp_path / "model")
    (tmp_path / "model" / WEIGHTS).unlink()
    with pytest.raises(CheckpointError):
        load_transformer(tmp_path / "model")


@pytest.mark.parametrize("recipe", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_are_settings(recipe: Path) -> None:
    settings_from(TransformerTrainerSettings, read_yaml(recipe))


def test_command_trains_measures_and_continues(
    small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    plant = make_control_plant("cup-catch", 100)
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    save_world_model(tmp_path / "world" / WORLD_MODEL, model, {"task": "cup-catch", "action_repeat": 100})
    data, recipe = tmp_path / "data", tmp_path / "recipe.yaml"
    words = ["collect", "cup-catch", "--policy", "prior,random", "--episodes", "2", "--folder", str(data)]
    runner = CliRunner()
    assert runner.invoke(app, [*words, "--model", str(tmp_path / "world")]).exit_code == 0
    recipe.write_text(
        "{batch: 2, evaluation_episodes: 1, network: {width: 8, layers: 1, heads: 1, context: 4}}"
    )
    words = ["train-transformer", "cup-catch", "--dataset", str(data), "--recipe", str(recipe)]
    words += ["--world-model", str(tmp_path / "world"), "--folder", str(tmp_path / "run")]
    ended = runner.invoke(app, [*words, "--updates", "3"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    words += ["--updates", "5", "--export", str(tmp_path / "model")]
    ended = runner.invoke(app, words, catch_exceptions=False)
    assert "best tenth" in ended.output, ended.output
    card = json.loads((tmp_path / "model" / "planner.json").read_text())
    assert card["training"]["updates"] == 5
    words = ["collect", "cup-catch", "--policy", f"checkpoint:{tmp_path / 'model'}", "--episodes", "1"]
    words += ["--model", str(tmp_path / "world"), "--folder", str(tmp_path / "own")]
    assert runner.invoke(app, words, catch_exceptions=False).exit_code == 0
    words = ["bench-drafts", "cup-catch", "--model", str(tmp_path / "model"), "--draft", "network"]
    ended = runner.invoke(app, words)
    assert isinstance(ended.exception, CheckpointError)
    assert "draft.json" in str(ended.exception)
