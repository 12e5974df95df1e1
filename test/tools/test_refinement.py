"""A run that goes on from an expert, for a task that takes no simulator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from target_plant import TargetPlant

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.training.expert import ExpertActor
from tools.expert.refinement import RefinementSettings, Refiner, Round, _log_prob, _scaled
from tools.expert.trainer import ExpertProgress

SETTINGS = RefinementSettings(
    task="hit-the-target",
    ticks=16 * 20 * 60,
    plants=16,
    round_ticks=20,
    short_ticks=5,
    long_ticks=20,
    discount=0.5,
    first_rounds=5,
    batch=80,
    noise=0.3,
    step=0.02,
    learning_rate=1e-4,
    evaluate_every=16 * 20 * 30,
    evaluation_episodes=8,
)


def new_actor(seed: int = 0) -> ExpertActor:
    """It sees observations as they are."""
    torch.manual_seed(seed)
    actor = ExpertActor(2, 1)
    actor.obs_var.fill_(1.0 - 1e-5)
    return actor


def make(folder: Path, settings: RefinementSettings = SETTINGS, seed: int = 0) -> Refiner:
    return Refiner(settings, folder, new_actor(seed), make_plant=TargetPlant)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Refiner, list[ExpertProgress]]:
    folder = tmp_path_factory.mktemp("run")
    with torch.random.fork_rng(devices=[]):
        refiner = make(folder)
        return folder, refiner, list(refiner.run())


def same(one: Refiner, other: Refiner) -> bool:
    return all(
        torch.equal(a, b)
        for name in ("actor", "_value")
        for a, b in zip(
            getattr(one, name).state_dict().values(), getattr(other, name).state_dict().values(), strict=True
        )
    )


def test_actor_improves_and_the_best_is_kept(run: tuple[Path, Refiner, list[ExpertProgress]]) -> None:
    _, refiner, told = run
    evaluations = [p.evaluation for p in told if p.evaluation is not None]
    assert len(evaluations) == 2
    # 40 is the most; actions that ignore the observation earn 32.
    assert evaluations[-1] > 36
    assert refiner.best == max(evaluations)
    obs = torch.tensor([[0.5, 1.0], [-0.5, 1.0]])
    low, high = sorted(ExpertActor.load(refiner.best_path).act(obs)[:, 0].tolist())
    assert low < -0.2 < 0.2 < high


def test_actor_waits_for_the_value(tmp_path: Path) -> None:
    refiner = make(tmp_path)
    before = {name: value.clone() for name, value in refiner.actor.state_dict().items()}
    told = list(refiner.run(lambda: refiner.ticks >= 5 * 16 * 20))
    assert all(torch.equal(value, before[name]) for name, value in refiner.actor.state_dict().items())
    assert told[-1].losses["critic_loss"] < told[0].losses["critic_loss"]
    assert refiner.updates == 0


def test_steps_are_of_about_the_size_asked_for(run: tuple[Path, Refiner, list[ExpertProgress]]) -> None:
    sizes = [p.losses["divergence"] for p in run[2][5:]]
    assert 0.3 * SETTINGS.step < np.median(sizes) < 3.0 * SETTINGS.step


def test_what_is_not_the_mean_stays_as_it_was(run: tuple[Path, Refiner, list[ExpertProgress]]) -> None:
    first = new_actor().state_dict()
    now = run[1].actor.state_dict()
    kept = [name for name in now if name.startswith(("log_std", "obs_"))]
    assert len(kept) == 5
    assert all(torch.equal(now[name], first[name]) for name in kept)


def test_resumed_run_equals_one_without_a_break(
    run: tuple[Path, Refiner, list[ExpertProgress]], tmp_path: Path
) -> None:
    stopped = make(tmp_path)
    for told in stopped.run():
        if told.evaluation is not None:
            break  # as a process that was killed after it had saved
    resumed = make(tmp_path, seed=1)
    assert resumed.ticks == stopped.ticks == 16 * 20 * 30
    rest = list(resumed.run())
    assert same(resumed, run[1])
    assert rest[-1].evaluation == run[2][-1].evaluation


class FixedValue(torch.nn.Module):
    """Tells a number that observations have."""

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return obs[..., :1]


class CountingPlant(TargetPlant):
    """Observes its tick, and rewards it."""

    def _next(self) -> np.ndarray:
        self._target = 0.0
        return np.array([self.episode_ticks - self._left, 1.0], np.float32)

    def step(self, action: np.ndarray) -> object:
        told = super().step(action)
        return replace(told, reward=float(self.episode_ticks - self._left))


def test_advantages_are_sums_of_surprises_that_end_with_the_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, plants=1, round_ticks=4, short_ticks=20, evaluation_episodes=1)
    refiner = Refiner(settings, tmp_path, new_actor(), make_plant=CountingPlant)
    monkeypatch.setattr(refiner, "_value", FixedValue())
    refiner._rollout._staged[0]._left = 3  # of the first episode
    told: Round = refiner._collect()
    ticks = told.obs[:, 0].numpy()
    first = ticks[0]
    np.testing.assert_allclose(ticks, np.clip([first, first + 1, first + 2, 0], -5, 5), atol=1e-5)
    reward, after = (
        np.array([first + 1, first + 2, first + 3, 1.0]),
        np.array([first + 1, first + 2, first + 3, 1.0]),
    )
    surprise = 0.5 * reward + 0.5 * after - ticks
    expected = surprise.copy()
    for i in (1, 0):  # the third tick is the episode's last
        expected[i] += 0.5 * 0.95 * expected[i + 1]
    np.testing.assert_allclose(told.advantage, expected, atol=1e-4)
    np.testing.assert_allclose(told.target, expected + ticks, atol=1e-4)


def test_log_probabilities_are_those_of_what_was_done(tmp_path: Path) -> None:
    refiner = make(tmp_path)
    told = refiner._collect()
    with torch.no_grad():
        again = _log_prob(refiner.actor.distribution(told.obs)[0], told, slice(None))
    torch.testing.assert_close(again, told.log_prob, atol=1e-4, rtol=1e-4)


def test_settled_ticks_have_noise_and_a_scale_of_their_own(tmp_path: Path) -> None:
    settings = replace(SETTINGS, settle_ticks=3, settled_noise=0.05, short_ticks=20, round_ticks=12)
    told = make(tmp_path, settings)._collect()
    first, settled = told.noise[~told.is_settled], told.noise[told.is_settled]
    assert first.unique().tolist() == pytest.approx([0.3])
    assert settled.unique().tolist() == pytest.approx([0.05])
    assert len(first) > 16 * 3 - 1  # of every plant's first ticks
    told.advantage[told.is_settled] *= 0.01
    advantage, scale = _scaled(told)
    for kind in (told.is_settled, ~told.is_settled):
        assert float(advantage[kind].std()) == pytest.approx(1.0, abs=1e-3)
        assert float(advantage[kind].mean()) == pytest.approx(0.0, abs=1e-5)
        assert float(scale[kind].max()) == float(scale[kind].min())
    assert float(scale[told.is_settled][0]) < 0.1 * float(scale[~told.is_settled][0])


def test_settled_ticks_that_are_anchored_stay_as_they_were(tmp_path: Path) -> None:
    settings = replace(
        SETTINGS, ticks=16 * 20 * 30, settle_ticks=5, settled_noise=0.3, anchor=100.0, short_ticks=20
    )
    refiner = make(tmp_path, settings)
    for _ in refiner.run():
        pass
    assert refiner.updates > 0
    obs = torch.tensor([[t, 1.0] for t in np.linspace(-1.0, 1.0, 21)], dtype=torch.float32)
    moved = float((refiner.actor.act(obs) - new_actor().act(obs)).abs().max())
    assert 0.0 < moved < 0.1


def test_price_on_effort_makes_actions_smaller(tmp_path: Path) -> None:
    def effort(price: float) -> float:
        (folder := tmp_path / str(price)).mkdir()
        refiner = make(folder, replace(SETTINGS, ticks=16 * 20 * 30, effort_price=price))
        for _ in refiner.run():
            pass
        obs = torch.tensor([[t, 1.0] for t in np.linspace(-1.0, 1.0, 21)], dtype=torch.float32)
        return float(refiner.actor.act(obs).square().mean())

    assert effort(3.0) < 0.5 * effort(0.0)


def test_actor_of_another_body_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="was it made for another task"):
        Refiner(SETTINGS, tmp_path, ExpertActor(3, 1), make_plant=TargetPlant)


def test_folder_of_another_run_is_refused(run: tuple[Path, Refiner, list[ExpertProgress]]) -> None:
    with pytest.raises(SettingsError, match=r"noise: was 0\.3, got 0\.2"):
        make(run[0], replace(SETTINGS, noise=0.2))
