"""Modes by name."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.parameter_files import merge, read_parameters
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate import GateCalibration
from spec_control_ros.core.gate.thresholds import effective_mode, thresholds_by_age
from spec_control_ros.evaluation.control_mode import MODES, RIVALS, ControlMode, delayed_names, find_modes
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.world_model.card import folder_card

FOLDER = Path(__file__).parents[2] / "config" / "modes"


def test_every_mode_has_its_file_and_every_file_is_a_mode() -> None:
    files = {mode.file.stem for mode in find_modes(list({*MODES, *RIVALS}), FOLDER)}
    assert files == {path.stem for path in FOLDER.glob("*.yaml")}


def test_suffix_is_a_delay() -> None:
    mode = ControlMode.find("two_tower_d3", FOLDER)
    assert (mode.name, mode.file.stem, mode.delay_ticks) == ("two_tower_d3", "two_tower", 3)
    assert ControlMode.find("two_tower", FOLDER).delay_ticks == 0


@pytest.mark.parametrize("name", sorted({*MODES, *RIVALS}))
def test_every_mode_goes_with_a_robot_whose_gate_has_rates(name: str) -> None:
    given = {"executor": {"gate": {"correction_rate": 0.9, "false_alarm_rate": 0.02}}}
    parameters = merge(given, read_parameters([ControlMode.find(name, FOLDER).file]))
    gate = ControllerSettings.of(parameters).gate
    calibration = GateCalibration.of(folder_card(FOLDER.parents[1] / "models" / "walker-walk"))
    assert thresholds_by_age(gate, calibration, effective_mode(gate, calibration))


def test_only_prior_and_student_have_no_planner() -> None:
    assert [mode.name for mode in find_modes(MODES, FOLDER) if not mode.has_planner] == ["prior", "student"]


@pytest.mark.parametrize(
    "name", ["", "oracle", "two_tower_d101", "prior_d1", "student_d1", "../modes/replan"]
)
def test_unknown_mode_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(SettingsError, match=r"expected one of .*open_loop_2.*replan"):
        ControlMode.find(name, FOLDER)


@pytest.mark.parametrize("name", ["replan_d2", "prior_d2", "student_d2"])
def test_baselines_have_no_delay(name: str) -> None:
    with pytest.raises(SettingsError, match="all but replan, prior and student with a delay"):
        ControlMode.find(name, FOLDER)


def test_mode_named_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="replan twice"):
        find_modes(["replan", "prior", "replan"], FOLDER)


def test_every_mode_gets_every_delay_but_for_the_baselines() -> None:
    names = delayed_names(["naive", "replan", "pipelined"], "0,12")
    assert names == ["replan", "naive_d0", "naive_d12", "pipelined_d0", "pipelined_d12"]
    assert ControlMode.find("naive_d0", FOLDER).delay_ticks == 0
    assert delayed_names([], "2") == ["replan", "prior", *(f"{name}_d2" for name in RIVALS)]


@pytest.mark.parametrize("delays", ["two", "1,", "-1", "1.5"])
def test_delay_that_is_no_number_is_refused(delays: str) -> None:
    with pytest.raises(SettingsError, match="delays: got"):
        delayed_names(["naive"], delays)
