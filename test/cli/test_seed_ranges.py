"""Which episodes commands run, unless told otherwise: nobody learns from what somebody else measures with."""

from pathlib import Path

import pytest
from short_plant import ShortPlant

from spec_control_ros.cli import calibrate, collect, distill
from spec_control_ros.cli.model_options import CollectOptions, DistillOptions
from spec_control_ros.sim.plant import MAX_SEED
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training import data_sources, expert
from spec_control_ros.training.collector import EVALUATION_SEED, RANGE, first_of_run
from spec_control_ros.training.episodes import TaskSpec
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.trainer_settings import TrainerSettings

BENCHMARK_SEED = 0
MOST = 10_000  # episodes of a command


def test_ranges_of_seeds_lie_apart() -> None:
    learnt = {
        **{f"train --seed {run}": data_sources.first_seed(run) for run in (0, 1, 98, 99, 100, 699, 400_000)},
        "calibrate": calibrate.FIRST_SEED,
        "collect": collect.FIRST_SEED,
        "distill": DistillOptions("any").seed,
        "demonstrations": expert.FIRST_SEED,
        "the choice of the best weights": EVALUATION_SEED,
    }
    measured = {
        "bench": BENCHMARK_SEED,
        "calibrate": calibrate.FIRST_HELD_OUT_SEED,
        "distill": distill.FIRST_HELD_OUT_SEED,
    }
    for learner, first in learnt.items():
        for measurer, other in measured.items():
            assert abs(first - other) >= MOST, (learner, measurer)


def test_seeds_of_every_run_are_seeds_and_no_other_run_s() -> None:
    firsts = [data_sources.first_seed(run) for run in range(400_001)]
    assert firsts == sorted(set(firsts))
    assert firsts[-1] + MOST < MAX_SEED
    assert firsts[:3] == [10_000, 20_000, 30_000]


@pytest.mark.parametrize("first", [collect.FIRST_SEED, expert.FIRST_SEED])
@pytest.mark.parametrize("episodes", [20, 200, 3_000, 300_000])
def test_runs_of_any_number_and_length_stay_out_of_the_ranges_of_others(first: int, episodes: int) -> None:
    for run in (0, 1, 333, 334, 1_000, 5_000):
        seed = first_of_run(first, run, episodes)
        assert seed >= first
        assert seed + episodes <= first + RANGE or seed >= data_sources.BEYOND
    assert first_of_run(first, 3, 60) == first + 180


def test_seeds_of_a_command_that_leave_its_range_lie_beyond_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[int] = []

    def begin(names: object, episodes: int, plants: int, first_seed: int, seed: int) -> list[object]:
        begun.append(first_seed)
        raise KeyboardInterrupt

    for module in (collect, expert):
        monkeypatch.setattr(module, "groups_of", begin)
    with pytest.raises(KeyboardInterrupt):
        collect.collect(
            CollectOptions("walker", folder=tmp_path / "data", seed=1000, episodes=1000, plants=1, workers=1)
        )
    settings = TrainerSettings(expert="any", expert_episodes=200, seed=5000)
    pool, actor = PlantPool(ShortPlant, 1), ExpertActor(ShortPlant.obs_dim, ShortPlant.action_dim)
    with pytest.raises(KeyboardInterrupt):
        expert.demonstrations(tmp_path / "shown", actor, TaskSpec.of("sliders", pool.plant), pool, settings)
    assert all(first >= data_sources.BEYOND for first in begun)
