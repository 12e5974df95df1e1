"""What falsified sensors say."""

import numpy as np
import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.faults.sensor import (
    Bias,
    Corruption,
    Freeze,
    Jitter,
    Latency,
    Noise,
    SensorFault,
    check_indices,
)

TICKS = 12
ON = range(4, 9)  # ticks at which the fault is there


def told(fault: SensorFault, seed: int = 0) -> np.ndarray:
    """What is said (tick, obs) while the truth counts the ticks."""
    sense = fault.begin(np.random.default_rng(seed))
    return np.stack([sense(np.full(3, t, np.float32), t in ON) for t in range(TICKS)])


TRUTH = np.repeat(np.arange(TICKS, dtype=np.float32)[:, None], 3, axis=1)
OFF = [t for t in range(TICKS) if t not in ON]


@pytest.mark.parametrize("fault", [Bias(), Noise(), Corruption(), Freeze(), Latency(), Jitter(ticks=8)])
def test_sensors_say_the_truth_outside_of_the_window_and_else_not(fault: SensorFault) -> None:
    said = told(fault)
    assert said.dtype == np.float32
    np.testing.assert_array_equal(said[OFF], TRUTH[OFF])
    assert not np.array_equal(said[list(ON)], TRUTH[list(ON)])


@pytest.mark.parametrize(
    "fault", [Bias(value=2.0, indices=(1,)), Noise(indices=(1,)), Corruption(indices=(1,))]
)
def test_values_that_are_not_named_stay_true(fault: SensorFault) -> None:
    said = told(fault)
    np.testing.assert_array_equal(said[:, [0, 2]], TRUTH[:, [0, 2]])
    assert not np.array_equal(said[:, 1], TRUTH[:, 1])


def test_bias_is_added() -> None:
    np.testing.assert_array_equal(told(Bias(value=-0.5))[list(ON)], TRUTH[list(ON)] - 0.5)


def test_noise_has_its_spread_and_its_seed() -> None:
    sense = Noise(std=0.2).begin(np.random.default_rng(1))
    error = np.concatenate([sense(np.zeros(100, np.float32), True) for _ in range(100)])
    assert error.std() == pytest.approx(0.2, rel=0.05)
    assert abs(error.mean()) < 0.01
    np.testing.assert_array_equal(told(Noise(), seed=3), told(Noise(), seed=3))
    assert not np.array_equal(told(Noise(), seed=3), told(Noise(), seed=4))


def test_frozen_sensors_repeat_what_they_said_last_before() -> None:
    assert (told(Freeze())[list(ON)] == 3.0).all()


def test_frozen_from_the_start_they_repeat_the_first_observation() -> None:
    sense = Freeze().begin(np.random.default_rng(0))
    assert [sense(np.full(1, t, np.float32), True)[0] for t in (7, 8, 9)] == [7.0] * 3


def test_latent_sensors_tell_old_news_and_never_go_back_in_time() -> None:
    # At its beginning nothing newer than what was told before is known: they seem to stand still.
    assert told(Latency(ticks=3))[:, 0].tolist() == [0, 1, 2, 3, 3, 3, 3, 4, 5, 9, 10, 11]


def test_jitter_tells_news_of_every_age_up_to_its_limit() -> None:
    sense = Jitter(ticks=3).begin(np.random.default_rng(0))
    said = np.array([sense(np.full(1, t, np.float32), True)[0] for t in range(400)])
    age = np.arange(400) - said
    assert set(age[3:]) <= {0, 1, 2, 3}
    assert {0, 1, 2} <= set(age)
    assert (np.diff(said) >= 0).all()


def test_values_that_there_are_not_are_refused() -> None:
    check_indices(Bias(indices=(0, 4)), 5)
    with pytest.raises(SettingsError, match="indices: got 5, expected whole numbers from 0 to 4"):
        check_indices(Bias(indices=(0, 5)), 5)
