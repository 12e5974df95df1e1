"""When what sensors tell makes a state of the body."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.sim.sensors import SensorFault, Sensors, SensorSettings

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


def test_nothing_is_known_before_every_sensor_was_heard(sensors: Sensors) -> None:
    hear_base(sensors)
    assert sensors.read(0.0) is None
    hear_joints(sensors, names=("hip",), position=np.zeros(1), velocity=np.zeros(1))
    assert sensors.read(0.0) is None
    hear_joints(sensors, names=("tail", "knee"))
    assert sensors.read(0.0) is not None
    assert sensors.faults == {SensorFault.MISSING: 2}


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
    assert sensors.faults[SensorFault.STALE] == (age_s > AGE_S)


@given(skew_s=st.floats(-1.0, 1.0))
def test_sensors_that_were_taken_apart_make_no_state(skew_s: float) -> None:
    sensors = Sensors(JOINTS, SensorSettings(max_age_s=AGE_S, max_skew_s=SKEW_S))
    hear_joints(sensors, stamp_s=5.0)
    hear_base(sensors, stamp_s=5.0 + skew_s)
    is_apart = abs((5.0 + skew_s) - 5.0) > SKEW_S
    assert (sensors.read(0.0) is None) == is_apart
    assert sensors.faults[SensorFault.SKEWED] == is_apart


@pytest.mark.parametrize(
    "given",
    [
        {"velocity": np.zeros(0)},
        {"velocity": np.zeros(3)},
        {"position": np.array([0.0, np.nan])},
        {"velocity": np.array([0.0, np.inf])},
    ],
)
def test_bad_joint_states_are_refused_counted_and_change_nothing(
    sensors: Sensors, given: dict[str, Any]
) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    hear_joints(sensors, now_s=AGE_S * 2, **given)
    assert sensors.faults == {SensorFault.BAD_MESSAGE: 1}
    assert sensors.read(0.0).joints.position.tolist() == [0.1, 0.2]
    assert sensors.read(AGE_S * 2) is None


@pytest.mark.parametrize("orientation", [np.zeros(4), np.array([1.0, 1.0, 0, 0]), np.full(4, np.nan)])
def test_orientation_that_is_none_is_refused(sensors: Sensors, orientation: np.ndarray) -> None:
    hear_base(sensors)
    hear_joints(sensors)
    sensors.hear_imu(orientation, np.zeros(3), 5.0, 0.0)
    sensors.hear_imu(YAWED, np.array([0.0, np.nan, 0.0]), 5.0, 0.0)
    assert sensors.faults == {SensorFault.BAD_MESSAGE: 2}
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
    assert sensors.fault(0.0) is SensorFault.MISSING
    hear_base(sensors)
    assert sensors.fault(0.0) is None


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
