"""A run that makes an expert for a task that takes no simulator."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import mujoco
import pytest
import torch
from target_plant import TargetPlant

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.training.expert import ExpertActor
from tools.expert.curriculum import EpisodeStart, Stage
from tools.expert.settings import ExpertSettings
from tools.expert.soft_actor_critic import ActorCriticSettings
from tools.expert.support_force import SupportForce
from tools.expert.trainer import ExpertProgress, ExpertTrainer

SETTINGS = ExpertSettings(
    task="hit-the-target",
    ticks=800,
    plants=8,
    batch=32,
    first_ticks=160,
    buffer_ticks=2000,
    evaluate_every=400,
    report_every=100,
    evaluation_episodes=4,
    actor_critic=ActorCriticSettings(learning_rate=3e-3, discount=0.5, reward_scale=1.0),
)


def make(folder: Path, settings: ExpertSettings = SETTINGS) -> ExpertTrainer:
    return ExpertTrainer(settings, folder, make_plant=TargetPlant)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExpertTrainer, list[ExpertProgress]]:
    folder = tmp_path_factory.mktemp("run")
    with torch.random.fork_rng(devices=[]):
        trainer = make(folder)
        return folder, trainer, list(trainer.run())


def same(one: ExpertTrainer, other: ExpertTrainer) -> bool:
    a, b = one.learner.state_dict(), other.learner.state_dict()
    parts = ("actor", "critic", "target")
    return a["updates"] == b["updates"] and all(
        torch.equal(value, b[part][name]) for part in parts for name, value in a[part].items()
    )


def test_actor_improves_within_some_dozen_updates(
    run: tuple[Path, ExpertTrainer, list[ExpertProgress]],
) -> None:
    _, trainer, told = run
    evaluations = [p.evaluation for p in told if p.evaluation is not None]
    assert len(evaluations) == 2
    assert trainer.learner.updates == 2 * (800 - 160) // 8
    # 40 is the most; actions that ignore the observation earn 32.
    assert told[0].returns["own"] < 31
    assert evaluations[-1] > 35


def test_best_actor_is_kept(run: tuple[Path, ExpertTrainer, list[ExpertProgress]]) -> None:
    _, trainer, told = run
    assert trainer.best == max(p.evaluation for p in told if p.evaluation is not None)
    obs = torch.tensor([[0.5, 1.0], [-0.5, 1.0]])
    low, high = sorted(ExpertActor.load(trainer.best_path).act(obs)[:, 0].tolist())
    assert low < -0.2 < 0.2 < high


def test_reports_come_as_often_as_asked(run: tuple[Path, ExpertTrainer, list[ExpertProgress]]) -> None:
    ticks = [p.ticks for p in run[2]]
    assert len(ticks) == 8
    assert all(tick // 100 == i for i, tick in enumerate(ticks, start=1))


def test_resumed_run_equals_one_without_a_break(
    run: tuple[Path, ExpertTrainer, list[ExpertProgress]], tmp_path: Path
) -> None:
    stopped = make(tmp_path)
    for told in stopped.run():
        if told.evaluation is not None:
            break  # as a process that was killed after it had saved
    resumed = make(tmp_path)
    assert resumed.ticks == stopped.ticks == 400
    rest = list(resumed.run())
    assert same(resumed, run[1])
    assert rest[-1].evaluation == run[2][-1].evaluation


def test_stopped_run_saves_and_goes_on(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    list(trainer.run(lambda: trainer.ticks >= 240))
    again = make(tmp_path)
    assert again.ticks == trainer.ticks == 240
    assert same(again, trainer)
    list(again.run())
    assert again.ticks == 800


def test_next_stage_forgets_transitions(tmp_path: Path) -> None:
    stages = (Stage(name="one", share=1.0), Stage(name="two", share=1.0))
    trainer = make(tmp_path, replace(SETTINGS, stages=stages))
    told = list(trainer.run(lambda: trainer.ticks >= 520))
    assert [p.stage for p in told] == ["one"] * 4 + ["two"]
    assert len(trainer._transitions) <= 520 - 400


class StandingPlant(TargetPlant):
    """Its body always stands."""

    def __init__(self, task: str) -> None:
        super().__init__(task)
        model = SimpleNamespace(njnt=1, jnt_type=[mujoco.mjtJoint.mjJNT_FREE])
        self.physics = SimpleNamespace(
            model=model, head_height=lambda: 1.4, torso_upright=lambda: 1.0, data=SimpleNamespace()
        )


def test_assist_is_taken_away_and_a_continued_run_knows_how_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SupportForce, "lift", lambda *_: None)
    settings = replace(SETTINGS, ticks=4000, stages=(Stage(assist=0.85),), evaluate_every=1000)
    run = ExpertTrainer(settings, tmp_path, make_plant=StandingPlant)
    list(run.run(lambda: run.ticks >= 3000))
    assert 0.0 < run.assist.share < 0.85
    again = ExpertTrainer(settings, tmp_path, make_plant=StandingPlant)
    assert again.assist.state_dict() == run.assist.state_dict()


def test_folder_of_another_task_is_refused(run: tuple[Path, ExpertTrainer, list[ExpertProgress]]) -> None:
    with pytest.raises(SettingsError, match="task: was 'hit-the-target', got 'miss-the-target'"):
        make(run[0], replace(SETTINGS, task="miss-the-target"))


def test_full_disk_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(tmp_path)
    trainer.save()
    before = (tmp_path / "state.pt").read_bytes()

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.save", no_room)
    with pytest.raises(CheckpointError, match=r"could not be written .*No space left"):
        trainer.save()
    assert (tmp_path / "state.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"plants": 2}, "evaluation_episodes: got 4, expected at most plants = 2"),
        ({"first_ticks": 20}, r"first_ticks: got 20, expected at least plants \* return_ticks = 24"),
        ({"stages": ()}, "stages: got none"),
        ({"ticks": 0}, "ticks: got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        replace(SETTINGS, **values)


def test_stage_without_starts_is_refused() -> None:
    with pytest.raises(SettingsError, match="stage x: got no starts"):
        Stage(name="x", starts=())
    with pytest.raises(SettingsError, match="share: got 0"):
        EpisodeStart(share=0.0)


def test_stages_share_the_ticks() -> None:
    stages = tuple(Stage(share=share) for share in (2.0, 1.0, 1.0))
    settings = replace(SETTINGS, ticks=400, stages=stages)
    assert [settings.stage_at(t) for t in (0, 199, 200, 299, 300, 399, 400, 900)] == [0, 0, 1, 1, 2, 2, 2, 2]
