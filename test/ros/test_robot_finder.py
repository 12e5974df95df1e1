"""Robots that a planner's process finds by a pattern, with the test in the place of their executors."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_support import OBS, SMALL_SEARCH, Background, Probe, node_command

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

SEED = 5


class Robot:
    """A robot that asks and compares what it gets with the plans of a planner that is its own."""

    def __init__(self, probe: Probe, name: str, model: Path):
        self.probe, self.name, self.tick = probe, name, 0
        self.client = probe.node.create_client(Replan, f"{name}/replan")
        self.plans = probe.hear(msg.Plan, f"{name}/plan", LATEST)
        settings = PlannerSettings(queue_length=3, seed=SEED, mppi=MPPISettings(**SMALL_SEARCH))
        self.own = TDMPC2Format().load_planner(model, settings, PlannerResources())

    def is_served(self) -> bool:
        return bool(self.client.service_is_ready())

    def gets_its_own_plan(self) -> None:
        tick, self.tick = self.tick, self.tick + 1
        observation = np.random.default_rng(tick).standard_normal(OBS, np.float32)
        usual: dict[str, Any] = {"epoch": 1, "tick": tick, "start_tick": tick, "reason": int(Reason.EMPTY)}
        self.client.call_async(Replan.Request(**usual, observation=to_floats(observation)))
        self.probe.until(lambda: self.plans and self.plans[-1].start_tick == tick, f"{self.name}: no plan")
        own = self.own.plan(PlanRequest(1, tick, tick, Reason.EMPTY, observation))
        assert np.array_equal(np.asarray(self.plans[-1].actions), own.actions.ravel())

    def leave(self) -> None:
        self.probe.node.destroy_client(self.client)


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_robots_are_found_served_refused_and_released(
    domain: int, probe: Probe, model: Path, tmp_path: Path, processes: ExitStack
) -> None:
    def planner(log: str, robots: str, *more: str) -> Background:
        parameters = {"model": str(model), "robots": robots, "found_robots": 2, "found_grace_s": 1.0}
        parameters |= {f"planner.mppi.{name}": value for name, value in SMALL_SEARCH.items()}
        parameters |= {"planner.queue_length": 3, "planner.seed": SEED}
        command = [*node_command("planner", parameters), *more]
        return processes.enter_context(Background(command, tmp_path / log, {"HOME": str(tmp_path)}))

    other = planner("other.log", "fleet_other", "-r", "__node:=other")
    elsewhere = Robot(probe, "fleet_other", model)
    probe.until(elsewhere.is_served, lambda: other.text)
    finding = planner("finding.log", "named fleet_*")
    named, first, second, third = (Robot(probe, n, model) for n in ("named", "fleet_a", "fleet_b", "fleet_c"))
    diagnostics = probe.hear_diagnostics("planner")
    probe.until(lambda: named.is_served() and first.is_served() and second.is_served(), lambda: finding.text)
    for robot in (first, named, second, first):
        robot.gets_its_own_plan()

    probe.until(lambda: "not served: fleet_c" in finding.text, lambda: finding.text)
    probe.until(lambda: any(d.message == "not served: fleet_c" for d in diagnostics))
    assert not third.is_served()
    assert probe.count(diagnostics, "fleet_a.published") == 2
    assert probe.count(diagnostics, "fleet_b.iterations") == SMALL_SEARCH["iterations"]

    first.leave()
    while not third.is_served():  # a robot comes and goes, and the others have their plans all the time
        second.gets_its_own_plan()
        named.gets_its_own_plan()
    third.gets_its_own_plan()
    assert "released fleet_a" in finding.text

    elsewhere.gets_its_own_plan()
    assert "fleet_other" not in finding.text
    for process in (other, finding):
        assert process.popen.poll() is None
        assert "Traceback" not in process.text
