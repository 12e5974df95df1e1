"""The bridge of a real robot, with a robot that is as simple as can be and a clock that the test moves."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from spec_control_ros.core.action_limiter import NO_LIMITS, ActionLimits
from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.health import Level
from spec_control_ros.core.plan import Plan
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.bridge import CommandFate
from spec_control_ros.sim.command_map import CommandKind, CommandMap, CommandMapSettings
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.joint_trajectory import JointTrajectory
from spec_control_ros.sim.readings import ReadingFault, SensorSettings
from spec_control_ros.sim.robot_bridge import RobotBridge, RobotBridgeSettings, Stop
from spec_control_ros.sim.robot_health import robot_finding, why_stopped
from spec_control_ros.sim.sensors import Sensors
from spec_control_ros.sim.state_estimate import StateEstimator

TASK = "walker-walk"
SETTINGS = RobotBridgeSettings(silence_s=0.2, settle_s=0.1, return_s=0.0, episode_ticks=10)
POSITION = CommandMapSettings(kind=CommandKind.POSITION, gains=(1.0,) * 6, offsets=(0.5,) * 6)
PERIOD_S = 0.05
RATED = CommandMapSettings(rates=(20.0,) * 6)
STEP = 20.0 * PERIOD_S + 1e-9  # N m that a command of those may differ from the one before
ACTION = np.linspace(-0.5, 0.5, 6).astype(np.float32)


@cache
def estimator() -> StateEstimator:
    return StateEstimator(make_control_plant(TASK))


@cache
def robot() -> EmulatedRobot:
    return EmulatedRobot(make_control_plant(TASK))


@dataclass
class World:
    """Bridge, robot and time."""

    map_settings: CommandMapSettings = field(default_factory=CommandMapSettings)
    is_lockstep: bool = False
    settings: RobotBridgeSettings = SETTINGS
    now_s: float = 100.0

    def __post_init__(self) -> None:
        made = CommandMap(self.map_settings, find_actuators(estimator().plant.physics), PERIOD_S)
        body, settings = estimator().body, SensorSettings(max_age_s=0.1, max_skew_s=0.01)
        sensors = Sensors(body.joint_names, settings, ranges=body.joint_ranges)
        self.bridge = RobotBridge(estimator(), made, sensors, self.settings, is_lockstep=self.is_lockstep)

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

    def safe_after(self, seconds: float) -> NDArray[np.float64] | None:
        """What the controller is to get after some time in which sensors speak, but no tick begins."""
        self.now_s += seconds
        self.sense()
        return self.bridge.safe_command(self.now_s)

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

    def drive(self, ticks: int) -> None:
        """So many ticks with a command; the last one is further from rest than a period's rate."""
        for _ in range(ticks):
            _, sent = self.command(self.bridge.episode.tick)
            if self.bridge.episode.tick < ticks:
                self.tick()
        assert np.abs(sent).max() > 2 * STEP


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
    assert world.bridge.sensors.faults[ReadingFault.MISSING] == 0  # waiting is no fault


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
    assert world.bridge.sensors.faults == {ReadingFault.STALE: 1}  # 0.1 s old is not stale yet
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
    assert world.safe_after(0.19) is None
    assert world.safe_after(0.02).tolist() == [0.0] * 6
    assert world.safe_after(0.0) is None
    assert world.safe_after(0.21).tolist() == [0.0] * 6
    assert world.bridge.stopped == {Stop.SILENCE: 1}
    assert world.bridge.stops == {Stop.SILENCE}
    world.tick()
    world.command(1)
    assert world.safe_after(0.1) is None
    assert world.bridge.stops == frozenset()


def test_safe_position_is_where_the_joints_were_when_silence_began() -> None:
    world = World(POSITION)
    world.begin()
    world.command(0)
    world.tick()
    were = robot().state().joints.position.tolist()
    assert world.safe_after(0.3).tolist() == were
    robot().reset(8)
    world.tick()
    assert world.safe_after(0.3).tolist() == were


@pytest.mark.parametrize("is_sensed_in_time", [True, False])
def test_sensors_at_fault_stop_the_robot_at_once_and_it_comes_back_from_rest(is_sensed_in_time: bool) -> None:
    """Be it noticed between two ticks or by the tick that has no observation."""
    world = World(RATED)
    world.begin()
    world.drive(3)
    if is_sensed_in_time:
        world.now_s += 0.11
    else:
        world.bridge.sensors.forget()
        world.tick(is_sensed=False)
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.stops == {Stop.SENSORS}
    assert world.command(world.bridge.episode.tick) == (CommandFate.STOPPED, None)
    world.sense()
    assert world.bridge.safe_command(world.now_s) is None
    world.tick()
    assert world.bridge.safe_command(world.now_s) is None
    assert world.bridge.stopped == {Stop.SENSORS: 1}
    fate, efforts = world.command(world.bridge.episode.tick)
    assert fate is CommandFate.TAKEN
    assert np.abs(efforts).max() <= STEP


def test_sensors_that_are_apart_stop_the_robot_only_if_they_are_so_at_a_tick(world: World) -> None:
    world.now_s += 0.03
    s = robot().state()
    world.bridge.sensors.hear_joints(
        s.joints.names, s.joints.position, s.joints.velocity, world.now_s, world.now_s
    )
    assert world.bridge.safe_command(world.now_s) is None
    world.tick(is_sensed=False)
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.stops == {Stop.SENSORS}
    assert world.bridge.sensors.faults == {ReadingFault.SKEWED: 1}


def test_frozen_sensors_stop_the_robot(world: World) -> None:
    """The robot of this test never moves: what it senses stays the same while it is driven."""
    for tick in range(1, 6):
        world.command(world.bridge.episode.tick, ACTION * np.float32(0.1 * tick))
        assert world.bridge.safe_command(world.now_s) is None
        world.tick()
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.observation is None
    assert world.bridge.sensors.faults == {ReadingFault.FROZEN: 1}


def test_robot_that_is_held_still_is_not_taken_for_frozen(world: World) -> None:
    for _ in range(4):
        world.command(world.bridge.episode.tick)  # always the same
        world.tick()
    assert world.bridge.observation is not None


def test_controller_that_goes_away_stops_the_robot_and_it_comes_back_from_rest() -> None:
    world = World(RATED)
    world.begin()
    world.drive(3)
    world.bridge.controller_is(present=False)
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.stops == {Stop.CONTROLLER}
    world.tick()
    assert world.command(world.bridge.episode.tick) == (CommandFate.STOPPED, None)
    world.bridge.controller_is(present=True)
    assert world.bridge.safe_command(world.now_s) is None
    assert world.bridge.stopped == {Stop.CONTROLLER: 1}
    _, efforts = world.command(world.bridge.episode.tick)
    assert np.abs(efforts).max() <= STEP


def test_rival_stops_the_robot_once_and_is_left_alone(world: World) -> None:
    world.command(0)
    world.bridge.controller_is(present=True, has_rival=True)
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.stops == {Stop.RIVAL}
    for _ in range(3):
        world.tick()
        assert world.safe_after(0.3) is None
        assert world.command(world.bridge.episode.tick) == (CommandFate.STOPPED, None)
    world.bridge.controller_is(present=True)
    assert world.safe_after(0.0) is None
    assert world.command(world.bridge.episode.tick)[0] is CommandFate.TAKEN


def test_rival_is_left_alone_whatever_else_happens(world: World) -> None:
    world.command(0)
    world.bridge.controller_is(present=True, has_rival=True)
    assert world.bridge.safe_command(world.now_s) is not None
    world.bridge.controller_is(present=False, has_rival=True)
    assert world.bridge.safe_command(world.now_s) is None
    assert world.bridge.stops == {Stop.RIVAL, Stop.CONTROLLER}
    world.now_s += 0.15  # the sensors fall silent
    assert world.bridge.safe_command(world.now_s) is None
    assert world.bridge.stops == {Stop.RIVAL, Stop.CONTROLLER, Stop.SENSORS}
    assert world.bridge.stop() is None
    world.begin(seed=1)  # a new episode is no reason either
    assert world.bridge.safe_command(world.now_s) is None
    world.bridge.controller_is(present=False)
    assert world.bridge.safe_command(world.now_s) is None, "the rest of what was wrong has been answered"
    world.now_s += 0.2
    world.sense()
    assert world.bridge.safe_command(world.now_s) is not None


def test_rival_that_comes_with_another_fault_finds_a_robot_at_rest(world: World) -> None:
    world.command(0)
    world.bridge.controller_is(present=False, has_rival=True)
    assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
    assert world.bridge.safe_command(world.now_s) is None


@pytest.mark.parametrize("is_stopped", [False, True])
def test_command_of_a_bridge_that_was_here_before_makes_it_begin_again(
    world: World, is_stopped: bool
) -> None:
    world.bridge.controller_is(present=not is_stopped)
    world.bridge.safe_command(world.now_s)
    assert not world.bridge.must_begin_again
    epoch = world.bridge.episode.epoch + 7
    fate, command = world.bridge.command(epoch, 3, ACTION, is_hold=False, now_s=world.now_s)
    assert (fate, command) == (CommandFate.STALE_EPOCH, None)
    assert world.bridge.must_begin_again
    world.begin()
    assert not world.bridge.must_begin_again
    assert world.bridge.episode.epoch == epoch + 1


def test_without_rates_too_commands_grow_from_rest_after_a_safe_command() -> None:
    world = World(settings=replace(SETTINGS, return_s=0.2, episode_ticks=100))
    world.begin()
    _, full = world.command(0)
    assert np.abs(full).max() == 50.0  # an episode begins as the executor wants
    for _ in range(2):  # again after every safe command
        world.bridge.controller_is(present=False)
        assert world.bridge.safe_command(world.now_s).tolist() == [0.0] * 6
        world.bridge.controller_is(present=True)
        assert world.bridge.safe_command(world.now_s) is None
        shares = []
        for _ in range(5):
            world.bridge.sensors.forget()  # of this test's robot, which never moves
            world.tick()
            _, sent = world.command(world.bridge.episode.tick)
            shares.append((sent / full).tolist())
        np.testing.assert_allclose(shares, np.outer([0.0, 0.25, 0.5, 0.75, 1.0], np.ones(6)), atol=1e-6)


def test_robot_comes_back_from_where_its_joints_are_then() -> None:
    """Not from where they were when it was stopped: it may have sunk since."""
    world = World(CommandMapSettings(CommandKind.POSITION, (), (1.0,) * 6, (0.5,) * 6, rates=(1.0,) * 6))
    world.begin()
    world.command(0)
    world.bridge.controller_is(present=False)
    world.bridge.safe_command(world.now_s)
    robot().reset(8)
    world.tick()
    world.bridge.controller_is(present=True)
    assert world.bridge.safe_command(world.now_s) is None
    _, sent = world.command(world.bridge.episode.tick)
    assert (np.abs(sent - robot().state().joints.position) <= PERIOD_S + 1e-9).all()


def test_safe_position_of_joints_that_are_not_sensed_is_the_one_that_was_commanded() -> None:
    world = World(POSITION)
    world.begin()
    _, sent = world.command(0)
    world.now_s += 0.11
    assert world.bridge.safe_command(world.now_s).tolist() == sent.tolist()
    assert world.bridge.stops == {Stop.SENSORS}


@pytest.mark.parametrize("told", [lambda rad: rad + 2.0 * np.pi, np.rad2deg])
def test_joint_that_is_told_where_it_cannot_be_stops_the_robot_where_it_was_commanded(
    told: Callable[[float], float],
) -> None:
    world = World(POSITION)
    world.begin()
    _, sent = world.command(0)
    state = robot().state()
    knee = state.joints.names.index("right_knee")
    state.joints.position[knee] = told(state.joints.position[knee])
    for _ in range(3):
        world.now_s += PERIOD_S
        world.sense(state)
        world.bridge.tick(world.now_s)
    assert world.bridge.observation is None
    assert world.bridge.safe_command(world.now_s).tolist() == sent.tolist()
    assert world.bridge.stops == {Stop.SENSORS}
    said = robot_finding(world.bridge, why_stopped(world.bridge, (), (), world.now_s), "", None)
    assert said.level is Level.ERROR
    assert "joint_states: stale" in said.message
    assert "out_of_range (right_knee: got " in said.message


def test_messages_that_are_refused_are_a_warning_in_the_next_report(world: World) -> None:
    world.command(0)
    world.tick()
    world.command(1)
    for _ in range(9):
        world.bridge.sensors.hear_imu(np.full(4, np.nan), np.zeros(3), world.now_s, world.now_s)
    reports = [robot_finding(world.bridge, "", "", None) for _ in range(2)]
    assert [report.level for report in reports] == [Level.WARN, Level.OK]
    assert reports[0].message.startswith("imu: refused 9 messages as bad_message (")


def test_command_before_the_robot_is_at_its_start_does_not_reach_it(world: World) -> None:
    world.bridge.reset(0)
    assert world.command(0) == (CommandFate.EARLY, None)


def test_rate_counts_from_where_the_joints_are_at_the_start() -> None:
    world = World(CommandMapSettings(CommandKind.POSITION, (), (1.0,) * 6, (0.5,) * 6, rates=(1.0,) * 6))
    world.begin()
    at = robot().state().joints.position
    _, sent = world.command(0)
    assert (np.abs(sent - at) <= PERIOD_S + 1e-9).all()


def test_episode_ends_and_a_new_epoch_begins_only_with_a_reset(world: World) -> None:
    for _ in range(10):
        world.tick()
    assert world.bridge.is_done
    assert world.bridge.observation is None
    assert not world.tick()
    assert world.command(10) == (CommandFate.LATE, None)
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


def late_hold(world: World, tick: int) -> tuple[CommandFate, object]:
    epoch = world.bridge.episode.epoch
    return world.bridge.command(epoch, tick, np.zeros(6, np.float32), is_hold=True, now_s=world.now_s)


def test_late_hold_reaches_the_robot(world: World) -> None:
    world.command(0)
    world.tick()
    fate, sent = late_hold(world, 0)
    assert fate is CommandFate.STANDING
    np.testing.assert_array_equal(sent, np.zeros(6))
    assert world.safe_after(0.14) is None  # it was an answer to a tick of a period ago
    assert world.bridge.stops == frozenset()


def test_holds_for_a_tick_of_long_ago_are_silence(world: World) -> None:
    world.command(0)
    for _ in range(5):
        world.tick()
        late_hold(world, 0)
        world.bridge.safe_command(world.now_s)
    assert world.bridge.stops == {Stop.SILENCE}
    assert late_hold(world, 0) == (CommandFate.STANDING, None)  # the robot keeps the safe command
    assert world.command(world.bridge.episode.tick)[1] is not None


TRAJECTORY = replace(
    POSITION, kind=CommandKind.TRAJECTORY, ahead=2, lower=(-0.2,) * 6, upper=(0.9,) * 6, rates=(4.0,) * 6
)


def planned(levels: list[float], plan_id: int = 3, epoch: int = 1, size: int = 6) -> Plan:
    """A plan from tick 0 on that predicts nothing."""
    actions = np.repeat(np.array(levels, np.float32)[:, None], size, axis=1)
    return Plan(plan_id, epoch, 0, 0, PERIOD_S, actions, np.zeros((len(levels) + 1, 0), np.float32), 1)


def chunk(
    world: World,
    tick: int,
    level: float,
    plan_id: int = 3,
    *,
    is_hold: bool = False,
    limits: ActionLimits | None = NO_LIMITS,
) -> np.ndarray:
    """Positions of one joint that the controller is told to pass."""
    fate, made = world.bridge.command(
        world.bridge.episode.epoch,
        tick,
        np.full(6, level, np.float32),
        is_hold=is_hold,
        now_s=world.now_s,
        plan_id=plan_id,
        limits=limits,
    )
    assert fate is CommandFate.TAKEN
    assert isinstance(made, JointTrajectory)
    np.testing.assert_allclose(made.times_s, PERIOD_S * np.arange(1, len(made.times_s) + 1))
    return made.positions[:, 1]


def test_trajectory_goes_on_with_the_plan_of_the_command_within_limits_and_rates() -> None:
    world = World(TRAJECTORY)
    world.begin()
    start = world.bridge.stop().positions[0, 1]
    world.bridge.hear_plan(planned([0.0, 0.1, -1.0, 1.0, 1.0]))
    first = chunk(world, 0, 0.0)
    assert len(first) == 3  # the command, and two of the plan
    assert np.abs(np.diff([start, *first])).max() <= 4.0 * PERIOD_S + 1e-9
    assert first.min() >= -0.2
    world.tick()
    assert chunk(world, 1, -0.4, plan_id=9).shape == (1,)  # nobody knows that plan
    world.tick()
    assert chunk(world, 2, -0.4, is_hold=True).shape == (1,)
    world.tick()
    assert chunk(world, 3, 0.4).shape == (2,)  # the plan ends


def test_trajectory_goes_on_with_the_plan_of_a_planner_that_was_started_again() -> None:
    """It counts its plans from 1 again, as the one before it did."""
    world = World(replace(TRAJECTORY, rates=()))
    world.begin()
    for plan_id in (1, 2):
        world.bridge.hear_plan(planned([0.3] * 5, plan_id))
    world.bridge.hear_plan(planned([-0.6] * 5, plan_id=1))
    np.testing.assert_allclose(chunk(world, 0, -0.6, plan_id=1), [-0.1] * 3, atol=1e-6)
    world.tick()
    assert chunk(world, 1, 0.3, plan_id=2).shape == (1,)  # nobody's any more


def test_planned_points_of_a_trajectory_keep_to_the_limits_of_commands() -> None:
    limited, other = World(TRAJECTORY), World(TRAJECTORY)
    for world, levels in ((limited, [0.0, 1.0, -1.0]), (other, [0.0, 0.1, -0.05])):
        world.begin()
        world.bridge.hear_plan(planned(levels))
    made = chunk(limited, 0, 0.0, limits=ActionLimits(0.1, 0.15))
    assert made.shape == (3,)
    np.testing.assert_allclose(made, chunk(other, 0, 0.0))
    limited.tick()
    assert chunk(limited, 1, 0.0, limits=None).shape == (1,)  # nobody knows how far


def test_plans_of_other_epochs_and_robots_make_no_trajectory() -> None:
    world = World(TRAJECTORY)
    world.begin()
    world.bridge.hear_plan(planned([0.0] * 5, epoch=7))
    with pytest.raises(PlanError, match="got actions of 2 values, expected 6"):
        world.bridge.hear_plan(planned([0.0] * 5, size=2))
    assert chunk(world, 0, 0.0).shape == (1,)


def test_safe_trajectory_stays_where_the_joints_are() -> None:
    world = World(TRAJECTORY)
    world.begin()
    chunk(world, 0, 0.5)
    made = world.safe_after(0.3)
    assert isinstance(made, JointTrajectory)
    joints = robot().state().joints
    assert made.times_s.tolist() == [0.0]
    expected = dict(zip(joints.names, np.clip(joints.position, -0.2, 0.9), strict=True))
    np.testing.assert_allclose(
        made.positions[0], [expected[name] for name in world.bridge.command_map.joints]
    )
