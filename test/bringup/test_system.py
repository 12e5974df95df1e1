"""The one description of the running system."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from spec_control_ros.bringup.parameter_files import read_parameters
from spec_control_ros.bringup.supervisor import command_line
from spec_control_ros.bringup.system import (
    BRIDGES,
    ROBOTS,
    Process,
    absolute_topics,
    arguments,
    bag_folder,
    heard,
    processes,
    recorded_topics,
    recorder,
    robot_of,
)
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.settings import settings_from
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.command_map import CommandMap, CommandMapSettings
from spec_control_ros.sim.environment import make_control_plant, make_env
from spec_control_ros.sim.robot_bridge import RobotBridgeSettings
from spec_control_ros.sim.sensors import SensorSettings
from spec_control_ros.world_model.tdmpc2_planner import PlannerSettings

CONFIG = Path(__file__).parents[2] / "config"
# Settings that the nodes nest under a name; the nodes' own fields are tested with the nodes.
NESTED = {
    ("planner", "planner"): PlannerSettings,
    ("executor", "gate"): GateSettings,
    ("executor", "executor"): ExecutorSettings,
    ("hardware_bridge", "controller"): CommandMapSettings,
    ("hardware_bridge", "sensors"): SensorSettings,
    ("hardware_bridge", "robot"): RobotBridgeSettings,
}


def by_name(robot: str = "humanoid", **given: str) -> dict[str, Process]:
    return {p.executable: p for p in processes(robot, given, CONFIG)}


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_argument_has_a_description_and_an_allowed_default(robot: str) -> None:
    named = arguments(robot)
    assert len({a.name for a in named}) == len(named)
    for argument in named:
        assert argument.description
        assert not argument.choices or argument.default in argument.choices


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_robot_has_a_task_that_there_is_and_its_files(robot: str) -> None:
    make_env(ROBOTS[robot])
    system = by_name(robot)
    assert list(system) == ["planner", "executor", "sim_bridge"]
    for process in system.values():
        assert [f.name for f in process.parameter_files] == [f"{robot}.yaml", "lockstep.yaml"]
        assert all(f.is_file() for f in process.parameter_files)


def test_arguments_reach_the_processes_that_they_concern(tmp_path: Path) -> None:
    params = tmp_path / "mine.yaml"
    params.write_text("{}")
    system = by_name(
        model="m",
        mode="realtime",
        seed="3",
        episodes="0",
        corrector="temporal",
        device="cuda",
        headless="false",
        params=str(params),
    )
    assert system["planner"].parameters == {"model": "m", "device": "cuda", "planner.seed": 3}
    assert system["executor"].parameters == {"model": "m", "corrector": "temporal"}
    assert system["sim_bridge"].parameters == {
        **{"task": "humanoid-walk", "mode": "realtime", "episodes": 0, "seed": 3},
        **{"headless": False, "video": "", "faults": ""},
    }
    for process in system.values():
        assert process.parameter_files == (CONFIG / "humanoid.yaml", CONFIG / "realtime.yaml", params)


def test_model_is_named_like_the_task_unless_said_otherwise() -> None:
    assert by_name(task="cup-catch")["planner"].parameters["model"] == "cup-catch"


@pytest.mark.parametrize("robot", ROBOTS)
def test_executor_of_a_plant_that_does_not_wait_waits_less_than_a_tick(robot: str) -> None:
    files = by_name(robot, mode="realtime")["executor"].parameter_files
    card = json.loads((CONFIG.parent / "models" / ROBOTS[robot] / "world_model.json").read_text())
    assert read_parameters(files)["executor"]["executor"]["plan_wait_s"] < 0.5 * card["control_period_s"]


def test_corrector_is_left_to_the_parameter_files_unless_one_is_named() -> None:
    assert "corrector" not in by_name()["executor"].parameters
    assert by_name(corrector="none")["executor"].parameters["corrector"] == "none"


@pytest.mark.parametrize(
    ("task", "robot"),
    [("walker-walk", "walker"), ("humanoid_stand", "humanoid"), ("acrobot-swingup", None)],
)
def test_robot_of_a_task_is_the_one_whose_body_it_moves(task: str, robot: str | None) -> None:
    assert robot_of(task) == robot


def test_paths_do_not_depend_on_where_a_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text("{}")
    system = by_name(video="x.mp4", params="p.yaml")
    assert system["sim_bridge"].parameters["video"] == str(tmp_path / "x.mp4")
    assert system["planner"].parameter_files[-1] == tmp_path / "p.yaml"
    assert bag_folder("bag") == tmp_path / "bag"


def test_faults_are_a_file_or_a_shipped_one_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("faults: []")
    assert by_name(faults="mine.yaml")["sim_bridge"].parameters["faults"] == str(tmp_path / "mine.yaml")
    shipped = by_name(faults="noisy_sensors")["sim_bridge"].parameters["faults"]
    assert shipped == str(CONFIG / "faults" / "noisy_sensors.yaml")
    with pytest.raises(
        SettingsError, match=r"faults: got .gremlins., expected a file or one of .*noisy_sensors"
    ):
        by_name(faults="gremlins")


def values_of(**given: str) -> dict[str, str]:
    return {a.name: a.default for a in arguments("walker")} | given


@pytest.mark.parametrize("namespace", ["left", "/left", "left/"])
def test_all_nodes_of_a_robot_are_in_its_namespace_with_a_clock_of_its_own(namespace: str) -> None:
    given = {"namespace": namespace, "use_sim_time": "true", "log_level": "warn"}
    system = [*processes("walker", given, CONFIG), recorder(Path("bag"), values_of(**given))]
    for process in system:
        words = " ".join(command_line(process))
        for expected in ("__ns:=/left ", "/clock:=clock ", "--log-level warn ", "use_sim_time:=true"):
            assert expected in f"{words} ", process.executable
    alone = " ".join(command_line(by_name()["sim_bridge"]))
    for unwanted in ("__ns", "/clock", "use_sim_time"):
        assert unwanted not in alone
    robot = by_name(hardware="robot", mode="realtime", **given)["hardware_bridge"]
    assert ("/clock", "clock") not in robot.remappings, "its time may be that of a simulator of many robots"


@pytest.mark.parametrize("namespace", ["1left", "left right", "a//b", "ö", "~", "{ns}"])
def test_namespace_that_ros_would_not_take_is_refused(namespace: str) -> None:
    with pytest.raises(SettingsError, match="namespace: got"):
        by_name(namespace=namespace)


def test_topics_of_a_robot_have_the_names_of_its_namespace() -> None:
    names = ("status", "/clock", "/diagnostics", "tf", "/tf")
    assert absolute_topics(names, values_of()) == ["/status", "/clock", "/diagnostics", "/tf"]
    assert absolute_topics(names, values_of(namespace="left")) == [
        *("/left/status", "/left/clock", "/diagnostics", "/left/tf", "/tf")
    ]
    robot = absolute_topics(names, values_of(namespace="left", hardware="robot"))
    assert robot[:3] == ["/left/status", "/clock", "/diagnostics"]


def test_network_relay_stands_between_planner_and_executor_where_the_network_fails_on_demand(
    tmp_path: Path,
) -> None:
    cut = tmp_path / "cut.yaml"
    cut.write_text("faults: [{kind: noise}, {kind: cut}]")
    system = by_name(faults=str(cut))
    assert system["network_relay"].parameters == {"faults": str(cut)}
    words = command_line(system["planner"])
    assert [words[i + 1] for i, word in enumerate(words) if word == "-r"][1:] == [
        "replan:=remote/replan",
        "plan:=remote/plan",
    ]
    assert not system["executor"].remappings
    other = by_name(faults="noisy_sensors")
    assert "network_relay" not in other
    assert not other["planner"].remappings


def test_emulator_takes_faults_of_processes_and_of_the_link_alone(tmp_path: Path) -> None:
    (tmp_path / "noise.yaml").write_text("faults: [{kind: hang}, {kind: noise}]")
    system = by_name(hardware="emulator", faults="network_cut")
    assert {"network_relay", "hardware_bridge", "hardware_emulator"} <= system.keys()
    with pytest.raises(
        SettingsError, match="faults: got 'noise', expected faults of processes or of the network"
    ):
        by_name(hardware="emulator", faults=str(tmp_path / "noise.yaml"))


def test_damaged_fault_file_is_left_to_the_bridge(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("faults: [")
    assert "network_relay" not in by_name(faults=str(tmp_path / "x.yaml"))


def test_who_reports_waits_for_the_systems_own_listeners() -> None:
    system = processes("walker", {"faults": "network_cut"}, CONFIG)
    system.append(recorder(Path("bag"), values_of()))
    awaited = {p.executable: p.parameters.get("listeners") for p in heard(system, "monitor")}
    assert awaited == {
        **dict.fromkeys(("planner", "network_relay", "recorder")),
        **dict.fromkeys(("executor", "sim_bridge"), "monitor network_relay recorder"),
    }


def test_bag_is_recorded_on_demand_and_named_by_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bag_folder("") is bag_folder("false") is None
    named = bag_folder("true")
    assert named is not None
    assert named.parent == tmp_path
    assert re.fullmatch(r"bag_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", named.name)
    values = {"topics": "/tf", "storage": "sqlite3"}
    given = values_of(**values, reserve_mb="7")
    assert recorder(named, given).parameters == {"folder": str(named), "reserve_mb": 7, **values}


@pytest.mark.parametrize("robot", ROBOTS)
def test_robot_behind_its_topics_has_another_bridge_and_files_of_its_own(robot: str) -> None:
    emulated = by_name(robot, hardware="emulator", episodes="2", seed="3")
    assert list(emulated) == ["planner", "executor", "hardware_bridge", "hardware_emulator"]
    real = by_name(robot, hardware="robot", mode="realtime")
    assert list(real) == ["planner", "executor", "hardware_bridge"]
    task = ROBOTS[robot]
    assert emulated["hardware_bridge"].parameters == {
        **{"task": task, "mode": "lockstep", "episodes": 2, "seed": 3}
    }
    assert emulated["hardware_emulator"].parameters == {"task": task, "mode": "lockstep"}
    files = [f.name for f in real["hardware_bridge"].parameter_files]
    assert [files[0], files[-1]] == [f"{robot}.yaml", f"hardware_{robot}.yaml"]
    assert "realtime.yaml" in files
    assert list(by_name(robot))[-1] in BRIDGES
    assert "hardware_bridge" in BRIDGES


@pytest.mark.parametrize("robot", ROBOTS)
def test_shipped_controller_commands_the_efforts_of_the_robots_model(robot: str) -> None:
    nodes = read_parameters([CONFIG / f"hardware_{robot}.yaml"])
    values = nodes["hardware_bridge"]["controller"]
    assert nodes["hardware_emulator"]["joints"] == values["joints"]
    actuators = find_actuators(make_control_plant(ROBOTS[robot]).physics)
    shipped = CommandMap(settings_from(CommandMapSettings, values), actuators, 0.05)
    own = CommandMap(CommandMapSettings(), actuators, 0.05)
    assert shipped.joints == own.joints
    for action in np.random.default_rng(0).uniform(-1, 1, (20, len(own.joints))).astype(np.float32):
        rest = np.zeros(len(own.joints))
        np.testing.assert_array_equal(shipped.command(action, rest), own.command(action, rest))


def test_robots_topics_are_recorded_where_there_is_a_robot() -> None:
    values = {"topics": "/tf", "hardware": "none"}
    assert recorded_topics(values) == "/tf"
    robots = recorded_topics({**values, "hardware": "emulator"}).split()
    assert robots == ["/tf", "imu/data", "odom", "forward_command_controller/commands"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": "red"}, "argument colour: unknown, expected one of task, model"),
        ({"mode": "fast"}, "mode: got 'fast', expected one of lockstep, realtime"),
        ({"corrector": "magic"}, "corrector: got 'magic', expected one of auto, temporal, two_tower, none"),
        ({"headless": "yes"}, "headless: got 'yes', expected one of true, false"),
        ({"episodes": "-1"}, "episodes: got '-1', expected a whole number from 0 to 2147483647"),
        ({"episodes": "1.5"}, "episodes: got '1.5'"),
        ({"seed": ""}, "seed: got ''"),
        ({"seed": "2147483648"}, "seed: got '2147483648'"),
        ({"faults": "/nowhere.yaml"}, "faults: got '/nowhere.yaml', expected a file or one of"),
        ({"params": "/nowhere.yaml"}, "params: /nowhere.yaml is not a file"),
        ({"hardware": "toaster"}, "hardware: got 'toaster', expected one of none, emulator, robot"),
        ({"hardware": "robot"}, "mode: got 'lockstep', expected realtime with a robot"),
        (
            {"hardware": "emulator", "video": "x.mp4"},
            "video: got 'x.mp4', expected none with hardware emulator",
        ),
        ({"hardware": "emulator", "headless": "false"}, "headless: got false, expected true with hardware"),
    ],
)
def test_wrong_argument_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        by_name(**given)


def test_unknown_robot_lists_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="robot: got 'dog', expected one of humanoid, walker, cheetah"):
        arguments("dog")


def test_command_line_keeps_types_apart() -> None:
    words = command_line(Process("planner", (Path("/c.yaml"),), {"model": "007", "n": 7, "quiet": True}))
    assert words[-8:] == ["--params-file", "/c.yaml", "-p", 'model:="007"', "-p", "n:=7", "-p", "quiet:=true"]
    assert yaml.safe_load('"007"') == "007"
    assert "spec_control_ros.nodes.planner" in words


def test_command_line_survives_quotes_in_a_value() -> None:
    words = command_line(Process("planner", (), {"model": 'it\'s "new"'}))
    assert yaml.safe_load(words[-1].split(":=", 1)[1]) == 'it\'s "new"'


@pytest.mark.parametrize(
    "path", sorted([*CONFIG.glob("*.yaml"), *CONFIG.glob("modes/*.yaml")]), ids=lambda p: p.stem
)
def test_config_holds_values_that_the_settings_allow(path: Path) -> None:
    for node, parameters in read_parameters([path]).items():
        for name, values in parameters.items():
            if (node, name) in NESTED:
                settings_from(NESTED[node, name], values)


def test_section_that_is_for_no_node_of_the_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("{exekutor: {ros__parameters: {a: 1}}}")
    with pytest.raises(SettingsError, match="got section exekutor, but the system has no such node"):
        by_name(params=str(tmp_path / "p.yaml"))
