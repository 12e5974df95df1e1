"""Which episodes commands run, unless told otherwise: nobody learns from what somebody else measures with."""

from spec_control_ros.cli import calibrate, collect, distill
from spec_control_ros.cli.model_options import DistillOptions
from spec_control_ros.training import data_sources, expert
from spec_control_ros.training.collector import EVALUATION_SEED

BENCHMARK_SEED = 0
MOST = 10_000  # episodes of a command


def test_ranges_of_seeds_lie_apart() -> None:
    learnt = {
        "train": data_sources.FIRST_SEED,
        "calibrate": calibrate.FIRST_SEED,
        "collect": collect.FIRST_SEED,
        "distill": DistillOptions("any").seed,
        "demonstrations": expert.FIRST_SEED,
    }
    measured = {
        "bench": BENCHMARK_SEED,
        "train": EVALUATION_SEED,
        "calibrate": calibrate.FIRST_HELD_OUT_SEED,
        "distill": distill.FIRST_HELD_OUT_SEED,
    }
    for learner, first in learnt.items():
        for measurer, other in measured.items():
            assert abs(first - other) >= MOST, (learner, measurer)
