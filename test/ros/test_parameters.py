"""Every parameter says what it means, and one that is wrong ends the node with one clear line."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import ParameterEvent, ParameterType
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_scalars import READ
from ros_support import ROOT, TASK, Background, Probe, arguments_of, make_model_folder, write_parameters

from spec_control_ros.bringup.parameter_files import read_file
from spec_control_ros.nodes.executor import ExecutorNode
from spec_control_ros.nodes.hardware_bridge import HardwareBridgeNode
from spec_control_ros.nodes.hardware_emulator import HardwareEmulatorNode
from spec_control_ros.nodes.planner import PlannerNode
from spec_control_ros.nodes.recorder import RecorderNode
from spec_control_ros.nodes.sim_bridge import SimBridgeNode
from spec_control_ros.ros.node_runner import ProcessNode, run_node
from spec_control_ros.ros.parameters import announce
from spec_control_ros.ros.qos import LATEST

NODES: dict[str, type[ProcessNode]] = {
    "planner": PlannerNode,
    "executor": ExecutorNode,
    "sim_bridge": SimBridgeNode,
    "hardware_bridge": HardwareBridgeNode,
    "hardware_emulator": HardwareEmulatorNode,
    "recorder": RecorderNode,
}


@pytest.fixture
def refusal(
    signals: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a node that must end by itself with exit code 2; returns what it printed beside who gave its parameters."""

    def refusal(node: str, parameters: dict[str, Any], *words: str) -> str:
        monkeypatch.setattr(sys, "argv", [node, *arguments_of(parameters), *words])
        assert run_node(NODES[node]) == 2
        printed = "".join(capfd.readouterr())
        assert "Traceback" not in printed
        lines = [line for line in printed.splitlines() if not line.startswith(("[INFO]", "  "))]
        assert len(lines) == 1, printed
        return lines[0]

    return refusal


@pytest.mark.parametrize(
    ("node", "parameters", "words"),
    [
        ("executor", {"gaet.accept": 0.1}, ["/executor", "unknown parameter gaet.accept", "gate.accept"]),
        ("planner", {"planner.mppi.horizont": 3}, ["planner.mppi.horizont", "planner.mppi.horizon"]),
        ("sim_bridge", {"taks": TASK}, ["unknown parameter taks", "task"]),
        ("executor", {"gate.accept": "wide"}, ["gate.accept", "'wide'", "at least -1"]),
        ("executor", {"gate.mode": "strict"}, ["gate.mode", "'strict'", "fixed, quantile, regret, adaptive"]),
        ("executor", {"gate.accept": True}, ["gate.accept", "True"]),
        ("executor", {"gate.accept": [0.1, 0.2]}, ["gate.accept"]),
        ("executor", {"gate.max_steps_ahead": 1.5}, ["gate.max_steps_ahead", "1.5"]),
        ("planner", {"planner.mppi.horizon": 0}, ["planner.mppi.horizon", "got 0", "at least 1"]),
        ("planner", {"planner.mppi.discount": 1.5}, ["planner.mppi.discount", "1.5", "at most 1"]),
        ("planner", {"planner.mppi.temperature": 0.0}, ["planner.mppi.temperature", "more than 0"]),
        ("executor", {"executor.plan_wait_s": float("nan")}, ["executor.plan_wait_s", "nan"]),
        ("executor", {"gate.metric": "l3"}, ["gate.metric", "'l3'", "one of l2, relative_l2"]),
        ("executor", {"corrector": "oracle"}, ["corrector", "'oracle'", "expected one of", "two_tower"]),
        ("sim_bridge", {"mode": "fast"}, ["mode", "'fast'", "lockstep, realtime"]),
        (
            "executor",
            {"gate.accept": 0.5, "gate.replan": 0.4},
            ["gate.accept", "0.5", "at most replan = 0.4"],
        ),
        ("planner", {"planner.queue_length": 2}, ["planner.queue_length", "got 2", "horizon = 3"]),
        ("executor", {"model": "nowhere"}, ["model: got 'nowhere'", "expected one of"]),
        ("planner", {"model": "nowhere"}, ["model: got 'nowhere'", "expected one of"]),
        ("planner", {"device": "abacus"}, ["device: got 'abacus'"]),
        ("planner", {"device": "cuda:99"}, ["device: got 'cuda:99'"]),
        ("sim_bridge", {"task": "humanoid-fly"}, ["task: got 'humanoid-fly'", "humanoid-walk"]),
        (
            "sim_bridge",
            {"task": TASK, "video": "/nowhere/film.mp4"},
            ["/nowhere/film.mp4: its folder does not exist"],
        ),
        ("hardware_bridge", {"task": "reacher-easy"}, ["task reacher-easy: its observation contains more"]),
        (
            "hardware_bridge",
            {"task": TASK, "controller.gains": "much"},
            ["controller.gains", "a list of float"],
        ),
        (
            "hardware_bridge",
            {"task": TASK, "controller.gains": [True]},
            ["controller.gains", "a list of float"],
        ),
        (
            "hardware_bridge",
            {"task": TASK, "controller.gains": [1.0, 2.0]},
            ["gains: got [1.0, 2.0]", "expected 1"],
        ),
        (
            "hardware_bridge",
            {"task": TASK, "controller.joints": ["tail"]},
            ["joints: got tail", "each of elbow"],
        ),
        (
            "hardware_bridge",
            {"task": TASK, "shadow": True, "controller_node": "/a b"},
            ["controller_node: got '/a b', expected the absolute name of a node"],
        ),
        ("hardware_emulator", {"task": TASK, "joints": ["tail"]}, ["joints: got tail", "each of elbow"]),
        ("hardware_emulator", {"task": "quadruped-walk"}, ["expected limited motors of one joint each"]),
        (
            "hardware_bridge",
            {"task": "state:quadruped-walk"},
            ["actuators yaw_front_left,", "have activations"],
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_wrong_parameter_ends_the_node_with_one_clear_line(
    refusal: Callable[..., str], node: str, parameters: dict[str, Any], words: list[str]
) -> None:
    printed = refusal(node, parameters)
    assert [word for word in words if word not in printed] == []


def test_window_without_a_display_is_refused(
    refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert "DISPLAY" in refusal("sim_bridge", {"task": TASK, "headless": False})


def test_corrector_that_the_model_lacks_is_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    bare = make_model_folder(tmp_path / "bare")
    printed = refusal("executor", {"model": str(bare), "corrector": "temporal"})
    assert "no such corrector; expected one of none" in printed


def test_calibrated_thresholds_are_refused_for_a_model_without_them(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    bare = make_model_folder(tmp_path / "bare")
    printed = refusal("executor", {"model": str(bare), "gate.mode": "quantile"})
    assert "mode: got quantile, but the model's card has no thresholds" in printed


@pytest.mark.parametrize("damage", ["weights", "card"])
@pytest.mark.parametrize("node", ["planner", "executor"])
def test_damaged_model_is_refused(
    refusal: Callable[..., str], tmp_path: Path, node: str, damage: str
) -> None:
    folder = make_model_folder(tmp_path / "damaged")
    file = folder / f"world_model.{'safetensors' if damage == 'weights' else 'json'}"
    file.write_bytes(file.read_bytes()[:100])
    assert str(file) in refusal(node, {"model": str(folder)})


@pytest.fixture
def make_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ProcessNode]]:
    """A node in this process, of the default context."""
    made: list[ProcessNode] = []

    def make(name: str, parameters: dict[str, Any], *words: str) -> ProcessNode:
        monkeypatch.setattr(sys, "argv", [name, *arguments_of(parameters), *words])
        rclpy.init()
        made.append(NODES[name]())
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()
    rclpy.try_shutdown()


def test_whole_number_is_taken_for_a_float(make_node: Callable[..., ProcessNode], model: Path) -> None:
    node = make_node("executor", {"model": str(model), "gate.replan": 2, "executor.plan_wait_s": 3})
    assert node.get_parameter("gate.replan").value == 2.0
    assert isinstance(node.get_parameter("executor.plan_wait_s").value, float)


def test_list_is_taken_and_its_whole_numbers_are_floats(make_node: Callable[..., ProcessNode]) -> None:
    node = make_node(
        "hardware_bridge",
        {"task": TASK, "shadow": True, "controller.gains": [3], "controller.joints": ["elbow"]},
    )
    assert isinstance(node, HardwareBridgeNode)
    assert node._settings.controller.gains == (3.0,)
    assert node._settings.controller.joints == ("elbow",)
    assert node._settings.controller.rates == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["controller.lower and controller.upper: got none", "each of elbow"]),
        ({"controller.upper": [5.0]}, ["controller.lower: got none", "controller.lower: [-5.0]"]),
        (
            {"controller.lower": [-5.0, -5.0]},
            ["lower: got [-5.0, -5.0], expected 1 finite values", "for elbow"],
        ),
    ],
)
def test_bridge_commands_nothing_without_limits_for_every_joint(
    refusal: Callable[..., str], given: dict[str, Any], words: list[str]
) -> None:
    printed = refusal("hardware_bridge", {"task": TASK, **given})
    assert [word for word in words if word not in printed] == []


def test_shadow_needs_no_limits(make_node: Callable[..., ProcessNode]) -> None:
    assert make_node("hardware_bridge", {"task": TASK, "shadow": True}).get_parameter("shadow").value


LIVE = {
    "executor": {
        *(f"gate.{name}" for name in ("accept", "replan", "correction_rate", "false_alarm_rate")),
        *("executor.max_action", "executor.max_action_rate"),
    },
    "hardware_bridge": {"controller.lower", "controller.upper", "controller.rates"},
}
LIMITS = {"shadow": True, "controller.lower": [-5.0], "controller.upper": [5.0]}


@pytest.mark.parametrize(
    ("words", "name"),
    [(["-r", "__ns:=/left"], "/left/hardware_bridge"), (["-r", "__node:=my_bridge"], "/my_bridge")],
)
def test_bridge_whose_limits_are_another_nodes_does_not_run(
    refusal: Callable[..., str], tmp_path: Path, words: list[str], name: str
) -> None:
    file = write_parameters(tmp_path / "p.yaml", hardware_bridge=LIMITS)
    printed = refusal("hardware_bridge", {"task": TASK}, *words, "--params-file", str(file))
    assert f"got section hardware_bridge, which ROS does not apply to the node {name}" in printed


@pytest.mark.parametrize("key", ["/**/hardware_bridge", "/left/hardware_bridge", "/left/*", "/**"])
def test_bridge_in_a_namespace_has_the_limits_that_ros_matches_to_it(
    make_node: Callable[..., ProcessNode], tmp_path: Path, key: str
) -> None:
    file = write_parameters(tmp_path / "p.yaml", **{key: LIMITS})
    node = make_node("hardware_bridge", {"task": TASK}, "-r", "__ns:=/left", "--params-file", str(file))
    assert isinstance(node, HardwareBridgeNode)
    assert node._settings.shadow
    assert (node._settings.controller.lower, node._settings.controller.upper) == ((-5.0,), (5.0,))


@pytest.mark.parametrize("remapped", ["__ns:=/left", "__ns:=/a/left"])
def test_shipped_file_counts_in_a_namespace(
    make_node: Callable[..., ProcessNode], model: Path, remapped: str
) -> None:
    file = ROOT / "config" / "realtime.yaml"
    node = make_node("executor", {"model": str(model)}, "-r", remapped, "--params-file", str(file))
    assert node.get_parameter("executor.plan_wait_s").value == 0.02
    assert node.get_parameter("executor.prefetch").value is True


def test_misspelt_section_ends_the_node(refusal: Callable[..., str], tmp_path: Path) -> None:
    file = write_parameters(tmp_path / "p.yaml", planner={"threads": 1}, exekutor={"shadow": True})
    printed = refusal("executor", {}, "--params-file", str(file))
    words = [str(file), "exekutor, planner", "the node /executor", "`/**/executor:`"]
    assert [word for word in words if word not in printed] == []


def test_file_for_other_nodes_of_the_system_is_fine(
    make_node: Callable[..., ProcessNode], tmp_path: Path, model: Path
) -> None:
    file = write_parameters(tmp_path / "p.yaml", planner={"threads": 1}, hardware_bridge=LIMITS)
    node = make_node("executor", {"model": str(model)}, "--params-file", str(file))
    assert node.get_parameter("shadow").value is False


@pytest.mark.parametrize(
    "words", [["-p", "shadow"], ["--params-file", "/nowhere.yaml"], ["--bogus"], ["-p", "other:shadow:=true"]]
)
def test_wrong_command_line_is_no_traceback(
    signals: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["executor", "--ros-args", *words])
    assert run_node(ExecutorNode) == 2
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert "error: " in printed
    assert words[-1] in printed


def test_node_tells_once_who_gave_which_value(
    make_node: Callable[..., ProcessNode], tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = write_parameters(
        tmp_path / "a.yaml", **{"/**/executor": {"gate": {"accept": 0.1, "replan": 0.4}}}
    )
    second = write_parameters(tmp_path / "b.yaml", **{"/**": {"gate": {"replan": 0.5}, "use_sim_time": True}})
    words = ["-r", "__ns:=/left", "--params-file", str(second), "--params-file", str(first)]
    node = make_node("executor", {"model": str(model)}, *words, "-p", "gate.replan:=0.6")
    printed = "".join(capfd.readouterr())
    lines = [line.strip() for line in printed.splitlines()]
    assert printed.count("parameters of /left/executor") == 1
    assert f"{first}: gate.accept = 0.1" in lines
    assert f"{second}: use_sim_time = true" in lines
    assert any(line.startswith("-p: ") and "gate.replan = 0.6" in line for line in lines)
    assert node.get_parameter("gate.replan").value == 0.6  # ROS would take the first file's
    assert node.get_parameter("use_sim_time").value is True


def test_all_changes_since_the_start_are_announced_with_each(probe: Probe) -> None:
    node = Node("any", context=probe.context)
    node.declare_parameters("", [("speed", 1.0), ("weight", 1.0), ("same", 1.0)])
    announce(node)
    for name, value in (("weight", 0.5), ("speed", 2.0), ("weight", 1.0), ("same", 1.0)):
        node.set_parameters([Parameter(name, value=value)])
    heard = probe.hear(ParameterEvent, "parameters", LATEST)
    probe.until(lambda: heard)
    assert heard[-1].node == "/any"
    changed = {p.name: p.value.double_value for p in heard[-1].changed_parameters}
    assert changed == {"speed": 2.0, "weight": 1.0}
    node.destroy_node()


def test_scalars_are_read_as_ros_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "".join(f"\n    v{n}: {text}" for n, text in enumerate(READ) if text != "[]")
    (tmp_path / "p.yaml").write_text(f"any:\n  ros__parameters:{listed}")
    rclpy.init(args=["--ros-args", "--params-file", str(tmp_path / "p.yaml")])
    node = Node("any")
    by_ros = {name: parameter.value for name, parameter in node._parameter_overrides.items()}
    node.destroy_node()
    rclpy.shutdown()
    own = read_file(tmp_path / "p.yaml").sections[0].values
    assert {name: (v, type(v)) for name, v in own.items()} == {n: (v, type(v)) for n, v in by_ros.items()}


def given(folder: Path) -> list[Any]:
    """(file, node, parameter) of every key in the shipped parameter files."""
    return [
        pytest.param(section.name, key, id=f"{path.name}-{section.name}.{key}")
        for path in sorted(folder.glob("*.yaml"))
        for section in read_file(path).sections
        for key in section.values
    ]


@pytest.fixture(scope="module")
def declared(domain: int, model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Names of every node's parameters."""
    names = {}
    for name, kind in NODES.items():
        own = {
            "model": str(model),
            "task": TASK,
            "folder": str(tmp_path_factory.mktemp("bag") / "bag"),
            "shadow": True,
        }
        uses = {"planner": ["model"], "executor": ["model"], "recorder": ["folder"]}
        uses["hardware_bridge"] = ["task", "shadow"]
        rclpy.init(args=arguments_of({key: own[key] for key in uses.get(name, ["task"])}))
        node = kind()
        names[name] = set(node._parameters)
        node.destroy_node()
        rclpy.shutdown()
    return names


@pytest.mark.parametrize(("node", "key"), given(ROOT / "config"))
def test_every_shipped_parameter_is_one_of_its_node(
    declared: dict[str, set[str]], node: str, key: str
) -> None:
    assert key in declared[node]


@pytest.mark.parametrize(
    "name", ["executor", "planner", "sim_bridge", "hardware_bridge", "hardware_emulator"]
)
def test_every_parameter_is_described_ranged_and_but_for_thresholds_and_limits_read_only(
    probe: Probe, start: Callable[..., Background], model: Path, name: str
) -> None:
    given: dict[str, Any] = {"model": str(model)} if name in ("executor", "planner") else {"task": TASK}
    start(name, given | ({"shadow": True} if name == "hardware_bridge" else {}))

    def ask(kind: Any, service: str, request: Any) -> Any:
        return probe.call(probe.node.create_client(kind, f"/{name}/{service}"), request)

    names = ask(ListParameters, "list_parameters", ListParameters.Request()).result.names
    own = [n for n in names if not n.startswith(("use_sim_time", "start_type_description", "qos_"))]
    described = ask(DescribeParameters, "describe_parameters", DescribeParameters.Request(names=own))
    for parameter in described.descriptors:
        assert parameter.description, parameter.name
        assert parameter.additional_constraints, parameter.name
        assert parameter.read_only is (parameter.name not in LIVE.get(name, ())), parameter.name
        is_number = parameter.type in (ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_INTEGER)
        has_range = bool(parameter.floating_point_range or parameter.integer_range)
        assert has_range == is_number, parameter.name
    fixed = next(parameter.name for parameter in described.descriptors if parameter.read_only)
    (refused,) = probe.set_parameters(name, **{fixed: "else"})
    assert not refused.successful
    assert "read-only" in refused.reason
