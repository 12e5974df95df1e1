"""A parameter that its node does not have is refused by commands that run no node as well."""

from pathlib import Path
from typing import Any

import pytest

from spec_control_ros.bringup.parameter_files import merge, read_parameters
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.world_model.card import named_format

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"planner": {"queue_length": 5}}, "planner: unknown parameter queue_length"),
        ({"planner": {"planer": {"queue_length": 5}}}, "planner: unknown parameter planer.queue_length"),
        ({"planner": {"planner": {"queue_lenght": 5}}}, "planner.queue_lenght: unknown"),
        ({"planner": {"fleets": {"far": {"modell": "x"}}}}, "unknown parameter fleets.far.modell"),
        ({"executor": {"accept": 0.2}}, "executor: unknown parameter accept; .*gate.accept"),
        ({"executor": {"real_time": {"prio": 1}}}, "executor: unknown parameter real_time.prio"),
        ({"sim_bridge": {"episode_tick": 3}}, "sim_bridge: unknown parameter episode_tick; .*episode_ticks"),
        ({"hardware_bridge": {"controler": {"kind": "effort"}}}, "hardware_bridge: unknown parameter contro"),
    ],
)
def test_unknown_name_is_refused(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        ControllerSettings.of(parameters)


def test_parameters_that_have_nothing_to_do_with_control_are_taken() -> None:
    own = {"use_sim_time": True, "qos_overrides": {"/clock": {"subscription": {"depth": 1}}}}
    parameters: dict[str, Any] = {
        "planner": {**own, "threads": 2, "fleets": {"far": {"model": "x", "planner": {"queue_length": 3}}}},
        "executor": {**own, "listeners": "a", "supervision": {"rate": False}, "real_time": {"priority": 5}},
        "sim_bridge": {**own, "episode_ticks": 10},
        "hardware_bridge": {"sensors": {"max_age_s": 0.2}, "controller": {"kind": "effort"}},
        "hardware_emulator": {"rate_hz": 100.0},
        "recorder": {"storage": "mcap"},
    }
    assert ControllerSettings.of(parameters) == ControllerSettings()


@pytest.mark.parametrize("robot", sorted(path.stem for path in (CONFIG / "robots").glob("*.yaml")))
def test_every_shipped_robot_is_taken(robot: str) -> None:
    found = find_robot(robot, CONFIG)
    kind = named_format(found.model).settings
    for mode in ("", "lockstep", "realtime"):
        for has_hardware in (False, True):
            ControllerSettings.of(found.parameters(mode, has_hardware=has_hardware), kind)


@pytest.mark.parametrize("mode", sorted(path.stem for path in (CONFIG / "modes").glob("*.yaml")))
def test_every_shipped_mode_is_taken(mode: str) -> None:
    own = find_robot("walker", CONFIG).parameters("lockstep")
    ControllerSettings.of(merge(own, read_parameters([CONFIG / "modes" / f"{mode}.yaml"])))
