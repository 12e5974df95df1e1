"""Two systems: in one place the second is refused, in namespaces of their own they do not notice each other."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ros_support import ACTION, OBS, SMALL_SEARCH, TASK, Background, Probe, until
from rosbags.highlevel import AnyReader
from test_run import is_under_way

from spec_control_ros.analysis.bag.observations import read_observations
from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag_log import BagLog
from spec_control_ros.evaluation.replay.recording import read_recording
from spec_control_ros.training.bag_episodes import read_episodes
from spec_control_ros.training.episodes import TaskSpec

Run = Callable[..., Any]


@pytest.mark.slow
def test_second_run_is_refused_before_it_starts_anything_and_the_first_goes_on(run: Run) -> None:
    first = run("--episodes", "0")
    until(lambda: is_under_way(first), lambda: first.text)
    second = run()
    assert second.wait() == 1
    said = " ".join(second.text.split())
    assert "is taken in ROS domain" in said
    assert f"process {first.popen.pid}: " in said
    assert "another ROS_DOMAIN_ID or namespace" in said
    assert not second.logs()
    assert not second.json.exists()
    first.send(signal.SIGINT)
    assert first.wait() == 130
    assert {e["epoch"] for e in first.report()["episodes"]} == set(
        range(1, len(first.report()["episodes"]) + 1)
    )


@pytest.mark.slow
def test_run_beside_a_node_that_was_started_by_hand_fails_and_leaves_it_alone(
    run: Run, start: Callable[..., Background], probe: Probe
) -> None:
    bridge = start("sim_bridge", {"task": TASK, "episodes": 0, "action_repeat": 20})
    probe.until(lambda: probe.node.count_services("reset"), lambda: bridge.text)
    process = run()
    assert process.wait() == 1
    process.wait_for_no_descendants()
    assert f"by process {bridge.popen.pid}: " in " ".join(process.text.split())
    assert bridge.popen.poll() is None
    assert "episode of seed" not in bridge.text


@pytest.mark.slow
def test_two_robots_run_in_one_domain_each_with_its_own_report_and_bag(
    run: Run, probe: Probe, tmp_path: Path
) -> None:
    names = ("left", "right")
    clocks = {name: probe.hear_clock(f"/{name}/clock") for name in names}
    runs = {
        name: run(
            *("--namespace", name, "--seed", str(seed), "--record", str(tmp_path / name)),
            *("--use-sim-time", "--log-level", "warn"),
        )
        for seed, name in enumerate(names, 3)
    }
    probe.until(lambda: all(r.popen.poll() is not None for r in runs.values()))
    for seed, (name, process) in enumerate(runs.items(), 3):
        assert process.wait() == 0, process.text
        (episode,) = process.report()["episodes"]
        assert (episode["seed"], episode["ticks"], episode["complete"]) == (seed, 50, True)
        assert not episode["dropped"]
        times = [c.clock.sec + 1e-9 * c.clock.nanosec for c in clocks[name]]
        assert times == sorted(set(times))
        assert "[INFO]" not in "".join(process.logs().values())
        with AnyReader([tmp_path / name]) as reader:
            counts = {c.topic: c.msgcount for c in reader.connections}
        others = {topic for topic in counts if not topic.startswith(f"/{name}/")}
        assert others == {"/diagnostics"}, "which ROS has one of for all robots"
        assert counts[f"/{name}/status"] == counts[f"/{name}/clock"] - 1 == 50
        # What a bag is for finds its topics without being told the namespace.
        assert len(read_observations(tmp_path / name)) == 50
        assert len(read_recording(tmp_path / name).plans)
        made, left_out = read_episodes(tmp_path / name, TaskSpec(TASK, 0.2, OBS, ACTION, 50))
        assert (made.length.tolist(), left_out) == ([49], [])
        assert made.reward.sum() == pytest.approx(episode["return"], abs=1.1)  # less the last tick's
        assert BagLog(Bag(tmp_path / name)).robot().run.episodes[0].seed == seed


@pytest.mark.slow
def test_two_robots_on_one_planner_act_as_each_does_on_its_own(
    run: Run, start: Callable[..., Background], probe: Probe, model: Path
) -> None:
    search = {
        "planner.queue_length": 4,
        **{f"planner.mppi.{name}": value for name, value in SMALL_SEARCH.items()},
    }
    planner = start("planner", {"model": str(model), "robots": "left:3 r*:4", **search})
    seeds = {"left": 3, "right": 4}

    def begin(name: str, *words: str) -> Any:
        return run("--namespace", name, "--seed", str(seeds[name]), "--log-level", "warn", *words)

    def returns(runs: list[Any]) -> list[float]:
        for process in runs:
            assert process.wait() == 0, process.text + planner.text
        return [process.report()["episodes"][0]["return"] for process in runs]

    served = returns([begin(name, "--planner", "elsewhere") for name in seeds])
    planner.send(signal.SIGINT)
    assert planner.wait() == 0, planner.text
    assert served == returns([begin(name) for name in seeds])
