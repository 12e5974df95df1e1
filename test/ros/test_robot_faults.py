"""The hardware bridge as a process, before a robot whose sensors and controller go wrong in the middle of an episode.

Whatever goes wrong: it is told at once, the controller gets the safe command, and the robot comes back from rest.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import State
from ros_support import Background, Probe
from scripted_robot import CONTROLLER, TOPICS, EagerExecutor, ScriptedRobot
from std_msgs.msg import Float64MultiArray

from spec_control_interfaces.srv import Reset

TASK, ACTION, PERIOD_S = "walker-walk", 6, 0.05
RATE = 100.0  # N m/s: nine periods from rest to what the executor wants
BRIDGE = {
    "task": TASK,
    "episodes": 0,
    "robot.episode_ticks": 1_000_000,
    "resets_robot": False,
    "controller.gains": [50.0] * ACTION,
    "controller.lower": [-50.0] * ACTION,
    "controller.upper": [50.0] * ACTION,
    "sensors.max_age_s": 0.3,  # other processes of a busy machine take their time
    "sensors.max_skew_s": 0.2,
    "sensors.range_margin": 1.0,  # MuJoCo's joint limits give way
    "robot.silence_s": 0.5,
}
RATED = {"controller.rates": [RATE] * ACTION, "robot.return_s": 0.0}
RETURNING = {"robot.return_s": 0.5}
SAFE = "the robot has the safe command"


class World:
    """Bridge, robot, executor, and somebody who looks on."""

    def __init__(self, probe: Probe, start: Callable[..., Background], **settings: object):
        self.probe = probe
        self.robot = ScriptedRobot(probe, TASK)
        self.robot.appear()
        self.executor = EagerExecutor(probe, ACTION, 0.9)
        probe.hear(Float64MultiArray, f"{CONTROLLER}/commands", 10)  # a recorder: it drives nothing
        self.diagnostics = probe.hear_diagnostics("hardware_bridge")
        self.bridge = start("hardware_bridge", BRIDGE | settings)
        self.wait_until_driven()

    @property
    def says(self) -> str:
        """The newest diagnostics in words."""
        return self.diagnostics[-1].message if self.diagnostics else ""

    def wait_until_driven(self) -> None:
        """Until the robot has as much as the executor wants."""
        self.probe.until(
            lambda: self.robot.efforts and np.abs(self.robot.efforts[-1]).min() > 30.0,
            lambda: f"not driven: {self.says}; {self.bridge.text}",
        )

    @contextmanager
    def stopping(self, *said: str) -> Iterator[None]:
        """What happens inside stops the robot, and is mended at the end; the robot comes back from rest."""
        count = len(self.diagnostics)
        yield
        self.probe.until(
            lambda: any(all(word in s.message for word in (*said, SAFE)) for s in self.diagnostics[count:]),
            lambda: f"not told {said}: {self.says}; {self.bridge.text}",
        )
        assert self.diagnostics[-1].level == DiagnosticStatus.ERROR
        self.probe.until(lambda: not self.robot.efforts[-1].any(), "not stopped")

    def wait_until_back(self) -> None:
        """Until the robot is driven again, and all is said to be well; every step on the way is within the rate."""
        stopped_at = len(self.robot.efforts) - 1
        assert not self.robot.efforts[stopped_at].any()
        self.wait_until_driven()
        steps = np.abs(np.diff(self.robot.efforts[stopped_at:], axis=0))
        assert steps.max() <= RATE * PERIOD_S + 1e-9
        self.probe.until(lambda: SAFE not in self.says)
        assert self.diagnostics[-1].level < DiagnosticStatus.ERROR


@pytest.fixture
def world(probe: Probe, start: Callable[..., Background]) -> World:
    return World(probe, start, **RATED)


def values_stand_still() -> Callable[[object], object]:
    """Under stamps that go on."""
    frozen: list[object] = []

    def spoil(message: object) -> object:
        if not frozen:
            frozen.append(copy.deepcopy(message))
        frozen[0].header.stamp = message.header.stamp
        return frozen[0]

    return spoil


def stamps_stand_still() -> Callable[[object], object]:
    """Of values that go on."""
    stamps: list[object] = []

    def spoil(message: object) -> object:
        stamps.append(message.header.stamp)
        message.header.stamp = stamps[0]
        return message

    return spoil


def names_come_twice() -> Callable[[object], object]:
    """With other values the second time."""

    def spoil(message: object) -> object:
        message.name = [*message.name, message.name[0]]
        message.position, message.velocity = [*message.position, 0.0], [*message.velocity, 0.0]
        return message

    return spoil


def joint_is_a_turn_off() -> Callable[[object], object]:
    """As an absolute encoder that lost count tells it."""

    def spoil(message: object) -> object:
        knee = message.name.index("right_knee")
        message.position[knee] += 2.0 * np.pi
        return message

    return spoil


def test_sensors_that_go_wrong_stop_the_robot_and_are_told_by_sensor_and_cause(world: World) -> None:
    said = {"joint_states": "joint_states", "imu/data": "imu", "odom": "odom"}
    faults = [(values_stand_still, "frozen"), (stamps_stand_still, "same_stamp")]
    for make, cause in faults:
        for topics in [(topic,) for topic in TOPICS] + [tuple(TOPICS)]:
            with world.probe.counting(world.diagnostics, "stops.sensors"):
                spoilt = world.robot.spoilt({topic: make() for topic in topics})
                with spoilt, world.stopping(*(f"{said[topic]}: {cause}" for topic in topics)):
                    pass
                world.wait_until_back()
    with (
        world.robot.spoilt({"joint_states": names_come_twice()}),
        world.probe.counting(world.diagnostics, "sensors.repeated_name"),
        world.stopping("joint_states: stale"),
    ):
        pass
    world.wait_until_back()
    assert "message refused: repeated_name" in world.bridge.text
    with (
        world.robot.spoilt({"joint_states": joint_is_a_turn_off()}),
        world.probe.counting(world.diagnostics, "sensors.out_of_range"),
        world.stopping("joint_states: stale", "out_of_range (right_knee: got "),
    ):
        pass
    world.wait_until_back()
    assert "Traceback" not in world.bridge.text


@pytest.mark.parametrize("topic", TOPICS)
def test_second_publisher_stops_the_robot_until_it_is_gone(world: World, topic: str) -> None:
    with world.robot.doubled(topic), world.stopping("two_publishers"):
        pass
    world.wait_until_back()


@pytest.mark.parametrize("settings", [RATED, RETURNING], ids=["rate", "growth"])
def test_controller_that_goes_away_is_told_and_comes_back_to_a_robot_at_rest(
    probe: Probe, start: Callable[..., Background], settings: dict[str, object]
) -> None:
    world = World(probe, start, **settings)
    with world.probe.counting(world.diagnostics, "stops.controller"):
        count = len(world.diagnostics)
        world.robot.disappear()
        world.probe.until(
            lambda: any(
                f"/{CONTROLLER}" in s.message and SAFE in s.message for s in world.diagnostics[count:]
            ),
            lambda: f"{world.says}; {world.bridge.text}",
        )
        world.probe.spin(3.0)
        assert SAFE in world.says
        world.robot.efforts.clear()
        world.robot.appear()
        world.wait_until_driven()
    assert np.abs(world.robot.efforts[0]).max() <= RATE * PERIOD_S + 1e-9


def test_controller_that_is_deactivated_stops_the_robot_though_it_still_listens(world: World) -> None:
    with (
        world.probe.counting(world.diagnostics, "stops.controller"),
        world.stopping(f"the controller does not listen: /{CONTROLLER} (not active)"),
    ):
        world.robot.tell_state(State.TRANSITION_STATE_DEACTIVATING, State.PRIMARY_STATE_INACTIVE)
    world.probe.spin(1.0)
    assert SAFE in world.says
    world.robot.tell_state(State.TRANSITION_STATE_ACTIVATING, State.PRIMARY_STATE_ACTIVE)
    world.wait_until_back()


def test_somebody_else_who_commands_the_controller_stops_the_robot_until_gone(world: World) -> None:
    rival = world.probe.node.create_publisher(Float64MultiArray, f"{CONTROLLER}/commands", 10)
    with world.stopping("others command the controller as well: /probe"):
        pass
    world.probe.node.destroy_publisher(rival)
    world.wait_until_back()


def test_bridge_that_ends_beside_somebody_else_who_commands_says_what_it_leaves_behind(world: World) -> None:
    world.probe.node.create_publisher(Float64MultiArray, f"{CONTROLLER}/commands", 10)
    with world.stopping("others command the controller as well: /probe"):
        pass
    world.bridge.popen.terminate()
    world.probe.until(lambda: world.bridge.popen.poll() is not None, lambda: world.bridge.text)
    assert "the robot may not have the safe command, another node commands it" in world.bridge.text


def test_executor_that_falls_silent_comes_back_to_a_robot_at_rest(world: World) -> None:
    with world.probe.counting(world.diagnostics, "stops.silence"):
        world.executor.is_alive = False
        with world.stopping("the executor is silent"):
            pass
        world.executor.is_alive = True
        world.wait_until_back()


def test_limits_that_are_set_at_run_time_count_at_the_next_command(world: World) -> None:
    probe, robot = world.probe, world.robot
    (result,) = probe.set_parameters("hardware_bridge", controller__upper=[10] * ACTION)
    assert (result.successful, result.reason) == (True, "")
    probe.until(lambda: np.abs(robot.efforts[-1]).max() <= 10.0, lambda: str(robot.efforts[-1]))
    for values, said in (
        ([5.0], f"upper: got [5.0], expected {ACTION} finite values"),
        ([-60.0] * ACTION, "expected lower limits up to the upper ones"),
        ([], "controller.upper: got none"),
        (None, "upper: got None, expected a list of floats"),
    ):
        (result,) = probe.set_parameters("hardware_bridge", controller__upper=values)
        assert not result.successful
        assert said in result.reason
    count = len(robot.efforts)
    probe.until(lambda: len(robot.efforts) > count + 5)
    assert np.max(robot.efforts[count:]) <= 10.0
    assert f"changed: controller.upper = {[10.0] * ACTION}" in world.bridge.text


def test_robot_that_nobody_puts_back_rests_after_an_episode_until_reset_is_called(
    probe: Probe, start: Callable[..., Background]
) -> None:
    world = World(probe, start, **RATED, **{"robot.episode_ticks": 40})
    probe.until(lambda: "put the robot to its start" in world.says, lambda: world.says)
    commands, ticks = len(world.robot.efforts), len(world.executor.ticks)
    assert not world.robot.efforts[-1].any()
    probe.spin(0.5)
    assert (len(world.robot.efforts), len(world.executor.ticks)) == (commands, ticks)
    assert world.bridge.popen.poll() is None, world.bridge.text
    assert probe.call(probe.node.create_client(Reset, "reset"), Reset.Request(seed=3)).epoch == 2
    world.wait_until_driven()
    assert world.executor.ticks[-1][0] == 2
