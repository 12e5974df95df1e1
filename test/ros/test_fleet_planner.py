"""One planner process for several robots, with the test in the place of their executors."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_support import LATENT, OBS, SMALL_SEARCH, Background, Probe, make_model_folder, node_command

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

SEEDS = {"left": 3, "right": 7}
SETTINGS = PlannerSettings(queue_length=3, seed=3, mppi=MPPISettings(**SMALL_SEARCH))
OTHER_OBS = 4


class Robot:
    """A robot as the planner sees it."""

    def __init__(self, probe: Probe, name: str):
        self.probe, self.name = probe, name
        self.client = probe.node.create_client(Replan, f"{name}/replan")
        self.plans = probe.hear(msg.Plan, f"{name}/plan", LATEST)

    def send(self, tick: int, epoch: int = 1, **fields: Any) -> Any:
        """Ask, without waiting for the answer."""
        usual = {"epoch": epoch, "tick": tick, "start_tick": tick, "reason": int(Reason.EMPTY)}
        usual["observation"] = to_floats(observation(tick, OTHER_OBS if self.name == "third" else OBS))
        return self.client.call_async(Replan.Request(**usual | fields))

    def plan(self, epoch: int, tick: int) -> msg.Plan:
        """The plan for that tick, once it is there."""

        def found() -> list[msg.Plan]:
            return [plan for plan in self.plans if (plan.epoch, plan.start_tick) == (epoch, tick)]

        self.probe.until(found, f"{self.name}: no plan for tick {tick} of epoch {epoch}")
        return found()[0]

    def ask_until_planned(self, epoch: int, tick: int) -> msg.Plan:
        """The first plan for that tick, asked for again every second, as an executor does: requests may be lost."""
        asked_s = time.monotonic()

        def is_planned() -> bool:
            nonlocal asked_s
            if time.monotonic() > asked_s + 1.0:
                asked_s = time.monotonic()
                self.send(tick, epoch)
            return any((plan.epoch, plan.start_tick) == (epoch, tick) for plan in self.plans)

        self.probe.until(is_planned, f"{self.name}: no plan for tick {tick} of epoch {epoch}")
        return self.plan(epoch, tick)


class Served:
    """The planner's process and its robots."""

    def __init__(self, probe: Probe, process: Background):
        self.probe, self.process = probe, process
        self.robots = {name: Robot(probe, name) for name in ("left", "right", "third")}
        self.diagnostics = probe.hear_diagnostics("planner")

    def counted(self, *names: str) -> list[int]:
        """Counts of the next diagnostics."""
        self.probe.count(self.diagnostics, names[0])
        values = {value.key: value.value for value in self.diagnostics[-1].values}
        return [int(values.get(name, "0")) for name in names]


def observation(tick: int, size: int = OBS) -> np.ndarray:
    return np.random.default_rng(tick).standard_normal(size, np.float32)


@pytest.fixture(scope="module")
def served(domain: int, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One planner for the tests of this file: two robots of one model, and one of another."""
    folder = tmp_path_factory.mktemp("fleet")
    search = {f"mppi.{name}": value for name, value in SMALL_SEARCH.items()} | {"queue_length": 3}
    parameters = {
        "model": str(model),
        "robots": "left right:7",
        "fleets.others.model": str(make_model_folder(folder / "other", obs=OTHER_OBS)),
        "fleets.others.robots": "third",
        "planner.seed": 3,
        **{f"planner.{name}": value for name, value in search.items()},
        **{f"fleets.others.planner.{name}": value for name, value in search.items()},
    }
    command = node_command("planner", parameters)
    with Probe() as probe, Background(command, folder / "planner.log", {"HOME": str(folder)}) as process:
        served = Served(probe, process)
        clients = [robot.client for robot in served.robots.values()]
        probe.until(lambda: all(client.service_is_ready() for client in clients), lambda: process.text)
        yield served
    assert "Traceback" not in process.text


@pytest.fixture
def alone(model: Path) -> dict[str, TDMPC2Planner]:
    """The planners that the robots would have each to itself."""
    planner = TDMPC2Format().load_planner(model, SETTINGS, PlannerResources())
    return {name: planner.for_robot(seed) for name, seed in SEEDS.items()}


def test_each_robot_gets_the_very_plans_of_a_planner_of_its_own(
    served: Served, alone: dict[str, TDMPC2Planner]
) -> None:
    for tick in range(4):
        for robot in served.robots.values():
            robot.send(tick)
        for name, planner in alone.items():
            got = served.robots[name].plan(1, tick)
            own = planner.plan(PlanRequest(1, tick, tick, Reason.EMPTY, observation(tick)))
            assert np.array_equal(np.asarray(got.actions), own.actions.ravel())
            assert np.array_equal(np.asarray(got.latents), own.latents.ravel())
        assert served.robots["third"].plan(1, tick).action_dim == 1
    assert "one request at a time" not in served.process.text, "batches change no bit here"


@pytest.mark.parametrize("what", ["flood", "anything"])
def test_a_hostile_robot_costs_the_others_nothing(
    served: Served, alone: dict[str, TDMPC2Planner], what: str
) -> None:
    left, right = served.robots["left"], served.robots["right"]
    epoch, rng = 10 + len(what), np.random.default_rng(0)
    for tick in range(3):
        for i in range(100):
            fields = anything(rng) if what == "anything" else {"deadline": 0.001}
            left.send(**({"tick": 1000 * tick + i, "epoch": 99} | fields))
        right.send(tick, epoch)
        got = right.plan(epoch, tick)
        own = alone["right"].plan(PlanRequest(epoch, tick, tick, Reason.EMPTY, observation(tick)))
        assert np.array_equal(np.asarray(got.actions), own.actions.ravel())
    assert served.process.popen.poll() is None
    published, refused, *of_left = served.counted(
        "right.published", "right.refused", "left.refused", "left.failed"
    )
    assert published >= 3
    assert refused == 0
    assert all(of_left) or what != "anything"


def test_unsound_requests_to_the_service_of_another_robot_delay_its_plans_and_change_none(
    served: Served, alone: dict[str, TDMPC2Planner]
) -> None:
    right, rng = served.robots["right"], np.random.default_rng(0)
    with served.probe.counting(served.diagnostics, "right.refused"), Probe() as attacker:
        other = Robot(attacker, "right")
        attacker.until(other.client.service_is_ready)
        for tick in range(3):
            epoch = 30 + tick  # a plan that is made twice changes no later one
            right.send(tick, epoch)
            for _ in range(100):
                other.send(**({"tick": 5} | unsound(rng)))
            got = right.ask_until_planned(epoch, tick)
            own = alone["right"].plan(PlanRequest(epoch, tick, tick, Reason.EMPTY, observation(tick)))
            assert np.array_equal(np.asarray(got.actions), own.actions.ravel())
    assert served.counted("right.failed") == [0]


def rubbish(rng: np.random.Generator) -> dict[str, Any]:
    """Fields that no honest robot sends."""
    values = rng.choice([0.0, 3e38, -3e38, np.nan, np.inf], int(rng.integers(0, 40))).astype(np.float32)
    return {
        "epoch": int(rng.integers(2**32)),
        "tick": int(rng.integers(2**32)),
        "start_tick": int(rng.integers(2**32)),
        "reason": int(rng.integers(256)),
        "observation": to_floats(values if rng.random() < 0.7 else np.full(OBS, 3e38)),
        "latent": to_floats(values[: LATENT * int(rng.integers(2))]),
        "deadline": float(rng.choice([0.0, 1.0, -1.0, np.nan, np.inf])),
    }


def anything(rng: np.random.Generator) -> dict[str, Any]:
    """What a broken robot may send to its own service."""
    end, huge = 2**32 - 1, to_floats(np.full(OBS, 3e38))
    ahead = {"observation": to_floats([]), "latent": to_floats(np.zeros(LATENT)), "start_tick": end}
    kinds = [
        rubbish(rng),
        {"epoch": int(rng.integers(3))},
        {"epoch": end, "tick": end},
        ahead,
        {"observation": huge},
    ]
    return kinds[int(rng.integers(len(kinds)))]


def unsound(rng: np.random.Generator) -> dict[str, Any]:
    """What is refused, whatever else a request holds."""
    wrong = {"observation": to_floats(np.full(OBS, np.nan))}, {"deadline": -1.0}, {"reason": 200}
    return rubbish(rng) | {"latent": to_floats([])} | wrong[int(rng.integers(3))]


def test_a_robot_that_vanishes_costs_the_others_nothing(served: Served) -> None:
    right = served.robots["right"]
    with Probe() as gone:
        lost = Robot(gone, "left")
        gone.until(lost.client.service_is_ready)
        for tick in range(20):
            lost.send(tick, epoch=50)
        gone.spin(0.1)
    right.send(4, epoch=51)
    assert right.plan(51, 4).plan_id > 0


def test_a_robot_of_two_fleets_is_refused(model: Path, tmp_path: Path) -> None:
    parameters = {
        "model": str(model),
        "robots": "left right",
        "fleets.others.robots": "left",
        "fleets.others.model": str(model),
    }
    with Background(
        node_command("planner", parameters), tmp_path / "log", {"HOME": str(tmp_path)}
    ) as process:
        assert process.wait() != 0
        assert "got 'left' in two fleets, expected each robot once" in process.text
