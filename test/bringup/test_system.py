"""The one description of the running system."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from spec_control_ros.bringup.parameter_files import read_parameters
from spec_control_ros.bringup.robot import BRIDGES, find_robot
from spec_control_ros.bringup.supervisor import command_line
from spec_control_ros.bringup.system import (
    ARGUMENTS,
    Process,
    absolute_topics,
    as_text,
    bag_folder,
    heard,
    processes,
    recorded_topics,
    recorder,
)
from spec_control_ros.core.errors import SettingsError

CONFIG = Path(__file__).parents[2] / "config"
ByName = Callable[..., dict[str, Process]]


@pytest.fixture
def by_name(tmp_path_factory: pytest.TempPathFactory) -> ByName:
    def make(robot: str = "humanoid", **given: str) -> dict[str, Process]:
        found = processes(find_robot(robot, CONFIG), given, tmp_path_factory.mktemp("logs"))
        return {process.executable: process for process in found}

    return make


def test_every_argument_has_a_description_and_an_allowed_default() -> None:
    named = ARGUMENTS
    assert len({a.name for a in named}) == len(named)
    for argument in named:
        assert argument.metadata["description"]
        choices = argument.metadata["choices"]
        assert not choices or as_text(argument.default) in choices


def test_arguments_reach_the_processes_that_they_concern(by_name: ByName, tmp_path: Path) -> None:
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
        **{"model": "m", "mode": "realtime", "episodes": 0, "seed": 3},
        **{"headless": False, "video": "", "faults": ""},
    }
    for process in system.values():
        assert [file.name for file in process.parameter_files] == ["humanoid.yaml", params.name]
        assert read_parameters(process.parameter_files[:1]) == find_robot("humanoid", CONFIG).parameters(
            "realtime"
        )


@pytest.mark.parametrize("hardware", ["emulator", "robot"])
def test_robot_behind_its_topics_has_another_bridge_and_its_hardware_s_parameters(
    by_name: ByName, hardware: str
) -> None:
    system = by_name(hardware=hardware, mode="realtime", episodes="2", seed="3")
    emulators = ["hardware_emulator"] if hardware == "emulator" else []
    assert list(system) == ["planner", "executor", "hardware_bridge", *emulators]
    assert "hardware_bridge" in BRIDGES
    assert system["hardware_bridge"].parameters == {"mode": "realtime", "episodes": 2, "seed": 3}
    for process in system.values():
        given = read_parameters(process.parameter_files)
        assert given == find_robot("humanoid", CONFIG).parameters("realtime", has_hardware=True)


def test_corrector_is_left_to_the_parameter_files_unless_one_is_named(by_name: ByName) -> None:
    assert "corrector" not in by_name()["executor"].parameters
    assert by_name(corrector="none")["executor"].parameters["corrector"] == "none"


def test_paths_do_not_depend_on_where_a_process_runs(
    by_name: ByName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text("{}")
    system = by_name(video="x.mp4", params="p.yaml")
    assert system["sim_bridge"].parameters["video"] == str(tmp_path / "x.mp4")
    assert system["planner"].parameter_files[-1] == tmp_path / "p.yaml"
    assert bag_folder("bag") == tmp_path / "bag"


def test_faults_are_a_file_or_a_shipped_one_by_name(
    by_name: ByName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    return {a.name: as_text(a.default) for a in ARGUMENTS} | given


@pytest.mark.parametrize("namespace", ["left", "/left", "left/"])
def test_all_nodes_of_a_robot_are_in_its_namespace_with_a_clock_of_its_own(
    by_name: ByName, tmp_path: Path, namespace: str
) -> None:
    given = {"namespace": namespace, "use_sim_time": "true", "log_level": "warn"}
    system = [
        *processes(find_robot("walker", CONFIG), given, tmp_path),
        recorder(Path("bag"), values_of(**given)),
    ]
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
def test_namespace_that_ros_would_not_take_is_refused(by_name: ByName, namespace: str) -> None:
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


def test_link_stands_between_planner_and_executor_where_the_network_fails_on_demand(
    by_name: ByName, tmp_path: Path
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


def test_emulator_takes_faults_of_processes_and_of_the_link_alone(by_name: ByName, tmp_path: Path) -> None:
    (tmp_path / "noise.yaml").write_text("faults: [{kind: hang}, {kind: noise}]")
    system = by_name(hardware="emulator", faults="network_cut")
    assert {"network_relay", "hardware_bridge", "hardware_emulator"} <= system.keys()
    with pytest.raises(
        SettingsError, match="faults: got 'noise', expected faults of processes or of the network"
    ):
        by_name(hardware="emulator", faults=str(tmp_path / "noise.yaml"))


def test_damaged_fault_file_is_left_to_the_bridge(by_name: ByName, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("faults: [")
    assert "network_relay" not in by_name(faults=str(tmp_path / "x.yaml"))


def test_who_reports_waits_for_the_systems_own_listeners(tmp_path: Path) -> None:
    system = processes(find_robot("walker", CONFIG), {"faults": "network_cut"}, tmp_path)
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


def test_further_parameter_file_is_for_recorder_and_relay_as_well(by_name: ByName, tmp_path: Path) -> None:
    params = tmp_path / "mine.yaml"
    params.write_text(
        "/**/recorder: {ros__parameters: {flush_period_s: 0.1, storage: mcap}}\n"
        "/**/network_relay: {ros__parameters: {seed: 7}}\n"
        "/other/recorder: {ros__parameters: {reserve_mb: 1}}\n"
        "/**: {ros__parameters: {model: walker-walk}}\n"
    )
    relay = by_name("walker", params=str(params), faults="network_cut")["network_relay"]
    assert relay.parameters["seed"] == 7
    assert "model" not in relay.parameters
    given = values_of(params=str(params), storage="sqlite3", reserve_mb="7")
    told = recorder(Path("bag"), given).parameters
    assert told["flush_period_s"] == 0.1
    assert (told["storage"], told["reserve_mb"]) == ("sqlite3", 7)  # the arguments win
    assert "model" not in told


def test_recorder_keeps_what_a_file_says_where_no_argument_does(tmp_path: Path) -> None:
    params = tmp_path / "mine.yaml"
    own = "{storage: sqlite3, reserve_mb: 5000, topics: /tf}"
    params.write_text(f"/**/recorder: {{ros__parameters: {own}}}")
    told = recorder(
        Path("bag"), values_of(params=str(params), hardware="emulator", mode="realtime")
    ).parameters
    assert (told["storage"], told["reserve_mb"]) == ("sqlite3", 5000)
    assert str(told["topics"]).split() == ["/tf", "imu/data", "odom", "forward_command_controller/commands"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("/**/sim_bridge: {ros__parameters: {episodes: 5}}", "episodes: 5 for sim_bridge, but .* is '1'"),
        (
            "/**/planner: {ros__parameters: {planner: {seed: 7}}}",
            "planner.seed: 7 for planner, but .* is '0'",
        ),
        ("/**/sim_bridge: {ros__parameters: {headless: false}}", "headless: False .* is 'true', which wins"),
    ],
)
def test_file_that_arguments_would_overrule_is_refused(
    by_name: ByName, tmp_path: Path, section: str, said: str
) -> None:
    (tmp_path / "p.yaml").write_text(section)
    with pytest.raises(SettingsError, match=said):
        by_name(params=str(tmp_path / "p.yaml"))
    (tmp_path / "p.yaml").write_text("/**/sim_bridge: {ros__parameters: {episodes: 5, seed: 3}}")
    assert by_name(params=str(tmp_path / "p.yaml"), episodes="5", seed="3")


def test_robots_topics_are_recorded_where_there_is_a_robot() -> None:
    values = {"topics": "/tf", "hardware": "none"}
    assert recorded_topics(values) == "/tf"
    robots = recorded_topics({**values, "hardware": "emulator"}).split()
    assert robots == ["/tf", "imu/data", "odom", "forward_command_controller/commands"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": "red"}, "argument colour: unknown, expected one of model, mode"),
        ({"mode": "fast"}, "mode: got 'fast', expected one of lockstep, realtime"),
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
def test_wrong_argument_is_refused(by_name: ByName, given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        by_name(**given)


def test_command_line_keeps_types_apart() -> None:
    words = command_line(Process("planner", (Path("/c.yaml"),), {"model": "007", "n": 7, "quiet": True}))
    assert words[-8:] == ["--params-file", "/c.yaml", "-p", 'model:="007"', "-p", "n:=7", "-p", "quiet:=true"]
    assert yaml.safe_load('"007"') == "007"
    assert "spec_control_ros.nodes.planner" in words


def test_command_line_survives_quotes_in_a_value() -> None:
    words = command_line(Process("planner", (), {"model": 'it\'s "new"'}))
    assert yaml.safe_load(words[-1].split(":=", 1)[1]) == 'it\'s "new"'


def test_section_that_is_for_no_node_of_the_system_is_refused(by_name: ByName, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("{exekutor: {ros__parameters: {a: 1}}}")
    with pytest.raises(SettingsError, match="got section exekutor, but the system has no such node"):
        by_name(params=str(tmp_path / "p.yaml"))
