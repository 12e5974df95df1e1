"""The commands that train a world model, and measure its update."""

import csv
import errno
import os
import re
import signal
from functools import partial
from pathlib import Path

import pytest
import yaml
from ament_index_python.packages import get_package_share_directory
from click.testing import Result
from short_plant import ShortPlant
from typer.testing import CliRunner

from spec_control_ros.cli.main import app
from spec_control_ros.cli.train import read_recipe
from spec_control_ros.core.errors import CheckpointError, SettingsError, SpecControlError, TaskError
from spec_control_ros.sim.environment import make_env
from spec_control_ros.training.expert import ExpertActor, find_expert
from spec_control_ros.training.trainer import Trainer
from spec_control_ros.training.trainer_settings import TrainerSettings
from spec_control_ros.world_model.checkpoint import load_card
from spec_control_ros.world_model.dimensions import SIZES
from spec_control_ros.world_model.model_folder import WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
BODY = ROOT / "test/data/bodies/two_link.xml"
SHIPPED = sorted((ROOT / "config" / "training").glob("*.yaml"))
FURTHER = re.compile("-(second|wide|5m|5m-second)$")  # runs that continue from the model of another recipe
RECIPE = {
    "size": "tiny",
    "updates": 8,
    "updates_per_round": 2,
    "batch": 4,
    "evaluate_every": 4,
    "evaluation_episodes": 1,
    "collection": {"plants": 2, "planner_plants": 1, "first_episodes": 1, "buffer_episodes": 8},
    "planner": {"iterations": 1, "samples": 4, "prior_samples": 2, "elites": 2},
}


def invoke(*words: object) -> Result:
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


@pytest.fixture(autouse=True)
def _small_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {"encoder": 16, "hidden": 16, "latent": 16, "encoder_layers": 1, "q_members": 2}
    monkeypatch.setitem(SIZES, "tiny", widths)
    monkeypatch.setattr("torch.compile", lambda function, **_: function)


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setattr("spec_control_ros.cli.train.Trainer", partial(Trainer, make_plant=ShortPlant))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return [*("train", "sliders", "--folder", tmp_path / "run", "--recipe", tmp_path / "recipe.yaml")]


def test_model_that_is_exported_tells_how_it_was_made(words: list[object], tmp_path: Path) -> None:
    outcome = invoke(*words, "--seed", 3, "--export", tmp_path / "model")
    assert outcome.exit_code == 0
    card = load_card(tmp_path / "model" / WEIGHTS)
    assert (card["task"], card["training"]["seed"], card["training"]["settings"]["batch"]) == (
        "sliders",
        3,
        4,
    )
    assert card["training"]["command"].startswith("spec-control")
    assert "evaluation of the prior" in outcome.output
    with (tmp_path / "run" / "log.csv").open() as file:
        assert [row["updates"] for row in csv.DictReader(file)][-1] == "8"


@pytest.mark.parametrize(
    "name",
    ["gymnasium:InvertedPendulum-v5", f"mjcf:{BODY}@own_body:impatient", "python:short_plant:FallingPlant"],
)
def test_any_environment_is_trained_for(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of these end episodes early."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    outcome = invoke("train", name, "--recipe", "recipe.yaml", "--export", "model")
    assert outcome.exit_code == 0
    assert re.search(r"update 8 of 8, tick \d+: .*evaluation of the prior", outcome.output.replace("\n", " "))
    (folder,) = (tmp_path / "results/train").iterdir()
    assert re.fullmatch(r"[\w.-]+", folder.name)
    card, plant = load_card(tmp_path / "model" / WEIGHTS), make_env(name)
    assert (card["task"], card["action_repeat"]) == (name, 0)
    assert card["control_period_s"] == plant.control_period_s


def test_run_tells_how_long_it_will_take(words: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spec_control_ros.cli.train.TELL_TIME_S", -1.0)
    output = invoke(*words).output
    assert re.search(r"8 updates in all: \d+ s left", output)
    assert re.search(r"update 4 of 8, tick \d+: .*, \d+ s left", output)


def test_interrupted_run_is_saved_and_the_same_command_goes_on(
    words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Trainer._update

    def interrupting(trainer: Trainer) -> None:
        update(trainer)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", interrupting)
        outcome = invoke(*words, "--export", tmp_path / "model")
    assert outcome.exit_code == 130
    assert "continues from update 2" in outcome.output
    assert not (tmp_path / "model").exists()
    outcome = invoke(*words, "--export", tmp_path / "model")
    assert outcome.exit_code == 0
    assert load_card(tmp_path / "model" / WEIGHTS)["training"]["updates"] in (4, 8)


@pytest.mark.parametrize("other", ["two_tower.safetensors", "planner.safetensors", "policy_student.npz"])
def test_folder_with_networks_of_other_weights_is_refused_before_the_run(
    words: list[object], tmp_path: Path, other: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / other).touch()
    with pytest.raises(CheckpointError, match=f"model: holds {other}, which belong to other weights"):
        invoke(*words, "--export", tmp_path / "model")
    assert not (tmp_path / "run").exists()


def test_model_that_is_exported_again_is_the_best_one_to_the_last_bit(
    words: list[object], tmp_path: Path
) -> None:
    for _ in range(2):
        assert invoke(*words, "--export", tmp_path / "model").exit_code == 0
    for name in (WEIGHTS, "world_model.json"):
        best, exported = (tmp_path / folder / name for folder in ("run/best", "model"))
        assert exported.read_bytes() == best.read_bytes()


def test_data_set_takes_the_place_of_a_recipe_s_demonstrations(words: list[object], tmp_path: Path) -> None:
    expert = tmp_path / "expert.npz"
    ExpertActor(ShortPlant.obs_dim, ShortPlant.action_dim).save(expert)
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({**RECIPE, "expert": str(expert), "expert_episodes": 2})
    )
    assert invoke(*words).exit_code == 0
    demonstrated = tmp_path / "run" / "demonstrations"
    another = [tmp_path / "another" if word == tmp_path / "run" else word for word in words]
    assert invoke(*another, "--dataset", demonstrated).exit_code == 0
    assert not (tmp_path / "another" / "demonstrations").exists()


def test_run_ends_with_its_minutes_and_says_how_to_go_on(words: list[object], tmp_path: Path) -> None:
    outcome = invoke(*words, "--minutes", 0)
    assert outcome.exit_code == 0
    assert "continues from update 0" in outcome.output
    with pytest.raises(SettingsError, match="nothing was evaluated yet"):
        invoke(*words, "--minutes", 0, "--export", tmp_path / "model")


def test_run_that_was_too_short_for_an_evaluation_has_one_at_its_end(
    words: list[object], tmp_path: Path
) -> None:
    assert invoke(*words, "--updates", 1, "--no-compile", "--export", tmp_path / "model").exit_code == 0
    assert (tmp_path / "model" / WEIGHTS).exists()


def test_changed_setting_is_named(words: list[object]) -> None:
    invoke(*words, "--minutes", 0)
    with pytest.raises(SettingsError, match=r"\(size: was 'tiny', got '1'\); give those, or use another"):
        invoke(*words, "--size", 1)


def test_recorded_episodes_of_one_run_are_another_ones_data_set(words: list[object], tmp_path: Path) -> None:
    invoke(*words)
    offline = ["--folder", tmp_path / "offline", "--dataset", tmp_path / "run" / "buffer", "--offline"]
    assert invoke(*words, *offline).exit_code == 0
    assert not (tmp_path / "offline" / "buffer").exists()
    with (tmp_path / "offline" / "log.csv").open() as file:
        assert {row["ticks"] for row in csv.DictReader(file)} == {"0"}


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (["--size", 2], SettingsError, "model size: got '2', expected one of 1, 5, 19, 48, 317"),
        (["--dataset", "nowhere"], SpecControlError, "expected a data set"),
        (["--offline"], SettingsError, "neither a dataset"),
        (["--from", "nobody"], CheckpointError, "got 'nobody', expected one of"),
        (["--expert", "nobody"], CheckpointError, "got 'nobody', expected one of humanoid-walk"),
        (["--expert", "humanoid-walk"], CheckpointError, "got one for 67 observations"),
        (["--device", "gpu"], SettingsError, "device: got 'gpu'"),
        (["--precision", "half"], SettingsError, "precision: got 'half'"),
        (["--recipe", "nowhere.yaml"], SettingsError, r"nowhere\.yaml: cannot be read"),
    ],
)
def test_what_does_not_go_together_is_told(
    words: list[object], given: list[object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        invoke(*words, *given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("updates: many", "updates"),
        ("plants: 3", "plants: unknown, expected one of task, action_repeat, size"),
        ("collection: {plants: 0}", r"collection\.plants: got 0"),
        ("- 1", "got list, expected settings by name"),
        ("a: [", "recipe"),
    ],
)
def test_recipe_that_is_none_is_refused(words: list[object], tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        invoke(*words)


def test_unknown_task_is_told(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="got 'cup-fly', expected one of"):
        invoke("train", "cup-fly", "--folder", tmp_path / "run")


def test_full_disk_is_told_with_what_to_do(words: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_trainer: Trainer) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "buffer/length.npy")

    monkeypatch.setattr(Trainer, "save", full)
    with pytest.raises(
        SpecControlError, match=r"buffer/length\.npy: No space left on device; the same command"
    ):
        invoke(*words)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_is_of_a_task_and_asks_for_nothing_that_is_not_there(path: Path) -> None:
    task = FURTHER.sub("", path.stem)
    make_env(task)
    settings = read_recipe(task, path, ROOT)
    assert settings != TrainerSettings(task=task)
    assert path.stem != task or settings == read_recipe(task, None, ROOT)
    if settings.expert:
        find_expert(settings.expert)


def test_every_shipped_model_has_a_recipe_that_is_installed() -> None:
    models = {path.parent.name for path in (ROOT / "models").glob(f"*/{WEIGHTS}")}
    assert models <= {path.stem for path in SHIPPED}
    assert models >= {path.stem for path in SHIPPED if not FURTHER.search(path.stem)}
    installed = Path(get_package_share_directory("spec_control_ros")) / "config" / "training"
    assert {path.name for path in installed.glob("*.yaml")} == {path.name for path in SHIPPED}


def test_size_may_be_written_as_a_number(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("size: 5")
    assert read_recipe("cup-catch", tmp_path / "recipe.yaml", ROOT).size == "5"


def test_task_without_a_recipe_has_the_defaults() -> None:
    assert read_recipe("cup-catch", None, ROOT) == TrainerSettings(task="cup-catch")
