"""The system clock is set, or /clock stops, while nodes run: no command changes, and diagnostics tell."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from ros_support import Background, Probe, write_system
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Float64MultiArray
from stepped_clock import SteppedClock
from test_bridge_node import Controller
from test_hardware import ACTION, BRIDGE, CONTROLLER, EMULATOR, drive

from spec_control_interfaces import msg
from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.ros.qos import STREAM

SILENCE_S = 1.0
LATE_S = 3.5  # of a busy machine, and less than any step
STEPS_S = (-5.0, -3600.0, 7200.0)
REST = [0.0] * ACTION


@pytest.fixture
def make_clock(tmp_path: Path) -> Callable[[str], SteppedClock]:
    """Makes a clock, by a name, for the processes that get its environment."""
    return lambda name: SteppedClock(tmp_path / f"clock_{name}")


@pytest.fixture
def controller(probe: Probe) -> Controller:
    """The test in the executor's place, with an ear on the robot's topics."""
    controller = Controller(probe)
    controller.efforts = probe.hear(Float64MultiArray, CONTROLLER, 10)
    controller.diagnostics = probe.hear_diagnostics("hardware_bridge")
    return controller


def seconds_until(probe: Probe, is_true: Callable[[], object]) -> float:
    """By the steady clock."""
    began_s = time.monotonic()
    probe.until(is_true)
    return time.monotonic() - began_s


def test_robot_is_driven_on_and_gets_the_safe_command_in_time_whatever_the_system_clock_says(
    controller: Controller, start: Callable[..., Background], make_clock: Callable[[str], SteppedClock]
) -> None:
    clock, probe = make_clock("all"), controller.probe
    start("hardware_emulator", EMULATOR, environment=clock.environment)
    long = {"robot.silence_s": SILENCE_S, "episodes": 0, "robot.episode_ticks": 100_000}
    bridge = start("hardware_bridge", BRIDGE | long, environment=clock.environment)
    told = probe.hear_diagnostics("hardware_bridge", "clock")
    controller.appear()
    for n, step_s in enumerate(STEPS_S):
        drive(controller, 1, 5, [0.1] * ACTION)
        clock.step(step_s)
        count = len(controller.observations)
        assert seconds_until(probe, lambda n=count: len(controller.observations) > n + 1) < LATE_S
        drive(controller, 1, 5, [0.1] * ACTION)
        clock.step(step_s)
        assert list(controller.efforts[-1].data) != REST
        assert seconds_until(probe, lambda: list(controller.efforts[-1].data) == REST) < LATE_S
        probe.until(lambda n=n: told and told[-1].values[0].value == str(2 * n + 2), lambda: str(told[-1:]))
        way = "ahead" if step_s > 0.0 else "back"
        assert told[-1].message == f"the system clock was set {way} by {abs(step_s):.1f} s"
        assert told[-1].message in bridge.text
    assert "Traceback" not in bridge.text


def test_robot_simulated_elsewhere_gets_the_safe_command_in_time_though_its_clock_stops(
    controller: Controller, start: Callable[..., Background]
) -> None:
    probe = controller.probe
    start("hardware_emulator", EMULATOR)
    long = {"robot.silence_s": SILENCE_S, "episodes": 0, "robot.episode_ticks": 100_000}
    start("hardware_bridge", BRIDGE | long | {"use_sim_time": True})
    told = probe.hear_diagnostics("hardware_bridge", "clock")
    controller.appear()
    drive(controller, 1, 3, [0.1] * ACTION)
    assert controller.observations[-1].header.stamp == Time()  # nobody has published /clock yet
    probe.until(lambda: told and "nobody has published /clock" in told[-1].message)
    simulator = probe.node.create_timer(
        0.1, lambda: probe.publisher(Clock, "/clock", 10).publish(Clock(clock=Time(sec=101)))
    )
    probe.until(lambda: controller.observations[-1].header.stamp == Time(sec=101))
    simulator.cancel()
    drive(controller, 1, 3, [0.1] * ACTION)
    assert controller.observations[-1].header.stamp == Time(sec=101)
    assert list(controller.efforts[-1].data) != REST
    assert seconds_until(probe, lambda: list(controller.efforts[-1].data) == REST) < LATE_S
    probe.until(lambda: "/clock has stood still" in told[-1].message)


def test_run_goes_on_whichever_clock_is_set_and_a_planner_that_hangs_is_still_missed(
    probe: Probe,
    start: Callable[..., Background],
    model: Path,
    tmp_path: Path,
    make_clock: Callable[[str], SteppedClock],
) -> None:
    params = write_system(
        tmp_path / "params.yaml",
        model,
        executor={"planner_lease_s": 1.0, "executor": {"plan_wait_s": 0.2, "sensor_timeout_s": 60.0}},
        sim_bridge={"mode": "realtime", "action_repeat": 5, "episodes": 0},
    )
    clocks = {name: make_clock(name) for name in ("planner", "executor", "sim_bridge")}
    status, told = probe.hear_status(), {n: probe.hear_diagnostics(n, "clock") for n in clocks}
    processes = {name: start(name, {}, params, environment=clocks[name].environment) for name in clocks}
    executor = processes["executor"]
    probe.until(lambda: len(status) > 20, lambda: executor.text)
    for stepped in ({"planner"}, {"executor"}, {"sim_bridge"}, set(clocks)):
        for step_s in STEPS_S[:2]:
            for name in stepped:
                clocks[name].step(step_s)
            count = len(status)
            probe.spin(1.5)  # longer than a heartbeat may stay away
            assert len(status) > count + 3, executor.text
    assert "planner is lost" not in executor.text
    for name, process in processes.items():
        assert process.text.count("the system clock was set back") == 4
        probe.until(lambda name=name: told[name][-1].values[0].value == "4")
    for name in clocks:
        clocks[name].step(-3600.0)
    processes["planner"].send(signal.SIGSTOP)
    assert seconds_until(probe, lambda: "the planner is lost" in executor.text) < 60.0


def stays_known(probe: Probe, node: str, clock: SteppedClock) -> None:
    """Although its clock is set back: the middleware tells others of it by a thread that waits by the system clock."""
    probe.until(lambda: node in probe.node.get_node_names())
    probe.spin(1.0)
    clock.step(-3600.0)
    for _ in range(80):  # longer than the participant's lease
        probe.spin(0.1)
        assert node in probe.node.get_node_names()


@pytest.mark.slow
def test_node_with_nothing_to_say_stays_known_after_its_clock_was_set_back(
    probe: Probe, start: Callable[..., Background], model: Path, make_clock: Callable[[str], SteppedClock]
) -> None:
    clock = make_clock("executor")
    start("executor", {"model": str(model)}, environment=clock.environment)
    stays_known(probe, "executor", clock)


@pytest.mark.slow
def test_node_that_loads_for_longer_than_its_lease_stays_known_after_its_clock_was_set_back(
    probe: Probe, tmp_path: Path, make_clock: Callable[[str], SteppedClock]
) -> None:
    clock = make_clock("busy")
    command = [sys.executable, str(Path(__file__).with_name("busy_node.py"))]
    with Background(command, tmp_path / "busy.log", {"HOME": str(tmp_path), **clock.environment}):
        stays_known(probe, "busy", clock)


def test_recorded_messages_stay_in_their_order(
    probe: Probe, start: Callable[..., Background], tmp_path: Path, make_clock: Callable[[str], SteppedClock]
) -> None:
    clock, bag = make_clock("recorder"), tmp_path / "bag"
    process = start("recorder", {"folder": str(bag)}, environment=clock.environment)
    publisher = probe.publisher(msg.ExecutorStatus, "status", STREAM)
    probe.until(publisher.get_subscription_count)
    publisher.publish(
        msg.ExecutorStatus()
    )  # the recorder may know of the publisher later than the other way round
    assert publisher.wait_for_all_acked(Duration(seconds=30))
    for tick in range(4):
        publisher.publish(msg.ExecutorStatus(epoch=1, tick=tick))
        probe.spin(0.1)
        clock.step(-3600.0)
    process.send(signal.SIGTERM)
    assert process.wait() == 0, process.text
    heard = Bag(bag).messages({TOPICS["status"]})
    found = [(m.time_ns, m.message.tick) for m in heard if m.message.epoch]
    assert [tick for _, tick in found] == [0, 1, 2, 3]
    assert 0 < found[-1][0] - found[0][0] < 60 * 10**9
