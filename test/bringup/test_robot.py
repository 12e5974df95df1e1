"""Robot files: one file a robot, and one place where its parameters are resolved."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from spec_control_ros.bringup.parameter_files import merge, read_parameters
from spec_control_ros.bringup.robot import HEADER, NODES, Robot, find_robot
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.settings import settings_from
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.command_map import CommandMap, CommandMapSettings
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.robot_bridge import RobotBridgeSettings
from spec_control_ros.sim.sensors import SensorSettings
from spec_control_ros.world_model.planner_settings import PlannerSettings

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = ("cheetah", "humanoid", "walker")
ON_HARDWARE = (*SHIPPED, "walker_sampling")
# Settings that the nodes nest under a name; the nodes' own fields are tested with the nodes.
NESTED = {
    ("planner", "planner"): PlannerSettings,
    ("executor", "gate"): GateSettings,
    ("executor", "executor"): ExecutorSettings,
    ("hardware_bridge", "controller"): CommandMapSettings,
    ("hardware_bridge", "sensors"): SensorSettings,
    ("hardware_bridge", "robot"): RobotBridgeSettings,
}
OWN = """
environment: mjcf:body.xml@my_task:stand
model: trained
action_repeat: 5
task_index: 3
planner:
  planner.queue_length: 8
  planner: {mppi: {samples: 64}}
executor: {executor.hold: damping, gate: {metric: l2}}
realtime:
  executor: {executor: {plan_wait_s: 0.004}}
hardware:
  executor: {executor.max_action: 0.5}
  hardware_bridge: {controller.joints: [a, b]}
"""


@pytest.fixture
def own(tmp_path: Path) -> Robot:
    (tmp_path / "trained").mkdir()
    return robot(tmp_path, OWN)


def robot(folder: Path, text: str) -> Robot:
    (folder / "mine.yaml").write_text(text)
    return find_robot(str(folder / "mine.yaml"), CONFIG)


def test_a_robot_is_one_file_wherever_it_lies(own: Robot, tmp_path: Path) -> None:
    assert (own.name, own.action_repeat, own.task_index) == ("mine", 5, 3)
    assert own.environment == f"mjcf:{tmp_path}/body.xml@my_task:stand", "relative to the file's folder"
    assert own.model == str(tmp_path / "trained")


def test_every_node_is_given_what_the_header_says_of_it(own: Robot) -> None:
    given = own.parameters()
    model = {"model": own.model, "task_index": 3}
    plant = {**model, "task": own.environment, "action_repeat": 5}
    for node in NODES:
        header = {name: value for name, value in given[node].items() if name in {*HEADER, "task"}}
        assert header == (model if node in ("planner", "executor") else plant)


def test_the_more_special_section_wins(own: Robot) -> None:
    planner = {"queue_length": 8, "mppi": {"samples": 64}}
    for mode in ("", "lockstep", "realtime"):
        assert own.parameters(mode)["planner"]["planner"] == planner
    shared = read_parameters([CONFIG / "realtime.yaml"])["executor"]
    executor = own.parameters("realtime")["executor"]
    assert executor["executor"] == {**shared["executor"], "hold": "damping", "plan_wait_s": 0.004}
    assert executor["real_time"] == shared["real_time"]
    assert own.parameters("lockstep")["executor"]["executor"]["plan_wait_s"] == 10.0


def test_hardware_s_sections_apply_on_hardware_alone(own: Robot) -> None:
    assert "max_action" not in own.parameters("realtime")["executor"]["executor"]
    given = own.parameters("realtime", has_hardware=True)
    assert given["executor"]["executor"]["max_action"] == 0.5
    assert given["hardware_bridge"]["controller"] == {"joints": ["a", "b"]}


def test_written_parameters_are_a_parameter_file_of_ros(own: Robot, tmp_path: Path) -> None:
    file = own.write(tmp_path / "logs", "realtime", has_hardware=True)
    assert read_parameters([file]) == own.parameters("realtime", has_hardware=True)
    assert file.name == "mine.yaml"
    assert set(yaml.safe_load(file.read_text())) == {f"/**/{node}" for node in NODES}
    humanoid = find_robot("humanoid", CONFIG).write(tmp_path, "realtime", has_hardware=True)
    assert not {"*", "&"} & set(humanoid.read_text().replace("/**/", "")), "rcl reads no anchors"


def test_an_environment_has_the_settings_of_the_shipped_robot_with_its_body() -> None:
    humanoid = find_robot("humanoid", CONFIG)
    assert find_robot("dm_control:humanoid_walk", CONFIG) == humanoid
    stand = find_robot("humanoid-stand", CONFIG)
    assert (stand.environment, stand.model) == ("humanoid-stand", "humanoid-stand")
    assert stand.sections == humanoid.sections


@pytest.mark.parametrize("name", ["gymnasium:HalfCheetah-v5", "acrobot-swingup", "mjcf:a.xml@m:f"])
def test_any_other_environment_has_the_defaults(name: str, tmp_path: Path) -> None:
    bare = find_robot(name, CONFIG)
    assert (bare.name, bare.environment, bare.action_repeat) == (name, name, 0)
    assert set(bare.parameters()["sim_bridge"]) == {"task", "model"}
    assert bare.write(tmp_path, "lockstep", has_hardware=False).is_file()


@pytest.mark.parametrize("name", ["dog", "nowhere/dog.yaml", ""])
def test_unknown_robot_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(
        SettingsError,
        match=rf"robot: got '{name}', expected one of cartpole_sampling, cheetah, .*"
        "walker, walker_sampling, walker_transformer, the path",
    ):
        find_robot(name, CONFIG)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got no `environment`"),
        ("[walker-walk]", "got no `environment`"),
        ("model: m", "got no `environment`"),
        ("{/**/planner: {ros__parameters: {a: 1}}}", "got no `environment`.* goes to --params"),
        ("{planner: {ros__parameters: {a: 1}}}", "got no `environment`.* goes to --params"),
        (
            "{environment: e, colour: red}",
            "colour: unknown, expected one of environment, model, action_repeat",
        ),
        ("{environment: e, /**/planner: {}}", "/../planner: unknown, .* goes to --params"),
        ("{environment: 7}", "environment: got 7, expected text"),
        ("{environment: ''}", "environment: got '', expected text"),
        ("{environment: e, action_repeat: 2.5}", "action_repeat: got 2.5, expected a whole number"),
        ("{environment: e, planner: }", "planner: got None, expected parameters by name"),
        ("{environment: e, planner: {planner: }}", "planner: planner: got nothing, expected a value"),
        (
            "{environment: e, realtime: {plannr: {a: 1}}}",
            "realtime: plannr: unknown, expected one of planner",
        ),
        ("{environment: e, realtime: fast}", "realtime: got 'fast', expected parameters by node"),
        ("{environment: e, sim_bridge: {seed: 3}}", "sim_bridge: seed: not for a section"),
        (
            "{environment: e, hardware: {sim_bridge: {action_repeat: 3}}}",
            "hardware: sim_bridge: action_repeat: not",
        ),
        ("{environment: e, environment: f}", "'environment' is there twice"),
        (
            "{environment: e, executor: {gate.accept: 1, gate: {accept: 2}}}",
            "executor: gate.accept: got two values for the same name",
        ),
        (
            "{environment: e, realtime: {executor: {gate: {accept: 2}, gate.accept.x: 1}}}",
            "realtime: executor: gate.accept and gate.accept.x: got two values",
        ),
        ("environment: [", "not YAML"),
    ],
)
def test_what_a_robot_file_may_not_say_is_refused_with_what_it_may(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=rf"mine.yaml: .*{said}"):
        robot(tmp_path, text)


# --- The shipped robots


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_robot_fits_its_model_s_card(name: str) -> None:
    shipped = find_robot(name, CONFIG)
    card = json.loads((CONFIG.parent / "models" / shipped.model / "world_model.json").read_text())
    plant = make_control_plant(shipped.environment, shipped.action_repeat)
    assert card["task"] == shipped.environment
    assert card["control_period_s"] == pytest.approx(plant.control_period_s)
    wait_s = shipped.parameters("realtime")["executor"]["executor"]["plan_wait_s"]
    assert wait_s < 0.5 * plant.control_period_s, "where the plant does not wait"


@pytest.mark.parametrize("name", ON_HARDWARE)
def test_shipped_controller_commands_the_efforts_of_the_robots_model(name: str) -> None:
    shipped = find_robot(name, CONFIG)
    nodes = shipped.parameters("realtime", has_hardware=True)
    values = nodes["hardware_bridge"]["controller"]
    assert nodes["hardware_emulator"]["joints"] == values["joints"]
    actuators = find_actuators(make_control_plant(shipped.environment).physics)
    made = CommandMap(settings_from(CommandMapSettings, values), actuators, 0.05)
    usual = CommandMap(CommandMapSettings(), actuators, 0.05)
    assert made.joints == usual.joints
    for action in np.random.default_rng(0).uniform(-1, 1, (20, len(usual.joints))).astype(np.float32):
        rest = np.zeros(len(usual.joints))
        np.testing.assert_array_equal(made.command(action, rest), usual.command(action, rest))


def shipped_parameters() -> dict[str, dict[str, Any]]:
    files = sorted([*CONFIG.glob("*.yaml"), *CONFIG.glob("modes/*.yaml")])
    robots = {
        f"{name} {mode}": find_robot(name, CONFIG) for name in SHIPPED for mode in ("lockstep", "realtime")
    }
    return {
        **{str(file.relative_to(CONFIG)): read_parameters([file]) for file in files},
        **{key: r.parameters(key.split()[1], has_hardware=True) for key, r in robots.items()},
    }


@pytest.mark.parametrize(("nodes"), shipped_parameters().values(), ids=shipped_parameters())
def test_config_holds_values_that_the_settings_allow(nodes: dict[str, Any]) -> None:
    for node, parameters in nodes.items():
        for name, values in parameters.items():
            if (node, name) in NESTED:
                settings_from(NESTED[node, name], values)


@pytest.mark.parametrize("name", ["cheetah_sampling", "quadruped_sampling"])
def test_long_searches_are_for_plants_that_wait(name: str) -> None:
    robot = find_robot(name, CONFIG)
    waiting, running = (robot.parameters(mode)["planner"]["planner"] for mode in ("lockstep", "realtime"))
    assert (waiting["queue_length"], waiting["search"]["iterations"]) == (4, 8)
    assert (running["queue_length"], running["search"]["iterations"]) == (6, 2)
    shallow = merge(
        {"planner": {"planner": waiting}},
        read_parameters([CONFIG.with_name("benchmarks") / "shallow_search.yaml"]),
    )
    assert shallow["planner"]["planner"] == running
