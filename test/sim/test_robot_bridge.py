"""The bridge of a real robot, with a robot that is as simple as can be and a clock that the test moves."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.bridge import CommandFate
from spec_control_ros.sim.command_map import CommandKind, CommandMap, CommandMapSettings
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.robot_bridge import RobotBridge, RobotBridgeSettings
from spec_control_ros.sim.sensors import SensorFault, Sensors, SensorSettings
from spec_control_ros.sim.state_estimate import StateEstimator

TASK = "walker-walk"
SETTINGS = RobotBridgeSettings(silence_s=0.2, settle_s=0.1, episode_ticks=5)
POSITION = CommandMapSettings(kind=CommandKind.POSITION, gains=(1.0,) * 6, offsets=(0.5,) * 6)
PERIOD_S = 0.05
ACTION = np.linspace(-0.5, 0.5, 6).astype(np.float32)


@cache
def estimator() -> StateEstimator:
    return StateEstimator(TASK)


@cache
def robot() -> EmulatedRobot:
    return EmulatedRobot(TASK)


@dataclass
class World:
    """Bridge, robot and time."""

    map_settings: CommandMapSettings = field(default_factory=CommandMapSettings)
    is_lockstep: bool = False
    now_s: float = 100.0

    def __post_init__(self) -> None:
        made = CommandMap(self.map_settings, find_actuators(estimator().plant.physics), PERIOD_S)
        sensors = Sensors(estimator().body.joint_names, SensorSettings(max_age_s=0.1, max_skew_s=0.01))
        self.bridge = RobotBridge(estimator(), 2, made, sensors, SETTINGS, is_lockstep=self.is_lockstep)

    def sense(self, state: BodyState | None = None, stamp_s: float | None = None) -> None:
        """Every sensor says how the robot is."""
        s, sensors = state or robot().state(), self.bridge.sensors
        stamp_s = self.now_s if stamp_s is None else stamp_s
        sensors.hear_joints(s.joints.names, s.joints.position, s.joints.velocity, stamp_s, self.now_s)
        sensors.hear_imu(s.base.orientation, s.base.angular_velocity, stamp_s, self.now_s)
        sensors.hear_odometry(s.base.position, np.zeros(3), stamp_s, self.now_s)

    def tick(self, *, is_sensed: bool = True) -> bool:
        """A period goes by."""
        self.now_s += PERIOD_S
        if is_sensed:
            self.sense()
        return self.bridge.tick(self.now_s)

    def begin(self, seed: int = 0) -> None:
        """An episode, up to its first tick."""
        robot().reset(seed)
        self.bridge.reset(seed)
        self.bridge.robot_is_reset(self.now_s)
        while not self.tick():
            pass

    def command(self, tick: int, action: NDArray[np.float32] = ACTION) -> tuple[CommandFate, object]:
        """The executor's, for a tick of the present epoch."""
        epoch = self.bridge.episode.epoch
        return self.bridge.command(epoch, tick, action, is_hold=False, now_s=self.now_s)


@pytest.fixture
def world() -> World:
    made = World()
    made.begin()
    return made


def test_first_tick_comes_once_the_robot_is_at_its_start_settled_and_sensed() -> None:
    world = World()
    world.bridge.reset(3)
    assert [world.tick() for _ in range(4)] == [False] * 4  # on its way, however well it is sensed
    world.bridge.robot_is_reset(world.now_s)
    begun = [world.tick(is_sensed=i > 3) for i in range(6)]
    assert begun == [False, False, False, False, True, True]
    assert world.bridge.episode.seed == 3
    assert world.bridge.episode.tick == 1
    assert world.bridge.sensors.faults[SensorFault.MISSING] == 0  # waiting is no fault


def test_observation_is_the_tasks_of_what_is_sensed(world: World) -> None:
    observation = world.bridge.observation
    assert (observation.epoch, observation.tick) == (1, 0)
    np.testing.assert_allclose(observation.data, robot().plant.observe(), atol=1e-6)


def test_command_of_the_tick_becomes_efforts_at_once(world: World) -> None:
    fate, efforts = world.command(0)
    assert fate is CommandFate.TAKEN
    np.testing.assert_allclose(efforts, ACTION * [100, 50, 20, 100, 50, 20])
    assert world.command(0) == (CommandFate.LATE, None)
    assert world.command(0, np.zeros(3, np.float32)) == (CommandFate.BAD_ACTION, None)


def test_every_tick_is_accounted_for_and_rewarded(world: World) -> None:
    world.command(0)
    world.tick()
    world.tick()
    state = world.bridge.episode
    assert (state.tick, state.commanded_ticks, state.missed_ticks) == (2, 1, 1)
    assert state.reward == pytest.approx(2 * robot().plant.reward())
    assert state.episode_return == pytest.approx(2 * state.reward)


def test_tick_without_sensors_has_no_observation_and_is_counted_and_recovered_from(world: World) -> None:
    ticks = [world.tick(is_sensed=False) for _ in range(3)]
    assert ticks == [True] * 3
    assert world.bridge.observation is None
    assert world.bridge.sensors.faults == {SensorFault.STALE: 1}  # 0.1 s old is not stale yet
    world.tick()
    assert world.bridge.observation.tick == 4


def test_state_that_no_robot_has_is_not_observed(world: World) -> None:
    state = robot().state()
    state.joints.position[0] = 1e9
    world.now_s += PERIOD_S
    world.sense(state)
    assert world.bridge.tick(world.now_s)
    assert world.bridge.observation is None


def test_silence_of_the_executor_stops_the_robot_in_time_and_again(world: World) -> None:
    world.command(0)
    start_s = world.now_s
    world.now_s = start_s + 0.19
    assert world.bridge.safe_command(world.now_s) is None
    world.now_s = start_s + 0.21
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.safe_command(world.now_s) is None
    world.now_s += 0.21
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.silences == 1
    world.command(0)
    assert world.bridge.safe_command(world.now_s + 0.1) is None


def test_safe_position_is_where_the_joints_were_when_silence_began() -> None:
    world = World(POSITION)
    world.begin()
    world.command(0)
    world.tick()
    were = robot().state().joints.position.tolist()
    assert world.bridge.safe_command(world.now_s + 0.3).tolist() == were
    robot().reset(8)
    world.tick()
    assert world.bridge.safe_command(world.now_s + 0.6).tolist() == were


def test_rate_counts_from_where_the_joints_are_at_the_start() -> None:
    world = World(CommandMapSettings(CommandKind.POSITION, (), (1.0,) * 6, (0.5,) * 6, rates=(1.0,) * 6))
    world.begin()
    at = robot().state().joints.position
    _, sent = world.command(0)
    assert (np.abs(sent - at) <= PERIOD_S + 1e-9).all()


def test_episode_ends_and_a_new_epoch_begins_only_with_a_reset(world: World) -> None:
    for _ in range(5):
        world.tick()
    assert world.bridge.is_done
    assert world.bridge.observation is None
    assert not world.tick()
    assert world.command(5) == (CommandFate.LATE, None)
    assert world.bridge.stop().tolist() == [0.0] * 6
    world.begin(4)
    assert (world.bridge.episode.epoch, world.bridge.episode.tick, world.bridge.episode.seed) == (2, 0, 4)


def test_command_of_an_old_epoch_does_not_reach_the_robot(world: World) -> None:
    world.bridge.reset(0)
    fate, sent = world.bridge.command(1, 0, ACTION, is_hold=False, now_s=world.now_s)
    assert (fate, sent) == (CommandFate.STALE_EPOCH, None)


def test_nobody_is_silent_while_no_episode_is_under_way(world: World) -> None:
    world.bridge.reset(0)
    assert world.bridge.safe_command(world.now_s + 100.0) is None


def test_in_lockstep_a_new_stamp_is_a_tick_however_long_it_took() -> None:
    world = World(is_lockstep=True)
    world.begin()
    stamp_s = world.now_s
    world.now_s += 1000.0
    world.sense(stamp_s=stamp_s)
    assert not world.bridge.tick(world.now_s)
    world.sense(stamp_s=stamp_s + PERIOD_S)
    assert world.bridge.tick(world.now_s)
    assert world.bridge.observation.tick == 1
