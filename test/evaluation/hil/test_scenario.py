"""Scenario files."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.hil.scenario import ALWAYS, Scenario, find_scenarios, read_scenario
from spec_control_ros.sim.faults.sensor import Noise

CONFIG = Path(__file__).resolve().parents[3] / "config"
SHIPPED = sorted((CONFIG / "hil").glob("*.yaml"))


def read(folder: Path, text: str) -> Scenario:
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_scenario(path, CONFIG)


def test_file_tells_what_is_run_and_what_must_come_out(tmp_path: Path) -> None:
    scenario = read(
        tmp_path,
        """
        robot: humanoid-stand
        mode: realtime
        episodes: 3
        ticks: 80
        params: {executor: {hold: last}}
        faults: [{kind: noise, std: 0.3}]
        limits: {return_min: 10, time_to_hold_s_max: 0.5}
        """,
    )
    assert (scenario.name, scenario.robot) == ("mine", find_robot("humanoid-stand", CONFIG))
    assert scenario.arguments() == {
        "mode": "realtime",
        "hardware": "none",
        "model": "",
        "corrector": "auto",
        "episodes": "3",
        "seed": "0",
    }
    assert scenario.parameters() == {"executor": {"hold": "last"}, "sim_bridge": {"episode_ticks": 80}}
    assert scenario.schedule.faults == (Noise(std=0.3),)
    assert scenario.limits == {**ALWAYS, "return_min": 10.0, "time_to_hold_s_max": 0.5}


@pytest.mark.parametrize("limit", ["bad_commands_max: 5", "commands_seen_min: 0"])
def test_limits_of_all_scenarios_cannot_be_made_laxer(tmp_path: Path, limit: str) -> None:
    with pytest.raises(SettingsError, match=rf"limits.{limit.partition(':')[0]}: got .* for all"):
        read(tmp_path, f"{{robot: walker, limits: {{{limit}}}}}")


def test_emulated_robot_has_episodes_as_short(tmp_path: Path) -> None:
    scenario = read(tmp_path, "{robot: walker, hardware: emulator, ticks: 80}")
    assert scenario.arguments()["hardware"] == "emulator"
    assert scenario.parameters() == {"hardware_bridge": {"robot": {"episode_ticks": 80}}}
    own = "params: {hardware_bridge: {robot: {reset_timeout_s: 9.0}}}"
    scenario = read(tmp_path, f"{{robot: walker, hardware: emulator, ticks: 80, {own}}}")
    assert scenario.parameters() == {
        "hardware_bridge": {"robot": {"episode_ticks": 80, "reset_timeout_s": 9.0}}
    }


def test_faults_may_be_a_shipped_file_or_a_whole_schedule(tmp_path: Path) -> None:
    shipped = read(tmp_path, "{robot: walker, faults: noisy_sensors}").schedule
    assert len(shipped.faults) == 2
    whole = read(
        tmp_path, "{robot: walker, faults: {sizes: [0, 2], seed: 3, faults: [{kind: loss}]}}"
    ).schedule
    assert (whole.sizes, whole.seed) == ((0.0, 2.0), 3)
    assert read(tmp_path, "robot: walker").schedule.faults == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got no `robot`"),
        ("robot: dog", "robot: got 'dog'"),
        ("{robot: walker, colour: red}", "colour: unknown, expected one of robot, description, mode"),
        ("{robot: walker, episodes: 0}", "episodes: got 0, expected a whole number from 1 on"),
        ("{robot: walker, ticks: -1}", "ticks: got -1, expected a whole number from 0 on"),
        (
            "{robot: walker, params: {walker: {}}}",
            "params: got .*, expected parameters below planner, executor",
        ),
        ("{robot: walker, faults: gremlins}", "faults: got 'gremlins', expected a file or one of"),
        ("{robot: walker, faults: [{kind: x}]}", r"faults\[0\].kind: got 'x'"),
        ("{robot: walker, limits: [1]}", "limits: got "),
        (
            "{robot: walker, limits: {return: 1}}",
            "limits.return: unknown, expected _min or _max after one of return",
        ),
        ("{robot: walker, limits: {joy_min: 1}}", "limits.joy_min: unknown"),
        (
            "{robot: walker, limits: {return_min: much}}",
            "limits.return_min: got 'much', expected a finite number",
        ),
        ("{robot: [", "not YAML"),
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "mine.yaml"))


def test_scenarios_are_found_by_name_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("robot: walker")
    (tmp_path / "a.yaml").write_text("robot: walker")
    assert find_scenarios(["all"], CONFIG) == SHIPPED
    assert find_scenarios([SHIPPED[1].stem, SHIPPED[0].stem, SHIPPED[1].stem], CONFIG) == [
        SHIPPED[1],
        SHIPPED[0],
    ]
    assert find_scenarios([str(tmp_path)], CONFIG) == [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    assert find_scenarios([str(tmp_path / "b.yaml")], CONFIG) == [tmp_path / "b.yaml"]
    with pytest.raises(
        SettingsError, match=r"scenario: got 'gremlins', expected a file, a folder .* or one of all"
    ):
        find_scenarios(["gremlins"], CONFIG)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_can_be_read_and_say_what_they_are(path: Path) -> None:
    scenario = read_scenario(path, CONFIG)
    assert scenario.description
    assert scenario.limits.keys() > ALWAYS.keys()
