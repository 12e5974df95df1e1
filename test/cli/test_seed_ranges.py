"""Which episodes commands run, unless told otherwise: nobody learns from what somebody else measures with."""

from spec_control_ros.cli import calibrate, collect, distill
from spec_control_ros.cli.model_options import DistillOptions
from spec_control_ros.sim.plant import MAX_SEED
from spec_control_ros.training import data_sources, expert
from spec_control_ros.training.collector import EVALUATION_SEED

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
