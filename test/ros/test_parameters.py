"""Every parameter says what it means, and one that is wrong ends the node with one clear line."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, ListParameters, SetParameters
from rclpy.parameter import Parameter
from ros_support import ROOT, TASK, Background, Probe, arguments_of, make_model_folder

from spec_control_ros.nodes.executor import ExecutorNode
from spec_control_ros.nodes.hardware_bridge import HardwareBridgeNode
from spec_control_ros.nodes.hardware_emulator import HardwareEmulatorNode
from spec_control_ros.nodes.planner import PlannerNode
from spec_control_ros.nodes.recorder import RecorderNode
from spec_control_ros.nodes.sim_bridge import SimBridgeNode
from spec_control_ros.ros.spin import ProcessNode, run_node

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
    """Runs a node that must end by itself with exit code 2; returns what it printed."""

    def refusal(node: str, parameters: dict[str, Any]) -> str:
        monkeypatch.setattr(sys, "argv", [node, *arguments_of(parameters)])
        assert run_node(NODES[node]) == 2
        printed = "".join(capfd.readouterr())
        assert "Traceback" not in printed
        assert len(printed.splitlines()) == 1, printed
        return printed

    return refusal


@pytest.mark.parametrize(
    ("node", "parameters", "words"),
    [
        ("executor", {"gaet.accept": 0.1}, ["/executor", "unknown parameter gaet.accept", "gate.accept"]),
        ("planner", {"planner.mppi.horizont": 3}, ["planner.mppi.horizont", "planner.mppi.horizon"]),
        ("sim_bridge", {"taks": TASK}, ["unknown parameter taks", "task"]),
        ("executor", {"gate.accept": "wide"}, ["gate.accept", "'wide'", "at least -1"]),
        ("executor", {"gate.mode": "strict"}, ["gate.mode", "'strict'", "fixed, quantile, adaptive"]),
        ("executor", {"gate.accept": True}, ["gate.accept", "True"]),
        ("executor", {"gate.accept": [0.1, 0.2]}, ["gate.accept"]),
        ("executor", {"gate.max_corrections": 1.5}, ["gate.max_corrections", "1.5"]),
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
        ("sim_bridge", {"task": TASK, "video": "/nowhere/film.mp4"}, ["video: /nowhere"]),
        ("hardware_bridge", {"task": "reacher-easy"}, ["task reacher-easy: its observation tells of more"]),
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
        ("hardware_emulator", {"task": TASK, "joints": ["tail"]}, ["joints: got tail", "each of elbow"]),
        ("hardware_emulator", {"task": "quadruped-walk"}, ["expected limited motors of one joint each"]),
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

    def make(name: str, parameters: dict[str, Any]) -> ProcessNode:
        rclpy.init(args=arguments_of(parameters))
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
        "hardware_bridge", {"task": TASK, "controller.gains": [3], "controller.joints": ["elbow"]}
    )
    assert isinstance(node, HardwareBridgeNode)
    assert node._settings.controller.gains == (3.0,)
    assert node._settings.controller.joints == ("elbow",)
    assert node._settings.controller.rates == ()


def given(folder: Path) -> list[Any]:
    """(file, node, parameter) of every key in the shipped parameter files."""
    return [
        pytest.param(node, key, id=f"{path.name}-{node}.{key}")
        for path in sorted(folder.glob("*.yaml"))
        for node, content in yaml.safe_load(path.read_text()).items()
        for key in flat(content["ros__parameters"])
    ]


def flat(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of a tree's leaves."""
    names: list[str] = []
    for key, value in tree.items():
        names += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
    return names


@pytest.fixture(scope="module")
def declared(domain: int, model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Names of every node's parameters."""
    names = {}
    for name, kind in NODES.items():
        own = {"model": str(model), "task": TASK, "folder": str(tmp_path_factory.mktemp("bag") / "bag")}
        uses = {"planner": ["model"], "executor": ["model"], "recorder": ["folder"]}
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
def test_every_parameter_is_described_ranged_and_read_only(
    probe: Probe, start: Callable[..., Background], model: Path, name: str
) -> None:
    start(name, {"model": str(model)} if name in ("executor", "planner") else {"task": TASK})

    def ask(kind: Any, service: str, request: Any) -> Any:
        return probe.call(probe.node.create_client(kind, f"/{name}/{service}"), request)

    names = ask(ListParameters, "list_parameters", ListParameters.Request()).result.names
    own = [n for n in names if not n.startswith(("use_sim_time", "start_type_description", "qos_"))]
    described = ask(DescribeParameters, "describe_parameters", DescribeParameters.Request(names=own))
    for parameter in described.descriptors:
        assert parameter.description, parameter.name
        assert parameter.additional_constraints, parameter.name
        assert parameter.read_only, parameter.name
        is_number = parameter.type in (ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_INTEGER)
        has_range = bool(parameter.floating_point_range or parameter.integer_range)
        assert has_range == is_number, parameter.name
    change = Parameter(own[0], value="else").to_parameter_msg()
    answer = ask(SetParameters, "set_parameters", SetParameters.Request(parameters=[change]))
    assert not answer.results[0].successful
