"""`spec-control publish` in the place of the robot, with a real planner and a real executor."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ros_support import SMALL_SEARCH, Background, Probe, write_parameters

from spec_control_ros.core.decision import DecisionKind

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

from made_bag import make_bag

TICKS = 8


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return make_bag(tmp_path / "bag", epochs=(1, 2), ticks=TICKS)


def play(folder: Path, *words: str) -> Background:
    command = [sys.executable, "-m", "spec_control_ros.cli.main", "publish", *words]
    return Background(command, folder / f"publish_{len(words)}.log", {"HOME": str(folder)})


def test_executor_answers_a_recorded_robot_epoch_after_epoch(
    bag: Path, tmp_path: Path, start: Callable[..., Background], probe: Probe, model: Path
) -> None:
    status, clock = probe.hear_status(), probe.hear_clock()
    search = {"queue_length": 4, "mppi": SMALL_SEARCH}
    params = write_parameters(tmp_path / "params.yaml", planner={"planner": search})
    start("planner", {"model": str(model)}, params)
    start("executor", {"model": str(model), "executor.sensor_timeout_s": 60.0})

    one_by_one = play(tmp_path, str(bag), "--rate", "answered")
    probe.until(lambda: one_by_one.popen.poll() is not None, lambda: one_by_one.text)
    assert one_by_one.popen.returncode == 0, one_by_one.text
    assert f"{2 * TICKS} observations, {2 * TICKS} answered" in one_by_one.text
    told = [(s.epoch, s.tick) for s in status]
    assert told == [(epoch, tick) for epoch in (1, 2) for tick in range(TICKS)]
    assert {s.decision for s in status} >= {DecisionKind.REPLAN}
    assert (status[-1].dropped, status[-1].missed_ticks) == (0, 0)

    at_its_times = play(tmp_path, str(bag), "--first-epoch", "5", "--speed", "0.5")
    probe.until(lambda: at_its_times.popen.poll() is not None, lambda: at_its_times.text)
    assert at_its_times.popen.returncode == 0, at_its_times.text
    probe.until(lambda: (status[-1].epoch, status[-1].tick) == (6, TICKS - 1))
    assert {s.epoch for s in status} == {1, 2, 5, 6}
    times = [(c.clock.sec, c.clock.nanosec) for c in clock][: 2 * TICKS]  # of the first one
    assert len(times) == 2 * TICKS
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start-timeout", "0.1"], "got no executor within 0 s"),
        (["--rate", "slow"], "rate: got 'slow', expected one of recorded, answered"),
        (["--namespace", "/left"], "got no observations in the namespace /left"),
    ],
    ids=["nobody", "rate", "namespace"],
)
def test_wrong_start_ends_with_a_clear_message(
    bag: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    process = play(tmp_path, str(bag), *words)
    assert process.wait() == 1
    assert said in process.text.replace("\n", " ")
    assert "Traceback" not in process.text
