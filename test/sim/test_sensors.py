"""When what sensors tell makes a state of the body."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.readings import SECOND_PUBLISHER_S, STEPPING_S, ReadingFault, Sensor, SensorSettings
from spec_control_ros.sim.sensors import Sensors

JOINTS = ("hip", "knee")
YAWED = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
AGE_S, SKEW_S = 0.1, 0.02


@pytest.fixture
def sensors() -> Sensors:
    return Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S))


def hear_joints(sensors: Sensors, stamp_s: float = 5.0, now_s: float = 0.0, **given: Any) -> None:
    row = {"names": JOINTS, "position": np.array([0.1, 0.2]), "velocity": np.array([0.3, 0.4])} | given
    sensors.hear_joints(**row, stamp_s=stamp_s, now_s=now_s)


def hear_base(sensors: Sensors, stamp_s: float = 5.0, now_s: float = 0.0) -> None:
    sensors.hear_imu(YAWED, np.array([0.0, 0.0, 0.5]), stamp_s, now_s)
    sensors.hear_odometry(np.array([1.0, 2.0, 3.0]), np.array([4.0, 0.0, 0.0]), stamp_s, now_s)


def test_state_has_every_sensors_part_in_its_frame(sensors: Sensors) -> None:
    hear_joints(sensors)
    hear_base(sensors)
    state = sensors.read(0.0)
    assert state.joints.names == JOINTS
    assert state.joints.position.tolist() == [0.1, 0.2]
    assert state.joints.velocity.tolist() == [0.3, 0.4]
    assert state.base.position.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(
        state.base.linear_velocity, [0.0, 4.0, 0.0], atol=1e-12
    )  # turned into the world
    assert state.base.angular_velocity.tolist() == [0.0, 0.0, 0.5]


def test_sign_of_the_quaternion_never_jumps(sensors: Sensors) -> None:
    """As that of a turn through half of a circle, which drivers that keep w positive tell with a jump."""
    for start_s in (1, 101):
        for stamp_s, turn in enumerate(np.linspace(0.0, 2.0 * np.pi, 30), start_s):
            yawed = np.array([np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)])
            sensors.hear_imu(np.copysign(1.0, yawed[0]) * yawed, np.zeros(3), stamp_s, stamp_s)
            sensors.hear_odometry(np.zeros(3), np.zeros(3), stamp_s, stamp_s)
            hear_joints(sensors, stamp_s, stamp_s)
            np.testing.assert_allclose(sensors.read(stamp_s).base.orientation, yawed, atol=1e-12)
        sensors.forget()  # the next episode begins with no turn again


def test_nothing_is_known_before_every_sensor_was_heard(sensors: Sensors) -> None:
    hear_base(sensors)
    assert sensors.read(0.0) is None
    hear_joints(sensors, names=("hip",), position=np.zeros(1), velocity=np.zeros(1))
    assert sensors.read(0.0) is None
    hear_joints(sensors, names=("tail", "knee"))
    assert sensors.read(0.0) is not None
    assert sensors.faults == {ReadingFault.MISSING: 2}


def test_joint_states_may_come_in_parts_and_in_any_order(sensors: Sensors) -> None:
    hear_base(sensors)
    hear_joints(sensors, names=("knee", "tail", "hip"), position=np.arange(3.0), velocity=np.arange(3.0))
    assert sensors.read(0.0).joints.position.tolist() == [2.0, 0.0]
    hear_joints(sensors, names=("hip",), position=np.array([7.0]), velocity=np.zeros(1))
    assert sensors.read(0.0).joints.position.tolist() == [7.0, 0.0]


def test_robot_without_a_base_needs_joints_only() -> None:
    sensors = Sensors(JOINTS, SensorSettings(), has_base=False)
    hear_joints(sensors)
    assert sensors.read(0.0) is not None


@given(age_s=st.floats(0.0, 1.0), part=st.sampled_from(["joints", "base"]))
def test_one_stale_sensor_makes_the_state_stale(age_s: float, part: str) -> None:
    sensors = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=60.0))
    hear_joints(sensors, now_s=0.0 if part == "joints" else age_s)
    hear_base(sensors, now_s=0.0 if part == "base" else age_s)
    assert (sensors.read(age_s) is None) == (age_s > AGE_S)
    assert sensors.faults[ReadingFault.STALE] == (age_s > AGE_S)


@given(skew_s=st.floats(-1.0, 1.0))
def test_sensors_that_were_taken_apart_make_no_state(skew_s: float) -> None:
    sensors = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S))
    hear_joints(sensors, stamp_s=5.0)
    hear_base(sensors, stamp_s=5.0 + skew_s)
    is_apart = abs((5.0 + skew_s) - 5.0) > SKEW_S
    assert (sensors.read(0.0) is None) == is_apart
    assert sensors.faults[ReadingFault.SKEWED] == is_apart


@pytest.mark.parametrize(
    "given",
    [
        {"velocity": np.zeros(0)},
        {"velocity": np.zeros(3)},
        {"position": np.array([0.0, np.nan])},
        {"velocity": np.array([0.0, np.inf])},
        {"position": np.array([0.0, 1e9])},
    ],
)
def test_bad_joint_states_are_refused_counted_and_change_nothing(
    sensors: Sensors, given: dict[str, Any]
) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    hear_joints(sensors, now_s=AGE_S * 2, **given)
    assert sensors.faults == {ReadingFault.BAD_MESSAGE: 1}
    assert sensors.read(0.0).joints.position.tolist() == [0.1, 0.2]
    assert sensors.read(AGE_S * 2) is None


@pytest.mark.parametrize("orientation", [np.zeros(4), np.array([1.0, 1.0, 0, 0]), np.full(4, np.nan)])
def test_orientation_that_is_none_is_refused(sensors: Sensors, orientation: np.ndarray) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    sensors.hear_imu(orientation, np.zeros(3), 5.0, 0.0)
    sensors.hear_imu(YAWED, np.array([0.0, np.nan, 0.0]), 5.0, 0.0)
    assert sensors.faults == {ReadingFault.BAD_MESSAGE: 2}
    np.testing.assert_allclose(sensors.read(0.0).base.orientation, YAWED)


def test_slightly_long_quaternion_is_normalised(sensors: Sensors) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    sensors.hear_imu(1.005 * YAWED, np.zeros(3), 5.0, 0.0)
    assert np.linalg.norm(sensors.read(0.0).base.orientation) == pytest.approx(1.0)


def test_what_is_forgotten_must_be_heard_again(sensors: Sensors) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    sensors.forget()
    hear_joints(sensors)
    assert sensors.faults_now(0.0) == dict.fromkeys((Sensor.IMU, Sensor.ODOMETRY), ReadingFault.MISSING)
    hear_base(sensors)
    assert sensors.faults_now(0.0) == {}


def test_in_lockstep_every_stamp_is_read_once_and_only_when_all_bear_it(sensors: Sensors) -> None:
    hear_joints(sensors, stamp_s=1.0)
    assert sensors.read_next() is None
    hear_base(sensors, stamp_s=1.0)
    assert sensors.read_next() is not None
    hear_joints(sensors, stamp_s=1.0)  # said again
    assert sensors.read_next() is None
    hear_base(sensors, stamp_s=2.0)
    assert sensors.read_next() is None
    hear_joints(sensors, stamp_s=2.0)
    assert sensors.read_next() is not None


def hear_all(sensors: Sensors, now_s: float, *, same: tuple[str, ...] = ()) -> None:
    """Every sensor tells something new at every moment, but for those that stand still."""
    t = {name: 0.0 if name in same else now_s for name in ("joint_states", "imu", "odom")}
    hear_joints(sensors, now_s, now_s, position=np.array([t["joint_states"], 0.0]))
    sensors.hear_imu(YAWED, np.array([t["imu"], 0.0, 0.0]), now_s, now_s)
    sensors.hear_odometry(np.array([t["odom"], 0.0, 0.0]), np.zeros(3), now_s, now_s)


def fly(
    sensors: Sensors, periods: int, *, same: tuple[str, ...], start_s: float = 10.0, is_commanded: bool = True
) -> list[dict[Sensor, ReadingFault]]:
    """What is wrong after each of some control periods of 50 ms, with three messages of each sensor."""
    found = []
    for period in range(periods):
        for message in range(3):
            hear_all(sensors, start_s + 0.05 * period + 0.015 * message, same=same)
        found.append(sensors.faults_now(start_s + 0.05 * period + 0.04))
        if is_commanded:
            sensors.command_changed()
    return found


@pytest.mark.parametrize("same", [("joint_states",), ("imu",), ("odom",), ("joint_states", "imu", "odom")])
def test_values_that_stand_still_while_commands_change_are_frozen_until_they_change(
    sensors: Sensors, same: tuple[str, ...]
) -> None:
    frozen = {Sensor(name): ReadingFault.FROZEN for name in same}
    assert fly(sensors, 8, same=same) == [{}] * 5 + [frozen] * 3
    assert fly(sensors, 3, same=same, start_s=20.0, is_commanded=False) == [frozen] * 3  # it is not forgotten
    assert fly(sensors, 8, same=(), start_s=30.0) == [{}] * 8


def test_robot_that_is_not_told_to_move_may_stand_still(sensors: Sensors) -> None:
    assert fly(sensors, 50, same=("joint_states", "imu", "odom"), is_commanded=False) == [{}] * 50


def test_sensor_may_be_declared_to_stand_still() -> None:
    settings = SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S, may_stand_still=("odom",))
    sensors = Sensors(JOINTS, settings)
    assert fly(sensors, 50, same=("odom",)) == [{}] * 50
    assert fly(sensors, 8, same=("odom", "imu"), start_s=20.0)[-1] == {Sensor.IMU: ReadingFault.FROZEN}
    with pytest.raises(SettingsError, match="got 'gyro', expected some of joint_states, imu, odom"):
        SensorSettings(may_stand_still=("gyro",))


def test_part_of_the_joints_that_stands_still_is_frozen(sensors: Sensors) -> None:
    """A message vouches for its joints together: one of them may be at rest, but not a whole leg's driver."""
    for i in range(10):
        now_s = 10.0 + 0.05 * i
        hear_base(sensors, now_s, now_s)
        sensors.hear_imu(YAWED, np.array([now_s, 0.0, 0.0]), now_s, now_s)
        sensors.hear_odometry(np.array([now_s, 0.0, 0.0]), np.zeros(3), now_s, now_s)
        for name, position in (("hip", now_s), ("knee", 0.0)):
            hear_joints(
                sensors, now_s, now_s, names=(name,), position=np.array([position]), velocity=np.zeros(1)
            )
        sensors.command_changed()
    assert sensors.faults_now(now_s) == {Sensor.JOINTS: ReadingFault.FROZEN}


def test_stamp_that_stands_still_is_told_however_new_the_values(sensors: Sensors) -> None:
    for i in range(10):
        now_s = 10.0 + 0.03 * i
        hear_joints(sensors, 5.0, now_s, position=np.full(2, now_s))
        hear_base(sensors, 0.0, now_s)  # without stamps
        expected = {Sensor.JOINTS: ReadingFault.SAME_STAMP} if 0.03 * i > AGE_S else {}
        assert sensors.faults_now(now_s) == expected
    hear_joints(sensors, 4.0, now_s)  # a clock that was set back is no clock that stands still
    hear_base(sensors, 4.0, now_s)
    assert sensors.faults_now(now_s) == {}


def hear_late(sensors: Sensors, now_s: float, delay_s: float) -> set[ReadingFault]:
    """Every sensor tells what it stamped so long ago; what is wrong then."""
    hear_joints(sensors, 1e4 + now_s - delay_s, now_s)
    hear_base(sensors, 1e4 + now_s - delay_s, now_s)
    return set(sensors.faults_now(now_s).values())


def test_messages_that_all_come_late_after_an_outage_are_told_until_the_delay_is_gone(
    sensors: Sensors,
) -> None:
    assert [hear_late(sensors, 0.01 * i, 0.0) for i in range(100)] == [set()] * 100
    assert [hear_late(sensors, 3.0 + 0.01 * i, 2.0) for i in range(1000)] == [{ReadingFault.DELAYED}] * 1000
    assert [hear_late(sensors, 13.0 + 0.01 * i, 0.0) for i in range(10)] == [set()] * 10


def test_delay_that_grows_slowly_is_told(sensors: Sensors) -> None:
    """Messages come every 10 ms, and their stamps go on by 5 ms."""
    faults = [hear_late(sensors, 0.01 * i, 0.005 * i) for i in range(1000)]
    assert faults[: int(AGE_S / 0.005)] == [set()] * int(AGE_S / 0.005)
    assert faults[30:] == [{ReadingFault.DELAYED}] * 970


def test_clocks_that_drift_apart_and_simulations_that_are_slow_make_no_delay(sensors: Sensors) -> None:
    assert all(hear_late(sensors, 0.05 * i, 0.05 * i * 0.9e-3) == set() for i in range(10_000))
    slow = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S), has_own_time=True)
    assert all(hear_late(slow, 0.01 * i, 0.005 * i) == set() for i in range(1000))


def test_robots_clock_that_was_set_in_an_outage_is_told_until_the_sensors_are_forgotten(
    sensors: Sensors,
) -> None:
    hear_late(sensors, 0.0, 0.0)
    assert hear_late(sensors, 1.0, 3600.0) == {ReadingFault.DELAYED}
    sensors.forget()
    assert hear_late(sensors, 1.01, 3600.0) == set()


RANGES = np.array([[-np.inf, np.inf], [-2.6, 0.0]])  # the hip turns on and on


@pytest.mark.parametrize("knee", [-1.04 + 2.0 * np.pi, np.rad2deg(-1.04), 0.21, -2.81])
def test_joint_that_cannot_be_where_it_is_told_to_be_is_refused_by_name(knee: float) -> None:
    sensors = Sensors(JOINTS, SensorSettings(range_margin=0.2), ranges=RANGES)
    hear_base(sensors)
    hear_joints(sensors, position=np.array([50.0, 0.19]))
    hear_joints(sensors, position=np.array([50.0, knee]))
    hear_joints(sensors, names=("tail", "knee"), position=np.array([0.0, knee]))
    assert sensors.faults == {ReadingFault.OUT_OF_RANGE: 2}
    assert sensors.read(0.0).joints.position.tolist() == [50.0, 0.19]
    told = sensors.take_refused()
    assert "joint_states: refused 2 messages as out_of_range (knee: " in told
    assert f"knee: got {knee:.4g}, expected -2.6 to 0, as the model has it, and at most 0.2 beyond" in told
    assert sensors.take_refused() == ""


def test_sensors_without_stamps_are_believed(sensors: Sensors) -> None:
    for i in range(10):
        hear_joints(sensors, 0.0, 0.05 * i, position=np.full(2, 0.05 * i))
        hear_base(sensors, 0.0, 0.05 * i)
        assert sensors.faults_now(0.05 * i) == {}


def test_second_publisher_of_the_same_values_is_told_until_it_is_gone(sensors: Sensors) -> None:
    both = (("hip",), np.zeros(1), np.zeros(1), 5.0)
    hear_base(sensors)
    sensors.hear_joints(*both, now_s=0.0, source=b"left")
    hear_joints(sensors, names=("knee",), position=np.zeros(1), velocity=np.zeros(1), source=b"right")
    assert sensors.faults_now(0.0) == {}  # each has joints of its own
    assert sensors.hear_joints(*both, now_s=0.01, source=b"right") is ReadingFault.TWO_PUBLISHERS
    assert sensors.faults_now(0.01) == {Sensor.JOINTS: ReadingFault.TWO_PUBLISHERS}
    assert sensors.faults[ReadingFault.TWO_PUBLISHERS] == 1
    now_s = 0.02 + SECOND_PUBLISHER_S
    hear_joints(sensors, 6.0, now_s, source=b"left")
    hear_base(sensors, 6.0, now_s)
    assert sensors.faults_now(now_s) == {}


def test_publisher_that_was_started_again_is_no_second_one(sensors: Sensors) -> None:
    hear_base(sensors)
    hear_joints(sensors, source=b"before")
    hear_base(sensors, 6.0, AGE_S * 2)
    hear_joints(sensors, 6.0, AGE_S * 2, source=b"after")
    assert sensors.faults_now(AGE_S * 2) == {}


def test_message_that_names_a_joint_twice_is_refused(sensors: Sensors) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    three = np.ones(3)
    hear_joints(sensors, names=("hip", "knee", "hip"), position=three, velocity=three)
    assert sensors.faults == {ReadingFault.REPEATED_NAME: 1}
    assert sensors.read(0.0).joints.position.tolist() == [0.1, 0.2]
    hear_joints(sensors, names=("knee", "tail", "tail"), position=three, velocity=three)  # no joints of ours
    assert sensors.faults == {ReadingFault.REPEATED_NAME: 1}


@pytest.mark.parametrize("step_s", [-3600.0, -5.0, 5.0])
def test_robots_clock_that_is_set_makes_no_skew_but_one_sensors_own_clock_does(step_s: float) -> None:
    sensors = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S))
    hear_joints(sensors, 1e4, 0.0)
    hear_base(sensors, 1e4, 0.0)
    now_s, stepped = 0.5 * AGE_S, 1e4 + 0.5 * AGE_S + step_s
    hear_joints(sensors, stepped, now_s)
    assert sensors.faults_now(now_s) == {}  # the others are yet to come
    hear_base(sensors, stepped, now_s)
    later_s = now_s + 0.9 * AGE_S
    hear_joints(sensors, stepped + 0.9 * AGE_S, later_s)
    hear_base(sensors, stepped + 0.9 * AGE_S - step_s, later_s)  # goes back by itself
    assert sensors.faults_now(later_s) == {}
    for now_s in (later_s + 0.8 * AGE_S, later_s + 1.6 * AGE_S):
        stamp_s = stepped + now_s - 0.5 * AGE_S
        hear_joints(sensors, stamp_s, now_s)
        hear_base(sensors, stamp_s - step_s, now_s)
    assert set(sensors.faults_now(now_s).values()) == {ReadingFault.SKEWED}


def test_stamps_that_jump_again_and_again_are_told_and_hide_no_old_measurement() -> None:
    sensors = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S))
    now_s, faults = 0.0, []
    for i in range(8):
        now_s = 0.5 * AGE_S * i
        hear_joints(sensors, 1e4 + now_s, now_s)
        hear_base(sensors, 1e4 + now_s - 5.0 * (i % 2), now_s)
        faults.append(set(sensors.faults_now(now_s).values()))
    assert faults[:3] == [set()] * 3, "a single wrong stamp, there and back, is let pass"
    assert faults[3:] == [{ReadingFault.STEPPING}] * 5
    while now_s < 0.5 * AGE_S * 7 + 2 * STEPPING_S:
        now_s += 0.9 * AGE_S
        hear_joints(sensors, 1e4 + now_s, now_s)
        hear_base(sensors, 1e4 + now_s, now_s)
    assert sensors.faults_now(now_s) == {}


def test_sensor_without_stamps_is_believed_beside_others_that_have_them() -> None:
    sensors = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S))
    for i in range(10):
        now_s = 0.5 * AGE_S * i
        hear_joints(sensors, 0.0, now_s)
        hear_base(sensors, 1e4 + now_s, now_s)
        assert sensors.faults_now(now_s) == {}
    sensors.hear_odometry(np.zeros(3), np.zeros(3), 1e4 + now_s - 2 * SKEW_S, now_s)
    assert sensors.faults_now(now_s) == {Sensor.ODOMETRY: ReadingFault.SKEWED}
