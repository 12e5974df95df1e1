"""Whatever comes in by a topic or a service: no node falls over, and no command leaves its range."""

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from fuzzer import Fuzzer
from rclpy.executors import SingleThreadedExecutor
from rclpy.service import Service
from ros_support import ACTION, LATENT, OBS, ROOT, TASK, Background, Probe, arguments_of, until
from std_msgs.msg import Float64MultiArray

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan, Reset
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.topics import ROBOT_RESET
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.node_runner import ProcessNode
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

MESSAGES = 12_000  # to each node
ROWS = 3
LAST_EPOCH = 2**32 - 1  # beyond what a fuzzer sends
SEARCH = {"planner.queue_length": ROWS, "planner.mppi.horizon": 2, "planner.mppi.samples": 16}
SEARCH |= {"planner.mppi.elites": 4, "planner.mppi.prior_samples": 4, "planner.mppi.iterations": 1}
EXECUTOR = {"corrector": "two_tower", "planner_wait_s": 0.0, "gate.metric": "l2", "gate.replan": 100.0}
EXECUTOR |= {"executor.fault_after_bad_observations": 10_000}


class NodeHere:
    """A node in this process, its callbacks called by hand."""

    def __init__(self, name: str, parameters: dict[str, Any], *files: Path):
        words = [word for file in files for word in ("--params-file", str(file))]
        rclpy.init(args=[*arguments_of(parameters), *words])
        module = importlib.import_module(f"spec_control_ros.nodes.{name}")
        (kind,) = (
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, ProcessNode)
            and value.__module__ == module.__name__
        )
        self.node = kind()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def close(self) -> None:
        """End it."""
        self.node.destroy_node()
        self._executor.shutdown()
        rclpy.try_shutdown()

    def spin_until(self, is_true: Callable[[], object]) -> None:
        """Let it begin."""
        until(lambda: self.spin_once() or is_true())

    def spin_once(self) -> None:
        """Its timers."""
        self._executor.spin_once(timeout_sec=0.0)

    @property
    def entrances(self) -> dict[str, tuple[type, Callable[[Any], Any]]]:
        """What can be sent to it, by name: the type, and what takes it in."""
        topics = {s.topic_name.lstrip("/"): (s.msg_type, s.callback) for s in self.node.subscriptions}
        services = {
            s.srv_name.lstrip("/"): (s.srv_type.Request, partial(_serve, s))
            for s in self.node.services
            if s.srv_type.__module__.startswith(("spec_control_interfaces", "std_srvs"))
        }
        return topics | services

    def keep(self, kind: type) -> list[Any]:
        """What it publishes of that type from now on."""
        kept: list[Any] = []
        (publisher,) = (p for p in self.node.publishers if p.msg_type is kind)
        publisher.publish = lambda message: kept.append(
            deepcopy(message)
        )  # a node may fill the same one again
        return kept


@contextmanager
def node_here(
    name: str, parameters: dict[str, Any], topic_or_service: str, *files: Path
) -> Iterator[NodeHere]:
    """A node that takes messages on `topic_or_service`."""
    here = NodeHere(name, parameters, *files)
    try:
        here.spin_until(lambda: topic_or_service in here.entrances)
        yield here
    finally:
        here.close()


def _serve(service: Service, request: Any) -> Any:
    return service.callback(request, service.srv_type.Response())


def bombard(here: NodeHere, valid: dict[type, Callable[[int], Any]], *sizes: int) -> None:
    """Send messages to every entrance, in random order: valid ones, and spoilt ones."""
    fuzzer, entrances = Fuzzer(0, sizes), here.entrances
    order = random.Random(0)
    names = sorted(entrances)
    for i in range(MESSAGES):
        kind, take = entrances[order.choice(names)]
        message = fuzzer.spoil(valid[kind](i) if kind in valid else kind())
        take(*(message, {})[: len(signature(take).parameters)])  # some are told of the publisher as well
        if i % 20 == 0:
            here.spin_once()


def observation(epoch: int, tick: int) -> msg.Observation:
    """As a plant would say it."""
    return msg.Observation(epoch=epoch, tick=tick, data=to_floats(np.full(OBS, 0.1)))


def plan(epoch: int, tick: int, first: np.ndarray) -> msg.Plan:
    """As a planner would say it whose latent of the observation that is, with actions that are not."""
    made = msg.Plan(
        plan_id=tick + 1, epoch=epoch, start_tick=tick, observation_tick=tick, optimised_horizon=2
    )
    made.control_period, made.action_dim, made.latent_dim = 0.05, ACTION, LATENT
    made.actions = to_floats(np.full(ROWS * ACTION, 0.25))
    made.latents = to_floats(np.concatenate([first, np.zeros(ROWS * LATENT, np.float32)]))
    return made


def moment(i: int) -> tuple[int, int]:
    """Epoch and tick of the message number `i`."""
    return i // 200 + 1, i % 200 // 6


def test_executor_publishes_nothing_but_actions(domain: int, model: Path) -> None:
    with node_here("executor", {"model": str(model), **EXECUTOR}, "observation") as here:
        commands = here.keep(msg.Command)
        first = TDMPC2Format().load_tick_model(model).encode(np.full(OBS, 0.1, np.float32))
        valid = {
            msg.Observation: lambda i: observation(*moment(i)),
            msg.Plan: lambda i: plan(*moment(i), first),
        }
        bombard(here, valid, OBS, ROWS * ACTION, (ROWS + 1) * LATENT)
        assert {c.decision for c in commands} > {DecisionKind.CORRECT, DecisionKind.HOLD}
        for command in commands:
            action = np.asarray(command.action)
            assert action.shape == (ACTION,)
            assert (np.abs(action) <= 1.0).all()  # which no NaN is
        here.entrances["observation"][1](observation(LAST_EPOCH, 0))
        here.entrances["plan"][1](plan(LAST_EPOCH, 0, first))
        assert (commands[-1].epoch, commands[-1].plan_id) == (LAST_EPOCH, 1)


def test_planner_accepts_what_it_can_plan_from(domain: int, model: Path) -> None:
    def request(i: int) -> Replan.Request:
        return Replan.Request(epoch=1, tick=i, start_tick=i, observation=to_floats(np.zeros(OBS)))

    with node_here("planner", {"model": str(model), **SEARCH}, "replan") as here:
        bombard(here, {Replan.Request: request}, OBS, LATENT)
        assert here.entrances["replan"][1](request(1)).accepted


def test_plant_takes_its_own_commands_only(domain: int) -> None:
    with node_here("sim_bridge", {"task": TASK, "episodes": 0}, "reset") as here:
        bombard(
            here, {msg.Command: lambda i: msg.Command(epoch=1, action=to_floats(np.zeros(ACTION)))}, ACTION
        )
        before = here.entrances["reset"][1](Reset.Request(seed=3)).epoch
        assert here.entrances["reset"][1](Reset.Request(seed=3)).epoch == before + 1


def walker(folder: Path) -> Path:
    """The parameter file of the shipped walker's nodes behind ros2_control."""
    return find_robot("walker", ROOT / "config").write(folder, "realtime", has_hardware=True)


def test_hardware_bridge_lives_through_any_sensor_and_command(domain: int, tmp_path: Path) -> None:
    robot = {"episodes": 0, "resets_robot": False}
    with node_here("hardware_bridge", robot, "reset", walker(tmp_path)) as here:
        bombard(
            here, {msg.Command: lambda i: msg.Command(epoch=1, tick=i, action=to_floats(np.ones(6)))}, 6, 9
        )
        before = here.entrances["reset"][1](Reset.Request(seed=3)).epoch
        assert here.entrances["reset"][1](Reset.Request(seed=3)).epoch == before + 1


def test_emulated_robot_lives_through_any_effort(domain: int, tmp_path: Path) -> None:
    with node_here("hardware_emulator", {}, ROBOT_RESET.lstrip("/"), walker(tmp_path)) as here:
        bombard(here, {Float64MultiArray: lambda i: Float64MultiArray(data=[0.0] * 6)}, 6)
        here.entrances[ROBOT_RESET.lstrip("/")][1](Reset.Request(seed=3))


@pytest.mark.parametrize(
    ("node", "parameters", "topic", "kind"),
    [
        ("executor", EXECUTOR, "observation", msg.Observation),
        ("sim_bridge", {"task": TASK, "episodes": 0}, "command", msg.Command),
    ],
)
def test_bytes_that_are_no_message_end_no_process(
    start: Callable[..., Background],
    probe: Probe,
    model: Path,
    node: str,
    parameters: dict[str, Any],
    topic: str,
    kind: Any,
) -> None:
    diagnostics = probe.hear_diagnostics(node)
    process = start(node, parameters | ({"model": str(model)} if node == "executor" else {}))
    publisher = probe.publisher(kind, topic, LATEST)
    probe.until(lambda: publisher.get_subscription_count(), f"{node} does not listen to {topic}")
    rng = np.random.default_rng(0)
    for size in rng.integers(0, 2000, 500):
        publisher.publish(b"\x00\x01\x00\x00" + rng.bytes(int(size)))
        probe.spin(0.001)
    diagnostics.clear()
    probe.until(lambda: diagnostics, lambda: process.text)
    assert process.popen.poll() is None, process.text
