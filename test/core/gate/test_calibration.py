import json
from dataclasses import replace
from typing import Any

import pytest

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.gate import GateCalibration, GateMode, GateSettings, Metric
from spec_control_ros.core.gate.calibration import RegretThresholds
from spec_control_ros.core.gate.thresholds import thresholds_by_age

CALIBRATION = GateCalibration(
    mode=GateMode.ADAPTIVE,
    false_alarm_rate=0.01,
    correction_rate=0.9,
    rates=(0.01, 0.1, 0.5, 0.9),
    thresholds={Metric.L2: ((0.8, 0.4, 0.2, 0.1), (1.6, 0.8, 0.4, 0.2))},
    sensitivity=0.9,
    value_weights=(1.0, 0.5),
)


def card(**changes: Any) -> dict[str, Any]:
    return {"gate": CALIBRATION.as_card() | changes}


def test_calibration_survives_the_card() -> None:
    assert GateCalibration.of(json.loads(json.dumps(card()))) == CALIBRATION


def test_card_may_hold_more_than_the_calibration() -> None:
    assert GateCalibration.of(card(calibration={"command": "spec-control calibrate"})) == CALIBRATION


def test_card_without_a_calibration_gives_none() -> None:
    assert GateCalibration.of({"task": "walker-walk"}) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "strict"},
        {"rates": None},
        {"rates": [0.01, 0.1]},  # without the median
        {"rates": [0.5, 0.1, 0.01, 0.9]},
        {"thresholds": {"l3": [[0.8, 0.4, 0.2, 0.1]]}},
        {"thresholds": {"l2": [[0.8, 0.4]]}},
        {"thresholds": {"l2": [[0.1, 0.2, 0.4, 0.8]]}},
        {"thresholds": {"l2": [[0.8, 0.4, 0.2, -0.1]]}},
        {"thresholds": {"l2": [[float("nan"), 0.4, 0.2, 0.1]]}},
        {"thresholds": {"l2": [["wide", 0.4, 0.2, 0.1]]}},
        {"thresholds": [0.1]},
        {"false_alarm_rate": "low"},
        {"sensitivity": 0.0},
        {"value_weights": [1.0, -1.0]},
    ],
    ids=str,
)
def test_damaged_card_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="walker: `gate` of its card is not a valid calibration"):
        GateCalibration.of(card(**changes), "walker")


def test_card_that_lacks_a_part_is_refused() -> None:
    with pytest.raises(CheckpointError, match="rates"):
        GateCalibration.of({"gate": {k: v for k, v in card()["gate"].items() if k != "rates"}})


@pytest.mark.parametrize(("rate", "expected"), [(0.01, (0.8, 1.6)), (0.5, (0.2, 0.4)), (1.0, (0.0, 0.0))])
def test_calibrated_rates_have_their_thresholds(rate: float, expected: tuple[float, float]) -> None:
    assert CALIBRATION.by_age(Metric.L2, rate) == pytest.approx(expected)


def test_thresholds_between_two_rates_lie_between_theirs() -> None:
    geometric_mean = (0.01 * 0.1) ** 0.5
    assert CALIBRATION.by_age(Metric.L2, geometric_mean) == pytest.approx((0.6, 1.2))


@pytest.mark.parametrize("rate", [0.0, 0.009, 1.1, float("nan")])
def test_rate_beyond_the_data_is_refused(rate: float) -> None:
    with pytest.raises(SettingsError, match=r"expected 0\.01 to 1; calibrate with more episodes"):
        CALIBRATION.by_age(Metric.L2, rate)


def test_metric_that_was_not_calibrated_is_refused() -> None:
    with pytest.raises(SettingsError, match="value is not calibrated, expected one of l2"):
        CALIBRATION.by_age(Metric.VALUE, 0.1)


def test_thresholds_by_regret_survive_the_card_and_rule_their_mode() -> None:
    regret = RegretThresholds(Metric.RELATIVE_L2, (0.1, 0.0), (0.3, 0.0))
    calibration = replace(CALIBRATION, regret=regret)
    assert GateCalibration.of({"gate": json.loads(json.dumps(calibration.as_card()))}) == calibration
    settings = GateSettings(mode=GateMode.REGRET)
    first, last = thresholds_by_age(settings, calibration, GateMode.REGRET)
    assert (first.accept, first.replan, last.accept, last.replan) == (0.1, 0.3, 0.0, 0.0)
    with pytest.raises(CheckpointError, match="no thresholds by regret"):
        thresholds_by_age(settings, CALIBRATION, GateMode.REGRET)
    with pytest.raises(SettingsError, match="expected relative_l2"):
        thresholds_by_age(replace(settings, metric=Metric.L2), calibration, GateMode.REGRET)


@pytest.mark.parametrize(
    ("accept", "replan"), [((0.1,), ()), ((), ()), ((0.4,), (0.3,)), ((0.0,), (float("inf"),))]
)
def test_thresholds_by_regret_that_cannot_be_are_refused(
    accept: tuple[float, ...], replan: tuple[float, ...]
) -> None:
    with pytest.raises(SettingsError, match="a pair an age"):
        RegretThresholds(Metric.L2, accept, replan)
