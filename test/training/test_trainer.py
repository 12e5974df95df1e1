"""Runs of a few updates, and their continuation."""

import csv
import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from short_plant import FallingPlant, ShortPlant
from tensorboardX.proto.event_pb2 import Event

from spec_control_ros.core.errors import CheckpointError, SettingsError, SpecControlError
from spec_control_ros.core.output import UNFINISHED
from spec_control_ros.sim.plant import Plant
from spec_control_ros.training.episodes import Episodes
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.train_log import Progress
from spec_control_ros.training.trainer import Trainer
from spec_control_ros.training.trainer_settings import CollectionSettings, TrainerSettings, TrainingResources
from spec_control_ros.world_model.checkpoint import load_card, load_world_model
from spec_control_ros.world_model.dimensions import SIZES
from spec_control_ros.world_model.model_folder import WEIGHTS
from spec_control_ros.world_model.planner_settings import MPPISettings

SETTINGS = TrainerSettings(
    task="sliders",
    size="tiny",
    updates=60,
    updates_per_round=2,
    batch=8,
    evaluate_every=20,
    evaluation_episodes=2,
    collection=CollectionSettings(plants=4, planner_plants=1, first_episodes=4, buffer_episodes=16),
    planner=MPPISettings(iterations=1, samples=8, prior_samples=2, elites=2),
)
WITH_EXPERT = replace(
    SETTINGS, expert="the test's", expert_episodes=5, collection=replace(SETTINGS.collection, expert_plants=1)
)
CUT = replace(SETTINGS, collection=replace(SETTINGS.collection, episode_ticks=5))
LEARNT = ("reward_loss", "value_loss")


@pytest.fixture(autouse=True)
def _tiny_size(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {"encoder": 16, "hidden": 16, "latent": 16, "encoder_layers": 1, "q_members": 2}
    monkeypatch.setitem(SIZES, "tiny", widths)


@pytest.fixture
def expert(tmp_path: Path) -> str:
    path = tmp_path / "expert.npz"
    ExpertActor(ShortPlant.obs_dim, ShortPlant.action_dim).save(path)
    return str(path)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Trainer]:
    def make(
        settings: TrainerSettings = SETTINGS,
        folder: str = "run",
        plant: Callable[[str], Plant] = ShortPlant,
        **resources: Any,
    ) -> Trainer:
        return Trainer(
            settings,
            tmp_path / folder,
            TrainingResources(is_compiled=False, **resources),
            make_plant=plant,
            origin={"command": "spec-control train sliders"},
        )

    return make


def rounds(count: int) -> Callable[[], bool]:
    """Stops a run after so many rounds."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def everything(trainer: Trainer) -> Iterator[torch.Tensor]:
    """All numbers that the next update depends on, as the run saved them at its end."""
    state = torch.load(trainer._folder / "state.pt", weights_only=True)

    def tensors(value: Any) -> Iterator[torch.Tensor]:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict):
            for name in sorted(value, key=str):
                yield from tensors(value[name])
        elif isinstance(value, list):
            yield torch.tensor([v for v in value if not isinstance(v, (dict, list))])
            yield from tensors({i: v for i, v in enumerate(value) if isinstance(v, (dict, list))})
        elif value is not None and not isinstance(value, str):
            yield torch.tensor(value)

    yield from tensors({**state, "rng": list(state["numpy_rng"].encode())})


def assert_same(one: Trainer, other: Trainer) -> None:
    pairs = list(zip(everything(one), everything(other), strict=True))
    assert len(pairs) > 100
    assert all(torch.equal(a, b) for a, b in pairs)


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "wall_time_s"} for row in csv.DictReader(file)]


def test_run_collects_first_then_updates_and_evaluates(train: Callable[..., Trainer], tmp_path: Path) -> None:
    trainer = train()
    told = list(trainer.run())
    first, last = told[0], told[-1]
    assert (first.updates, first.ticks, set(first.returns)) == (2, 28, {"random"})
    assert {name for progress in told for name in progress.returns} == {"random", "planner", "prior"}
    evaluated = [progress for progress in told if progress.evaluation]
    assert [progress.updates for progress in evaluated] == [20, 40, 60]
    assert last.evaluation["prior"] <= trainer.best
    assert trainer.best == max(progress.evaluation["prior"] for progress in evaluated)
    assert [int(row["updates"]) for row in log(tmp_path / "run")] == [p.updates for p in told]


def test_episodes_that_are_cut_are_recorded_as_far_as_they_went(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    told = list(train(CUT).run())
    assert (told[0].updates, told[0].ticks) == (2, 20)  # four first episodes of five ticks
    recorded = Episodes.open(tmp_path / "run" / "buffer")
    assert recorded.arrays.length.max() == 5
    assert told[-1].evaluation.keys() == {"prior"}  # over whole episodes


def test_losses_fall(train: Callable[..., Trainer]) -> None:
    told = [p for p in train(replace(SETTINGS, updates=120, batch=32)).run() if p.losses]
    for name in LEARNT:
        early, late = (np.mean([p.losses[name] for p in part]) for part in (told[:3], told[-3:]))
        assert late < 0.9 * early, name


def test_episodes_that_the_task_ends_make_room_for_the_next_ones(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    told = list(train(plant=FallingPlant).run())
    recorded = Episodes.open(tmp_path / "run" / "buffer").arrays
    assert recorded.ended.any()
    assert (recorded.length[recorded.ended] <= 7).all()
    assert recorded.length[~recorded.ended].max() == 7
    assert all(
        p.ticks % 28 == 0 for p in told if p.returns
    )  # rounds of seven ticks of four plants, as before
    assert told[-1].evaluation.keys() == {"prior"}  # each to its own end


def test_state_is_saved_before_it_tells_of_what_is_overwritten(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    """However often a killed run began new episodes since: what the state tells of is still there."""
    trainer = train(plant=FallingPlant)
    buffer = trainer._source._buffer
    checked = 0
    while trainer.updates < 40:
        list(trainer.run(rounds(1)))
        for _ in range(2):  # a run that is killed after two more ticks of every plant
            trainer._source.gather(has_learnt=True)
            told = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["experience"]["buffer"]
            ahead = {i % buffer.capacity for i in range(told["begun"], buffer._begun)}
            assert not any(told["length"][i] for i in ahead)
            checked += len(ahead)
            if trainer._source.is_save_due:
                break
    assert checked


@pytest.mark.parametrize(
    ("settings", "plant", "broken_off"),
    [
        (SETTINGS, ShortPlant, 3),
        (SETTINGS, ShortPlant, 23),
        (CUT, ShortPlant, 23),
        (WITH_EXPERT, ShortPlant, 13),
        (SETTINGS, FallingPlant, 12),
        (SETTINGS, FallingPlant, 23),
    ],
)
def test_interrupted_and_continued_run_is_the_run_without_a_break(
    train: Callable[..., Trainer],
    expert: str,
    tmp_path: Path,
    settings: TrainerSettings,
    plant: Callable[[str], Plant],
    broken_off: int,
) -> None:
    if settings.expert:
        settings = replace(settings, expert=expert)
    whole = train(settings, "whole", plant)
    list(whole.run())
    begun = train(settings, "broken", plant)
    list(begun.run(rounds(broken_off)))
    assert begun.updates < settings.updates
    continued = train(settings, "broken", plant)
    list(continued.run())
    assert_same(whole, continued)
    assert log(tmp_path / "whole") == log(tmp_path / "broken")


def test_run_that_was_killed_goes_on_from_its_last_save_though_the_buffer_is_ahead(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    longer = replace(SETTINGS, updates=80)
    whole = train(longer)
    saved: Path | None = None
    for progress in whole.run():
        if saved is None and progress.updates > 30 and progress.returns:
            saved = tmp_path / "state.pt"
            shutil.copy(tmp_path / "run" / "state.pt", saved)
            break
    assert saved is not None
    left = whole.run(rounds(4))  # overwrites what the ring has let go of since
    list(left)
    shutil.copy(saved, tmp_path / "run" / "state.pt")
    continued = train(longer)
    list(continued.run())
    straight = train(longer, "straight")
    list(straight.run())
    assert_same(straight, continued)
    assert log(tmp_path / "straight") == log(tmp_path / "run")


@pytest.mark.parametrize("half", ["12.3,40", "12.3,40,80,,,,0.", "12.3"])
def test_log_goes_on_after_a_line_that_a_full_disk_has_cut_short(
    train: Callable[..., Trainer], tmp_path: Path, half: str
) -> None:
    list(train(folder="whole").run())
    list(train().run(rounds(23)))
    with (tmp_path / "run" / "log.csv").open("a") as file:
        file.write(half)
    list(train().run())
    assert log(tmp_path / "whole") == log(tmp_path / "run")


def test_more_updates_may_be_asked_for_later(train: Callable[..., Trainer]) -> None:
    whole = train(replace(SETTINGS, updates=80), "whole")
    list(whole.run())
    list(train().run())
    continued = train(replace(SETTINGS, updates=80))
    assert continued.updates == 60
    list(continued.run())
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, continued.model.state_dict()[name]), name


def test_finished_run_has_nothing_more_to_do(train: Callable[..., Trainer]) -> None:
    list(train().run())
    assert list(train().run()) == []


def test_processes_do_not_change_the_run(train: Callable[..., Trainer]) -> None:
    trainers = []
    for count in (0, 2):
        trainer = train(folder=str(count), processes=count)
        try:
            list(trainer.run())
        finally:
            trainer.close()
        trainers.append(trainer)
    assert_same(*trainers)


def test_best_weights_are_a_model_folder_and_leave_the_live_ones_alone(train: Callable[..., Trainer]) -> None:
    trainer = train()
    list(trainer.run())
    live = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    card = load_card(trainer.best_folder / WEIGHTS)
    assert card["training"]["settings"]["batch"] == 8
    assert card["training"]["command"] == "spec-control train sliders"
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.add_(1.0)
    best = load_world_model(trainer.best_folder / WEIGHTS)[0]
    assert best is not trainer.model
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, live[name] + 1.0), name


class TestDataSets:
    @pytest.fixture
    def recorded(self, train: Callable[..., Trainer], tmp_path: Path) -> Path:
        list(train(folder="recorder").run())
        return tmp_path / "recorder" / "buffer"

    def test_offline_run_learns_from_it_alone(self, train: Callable[..., Trainer], recorded: Path) -> None:
        settings = replace(SETTINGS, dataset=str(recorded), dataset_share=1.0, updates=120, batch=32)
        trainer = train(settings)
        told = list(trainer.run())
        assert all(progress.ticks == 0 and not progress.returns for progress in told)
        for name in LEARNT:
            assert told[-1].losses[name] < 0.9 * told[0].losses[name], name

    def test_offline_run_without_evaluations_needs_no_plants(
        self, recorded: Path, tmp_path: Path, train: Callable[..., Trainer]
    ) -> None:
        def no_plant(task: str) -> ShortPlant:
            raise AssertionError(task)

        settings = replace(SETTINGS, dataset=str(recorded), dataset_share=1.0, evaluation_episodes=0)
        trainer = Trainer(
            settings, tmp_path / "run", TrainingResources(is_compiled=False), make_plant=no_plant
        )
        list(trainer.run())
        assert trainer.best_folder.exists()  # the newest weights

    def test_half_of_a_batch_comes_from_it(self, train: Callable[..., Trainer], recorded: Path) -> None:
        rewards = np.lib.format.open_memmap(recorded / "reward.npy", mode="r+")
        rewards[:] = 7.0
        rewards.flush()
        trainer = train(replace(SETTINGS, dataset=str(recorded)))
        list(trainer.run(rounds(10)))
        assert (trainer._source.draw().reward == 7.0).sum() == 3 * 4

    def test_run_does_not_go_on_with_other_episodes_in_its_folder(
        self, train: Callable[..., Trainer], recorded: Path
    ) -> None:
        settings = replace(SETTINGS, dataset=str(recorded))
        list(train(settings).run(rounds(2)))
        train(settings).close()
        rewards = np.lib.format.open_memmap(recorded / "reward.npy", mode="r+")
        rewards[:] = 7.0
        rewards.flush()
        with pytest.raises(SettingsError, match=r"contents\.dataset: was"):
            train(settings)

    def test_one_of_another_task_is_refused(self, train: Callable[..., Trainer], recorded: Path) -> None:
        with pytest.raises(SpecControlError, match="got task 'sliders', expected 'cup-catch'"):
            train(replace(SETTINGS, task="cup-catch", dataset=str(recorded)))


class TestExpert:
    def test_its_episodes_become_a_data_set_once(
        self, train: Callable[..., Trainer], expert: str, tmp_path: Path
    ) -> None:
        settings = replace(WITH_EXPERT, expert=expert)
        told = list(train(settings).run())
        assert {name for p in told for name in p.returns} == {"random", "planner", "prior", "expert"}
        length = np.load(tmp_path / "run" / "demonstrations" / "length.npy")
        assert length.sum() == 5 * ShortPlant.episode_ticks
        before = (tmp_path / "run" / "demonstrations" / "obs.npy").stat().st_mtime_ns
        train(settings)
        assert (tmp_path / "run" / "demonstrations" / "obs.npy").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        ("change", "said"),
        [({}, "expert: was"), ({"seed": 1}, "seed: was 0, got 1"), ({"expert_episodes": 6}, "was 5, got 6")],
    )
    def test_demonstrations_of_another_run_are_refused_before_the_first_save(
        self, train: Callable[..., Trainer], expert: str, change: dict[str, Any], said: str
    ) -> None:
        settings = replace(WITH_EXPERT, expert=expert)
        train(settings).close()
        train(settings).close()
        if not change:
            ExpertActor(ShortPlant.obs_dim, ShortPlant.action_dim).save(Path(expert))
        with pytest.raises(SettingsError, match=f"{said}.*or use another folder"):
            train(replace(settings, **change))

    def test_run_does_not_go_on_with_another_one_of_the_same_name(
        self, train: Callable[..., Trainer], expert: str
    ) -> None:
        settings = replace(WITH_EXPERT, expert=expert, expert_episodes=0)
        list(train(settings).run(rounds(2)))
        train(settings).close()
        ExpertActor(ShortPlant.obs_dim, ShortPlant.action_dim).save(Path(expert))
        with pytest.raises(SettingsError, match=r"contents\.expert: was"):
            train(settings)

    def test_one_of_another_body_is_refused(self, train: Callable[..., Trainer], tmp_path: Path) -> None:
        ExpertActor(9, 9).save(tmp_path / "other.npz")
        with pytest.raises(CheckpointError, match="got one for 9 observations"):
            train(replace(WITH_EXPERT, expert=str(tmp_path / "other.npz")))

    def test_missing_one_is_told_with_what_there_is(self, train: Callable[..., Trainer]) -> None:
        with pytest.raises(CheckpointError, match="expert: got 'nobody', expected one of humanoid-walk"):
            train(replace(WITH_EXPERT, expert="nobody"))


class TestErrors:
    def test_other_settings_are_refused_by_name(self, train: Callable[..., Trainer]) -> None:
        list(train().run(rounds(3)))
        other = replace(SETTINGS, batch=16, learner=replace(SETTINGS.learner, rho=0.25))
        with pytest.raises(SettingsError, match=r"batch: was 8, got 16; learner\.rho: was 0\.5, got 0\.25"):
            train(other)

    @pytest.mark.parametrize("kept", [0, 1000])
    def test_truncated_state_is_told(self, train: Callable[..., Trainer], tmp_path: Path, kept: int) -> None:
        list(train().run(rounds(3)))
        path = tmp_path / "run" / "state.pt"
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(CheckpointError, match=r"state\.pt: damaged .*best so far"):
            train()

    def test_full_disk_leaves_a_state_to_go_on_from(
        self, train: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        trainer = train()
        list(trainer.run(rounds(9)))

        def full(_state: Any, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(torch, "save", full)
            with pytest.raises(CheckpointError, match="No space left on device"):
                list(trainer.run(rounds(6)))
        assert not list((tmp_path / "run").glob(f"{UNFINISHED}*"))
        continued = train()
        list(continued.run())
        whole = train(folder="whole")
        list(whole.run())
        assert_same(whole, continued)

    def test_buffer_that_is_gone_is_told(self, train: Callable[..., Trainer], tmp_path: Path) -> None:
        list(train().run(rounds(9)))
        shutil.rmtree(tmp_path / "run" / "buffer")
        with pytest.raises(SettingsError, match="ticks of this run are gone"):
            train()

    def test_losses_that_are_not_finite_end_the_run_before_they_are_saved(
        self, train: Callable[..., Trainer]
    ) -> None:
        trainer = train()
        list(trainer.run(rounds(9)))
        with torch.no_grad():
            next(trainer._learner.target_q.parameters()).fill_(float("nan"))
        with pytest.raises(SpecControlError, match="is nan"):
            list(trainer.run(rounds(9)))
        assert all(torch.isfinite(weight).all() for weight in train().model.parameters())

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"expert_episodes": 1}, "expert: got none"),
            ({"dataset_share": 1.0}, "neither a dataset nor"),
            ({"dataset_share": 0.0}, "dataset_share: got 0.0"),
            ({"updates": 0}, "updates: got 0"),
            ({"dataset": "x", "expert": "y", "expert_episodes": 1}, "expected one of them"),
        ],
    )
    def test_settings_that_do_not_fit_are_refused(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(SettingsError, match=said):
            replace(SETTINGS, **values)

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"planner_plants": 3, "expert_plants": 2}, "together at most plants = 4"),
            ({"plants": 7}, "buffer_episodes: got 16, expected at least .* = 18"),
        ],
    )
    def test_plants_that_do_not_fit_are_refused(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(SettingsError, match=said):
            replace(SETTINGS.collection, **values)


def test_buffer_in_memory_leaves_no_files_and_is_filled_again(
    train: Callable[..., Trainer], tmp_path: Path
) -> None:
    list(train(is_in_memory=True).run(rounds(12)))
    assert not (tmp_path / "run" / "buffer").exists()
    continued = train(is_in_memory=True)
    before = continued.updates
    told: list[Progress] = list(continued.run(rounds(7)))
    assert continued.updates == before + 2  # once there were 4 episodes again
    assert set(told[0].returns) == {"planner", "prior"}  # not at random any more


def test_tensorboard_shows_what_the_log_holds(train: Callable[..., Trainer], tmp_path: Path) -> None:
    trainer = train(has_tensorboard=True)
    told = list(trainer.run(rounds(14)))
    trainer.close()
    scalars = list(scalars_in(tmp_path / "run" / "tensorboard"))
    for progress in told:
        assert (progress.updates, "value_loss", pytest.approx(progress.losses["value_loss"])) in scalars
    assert {step for step, _, _ in scalars} == {progress.updates for progress in told}


def scalars_in(folder: Path) -> Iterator[tuple[int, str, float]]:
    """Step, name and value out of TensorBoard's records: length, its checksum, the event, its checksum."""
    for path in folder.iterdir():
        left = path.read_bytes()
        while left:
            end = 12 + int.from_bytes(left[:8], "little")
            event = Event.FromString(left[12:end])
            yield from ((event.step, value.tag, value.simple_value) for value in event.summary.value)
            left = left[end + 4 :]


def test_start_from_a_smaller_model_widens_it(train: Callable[..., Trainer]) -> None:
    first = train(replace(SETTINGS, evaluation_episodes=0))
    list(first.run())
    begun = train(replace(SETTINGS, size="1", start=str(first.best_folder)), "second")
    obs = torch.randn(8, ShortPlant.obs_dim)
    assert begun.model.dims.size == "1"
    assert torch.allclose(
        begun.model.prior(begun.model.encode(obs)).mean, first_actions(first, obs), atol=0.1
    )
    assert set(next(begun.run()).returns) == {"planner", "prior"}


def first_actions(trainer: Trainer, obs: torch.Tensor) -> torch.Tensor:
    """Actions of the prior that evaluated best."""
    model = load_world_model(trainer.best_folder / WEIGHTS)[0]
    return model.prior(model.encode(obs)).mean


def test_start_from_a_larger_model_is_refused(
    train: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(replace(SETTINGS, evaluation_episodes=0))
    list(first.run())
    monkeypatch.setitem(SIZES, "tiniest", {**SIZES["tiny"], "hidden": 8})
    with pytest.raises(SettingsError, match="start: got a model of"):
        train(replace(SETTINGS, size="tiniest", start=str(first.best_folder)), "second")


def test_start_from_a_model(train: Callable[..., Trainer]) -> None:
    first = train()
    list(first.run())
    begun = train(replace(SETTINGS, start=str(first.best_folder)), "second")
    for name, weight in load_world_model(first.best_folder / WEIGHTS)[0].state_dict().items():
        assert torch.equal(begun.model.state_dict()[name], weight), name
    assert set(next(begun.run()).returns) == {"planner", "prior"}
