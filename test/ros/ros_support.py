"""What the tests of nodes and of the whole system share: a domain, small models, processes, and a probe."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.bringup.middleware import middleware_environment
from spec_control_ros.core.decision import Reason
from spec_control_ros.core.plan import Plan
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.kinds import CORRECTORS
from spec_control_ros.ros.qos import LATEST, STREAM
from spec_control_ros.ros.subscriptions import find_topic
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder

ROOT = Path(__file__).resolve().parents[2]
CACHE = os.environ.get("XDG_CACHE_HOME") or str(
    Path.home() / ".cache"
)  # of compiled libraries: also away from home
PATIENCE_S = 120.0  # after that a test fails instead of hanging; nothing is measured against it
MARK = "SPEC_CONTROL_TEST"  # environment variable by which a test finds every process that descends from it

TASK, OBS, ACTION, LATENT = "acrobot-swingup", 6, 1, 16  # the cheapest task that ends after 10 s
ROBOT = {  # parameters of the nodes that put that task behind a robot's topics
    "hardware_bridge": {
        "action_repeat": 20,
        "controller": {"joints": ["elbow"], "gains": [2.0], "lower": [-2.0], "upper": [2.0]},
    },
    "hardware_emulator": {"action_repeat": 20, "joints": ["elbow"]},
}
TASKS = {
    "recorder": "recording",  # what nodes tell on diagnostics, beside their clock
    "planner": "planning",
    "executor": "control law",
    "sim_bridge": "plant",
    "hardware_bridge": "robot",
    "hardware_emulator": "robot",
}
SMALL_SEARCH = {"horizon": 2, "iterations": 2, "samples": 16, "prior_samples": 4, "elites": 4}

# --- A domain that nobody else on this machine uses


@contextmanager
def free_domain() -> Iterator[int]:
    """A DDS domain that is free now, and kept from other test sessions until the end."""
    first = os.getpid()
    for domain in (1 + (first + i) % 100 for i in range(100)):
        with (Path(tempfile.gettempdir()) / f"spec_control_domain_{domain}").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _is_unused(domain):
                yield domain
                return
    raise RuntimeError("no DDS domain from 1 to 100 is free")


def _is_unused(domain: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7410 + 250 * domain))  # of a domain's first participant
        except OSError:
            return False
        return True


# --- Small models


def make_model_folder(
    path: Path,
    task: str = TASK,
    obs: int = OBS,
    action: int = ACTION,
    *,
    correctors: bool = False,
    period_s: float = 0.05,
) -> Path:
    """A random world model that plans in a millisecond, with a random corrector of each kind on demand."""
    torch.manual_seed(0)
    dims = Dimensions(
        obs=obs, action=action, latent=LATENT, encoder=16, encoder_layers=1, hidden=16, q_members=2
    )
    model = WorldModel(dims)
    save_world_model(path / WEIGHTS, model, {"task": task, "control_period_s": period_s})
    for kind, make in CORRECTORS.items() if correctors else ():
        window = 4 if kind == "temporal" else 1
        corrector = make(CorrectorDimensions(LATENT, action, hidden=16, window=window, layers=1, heads=2))
        torch.nn.init.normal_(corrector.head.weight, std=0.5)  # an untrained one corrects nothing
        ModelFolder(path).save_corrector(kind, corrector, {"task": task})
    return path


def write_parameters(path: Path, **nodes: Mapping[str, Any]) -> Path:
    """A parameter file."""
    path.write_text(yaml.safe_dump({node: {"ros__parameters": dict(p)} for node, p in nodes.items()}))
    return path


def write_system(path: Path, model: Path, executor: Mapping[str, Any], sim_bridge: Mapping[str, Any]) -> Path:
    """Parameters of the three nodes, with a search of a millisecond and plans of three rows."""
    return write_parameters(
        path,
        planner={"model": str(model), "planner": {"queue_length": 3, "mppi": SMALL_SEARCH}},
        executor={"model": str(model), **executor},
        sim_bridge={"task": TASK, **sim_bridge},
    )


def arguments_of(parameters: Mapping[str, Any]) -> list[str]:
    """Parameters as words after --ros-args."""
    words = (("-p", f"{name}:={_yaml(value)}") for name, value in parameters.items())
    return ["--ros-args", *(word for pair in words for word in pair)]


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()


# --- Processes


def marked_processes(mark: str) -> dict[int, str]:
    """Command lines of the processes, by id, that carry this mark in their environment; zombies have none."""
    found = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # gone, or another user's
            if folder.name.isdigit() and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


class Background:
    """A process with its output in a file; its descendants are found again by their mark."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str] | None = None):
        self.mark = uuid.uuid4().hex
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "XDG_CACHE_HOME": CACHE,
                    **(environment or {}),
                    MARK: self.mark,
                    "PYTHONUNBUFFERED": "1",
                },
                start_new_session=True,
            )

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def text(self) -> str:
        """What it has printed so far, without the colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {timeout_s} s; printed:\n{self.text}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        os.kill(self.popen.pid, number)

    def descendants(self, having: str = "") -> dict[int, str]:
        """Its own process and all that it started, if `having` is part of the command line."""
        return {pid: line for pid, line in marked_processes(self.mark).items() if having in line}

    def wait_for_no_descendants(self) -> None:
        """Fail when one is left."""
        until(lambda: not self.descendants(), lambda: f"left behind: {self.descendants()}")

    def kill(self) -> None:
        """Kill it and all that it started."""
        for pid in self.descendants():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.kill()  # one that has hardly begun has no mark yet
        self.popen.wait()


def hang(pid: int) -> None:
    """Stop a process, and wait until all its threads stand: only then can it be woken."""
    os.kill(pid, signal.SIGSTOP)
    states = Path(f"/proc/{pid}/task")
    until(lambda: all(" T " in (thread / "stat").read_text() for thread in states.iterdir()), "not stopped")


def node_command(name: str, parameters: Mapping[str, Any], *files: Path) -> list[str]:
    """How a node is started by hand; one that is not of the package is named with its own."""
    module = name if "." in name else f"spec_control_ros.nodes.{name}"
    words = [word for file in files for word in ("--params-file", str(file))]
    return [sys.executable, "-m", module, *arguments_of(parameters), *words]


def until(is_true: Callable[[], object], what: str | Callable[[], str] = "", timeout_s: float = PATIENCE_S):
    """Wait for a condition.

    Raises:
        AssertionError: it does not come true.
    """
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end, what() if callable(what) else what or "waited in vain"
        time.sleep(0.05)


# --- A probe on the domain


class PatientPublisher(Publisher[Any]):
    """A publisher that loses nothing: what the middleware gives up on a busy machine is said again."""

    def publish(self, message: Any) -> None:
        """As rclpy's, until it is out."""
        until(lambda: self._is_out(message), f"{self.topic_name} takes no message")

    def _is_out(self, message: Any) -> bool:
        try:
            super().publish(message)
        except RCLError:
            return False
        return True


class Probe:
    """A node of the test's own: records what it hears, says what the test wants to say."""

    def __init__(self, domain: int | None = None):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain, args=[])
        self.node = Node("probe", context=self.context)
        self._executor = EventsExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._nodes = [self.node]
        self._publishers: dict[str, Any] = {}

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the domain, whatever came: what stays behind answers in the place of other tests' nodes."""
        self._executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        self.context.try_shutdown()

    def spin_too(self, node: Node) -> None:
        """Let another node of the same context hear while the probe spins."""
        self._executor.add_node(node)
        self._nodes.append(node)

    def hear(self, kind: Any, topic: str, qos: QoSProfile | int = STREAM) -> list[Any]:
        """The list to which every message on `topic` is appended while the probe spins."""
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, qos)
        return heard

    def hear_as_offered(self, topic: str) -> list[Any]:
        """Every message from now on, with the quality of service of its publishers, as `ros2 topic echo` does it."""
        found = find_topic(self.node, topic)
        assert found is not None
        return self.hear(found.kind, topic, found.qos)

    def hear_status(self) -> list[msg.ExecutorStatus]:
        """Every status from now on."""
        return self.hear(msg.ExecutorStatus, "status")

    def hear_episodes(self) -> list[msg.Episode]:
        """Every word of the plant about its episode from now on."""
        return self.hear(msg.Episode, "episode")

    def hear_clock(self, topic: str = "/clock") -> list[Clock]:
        """The plant's clock from now on."""
        return self.hear(Clock, topic, 100)

    def hear_diagnostics(self, node: str, task: str = "") -> list[DiagnosticStatus]:
        """Diagnostics of one task of a node from now on, or of its main one."""
        name = f"/{node}: {task or TASKS[node]}"
        heard: list[DiagnosticStatus] = []

        def keep(array: DiagnosticArray) -> None:
            heard.extend(status for status in array.status if status.name == name)

        self.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)
        return heard

    def count(self, diagnostics: list[DiagnosticStatus], key: str) -> int:
        """A count as diagnostics that are made from now on tell it; 0 where they do not have it."""
        diagnostics.clear()
        self.until(lambda: diagnostics, "no diagnostics")
        return int({value.key: value.value for value in diagnostics[-1].values}.get(key, "0"))

    @contextmanager
    def counting(self, diagnostics: list[DiagnosticStatus], key: str) -> Iterator[None]:
        """What happens inside is over once the diagnostics have counted it."""
        before = self.count(diagnostics, key)
        yield
        self.until(lambda: self.count(diagnostics, key) > before, f"{key} was not counted")

    def publisher(self, kind: Any, topic: str, qos: QoSProfile | int = LATEST) -> Any:
        """A publisher; one a topic."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(
                kind, topic, qos, publisher_class=PatientPublisher
            )
        return self._publishers[topic]

    def spin(self, duration_s: float) -> None:
        """Take in what comes, for that long."""
        end = time.monotonic() + duration_s
        while (left := end - time.monotonic()) > 0:
            self._spin_once(min(left, 0.05))

    def until(self, is_true: Callable[[], object], what: str | Callable[[], str] = "") -> None:
        """Take in what comes until a condition holds.

        Raises:
            AssertionError: it does not come true.
        """
        end = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < end, what() if callable(what) else what or "waited in vain"
            self._spin_once(0.05)

    def call(self, client: Any, request: Any) -> Any:
        """The answer of a service.

        It is asked again when no answer comes: a service that has not yet discovered its client answers into the void.
        """
        self.until(client.service_is_ready, f"no service {client.srv_name}")
        answers: list[Any] = []
        asked_at = -np.inf

        def has_answered() -> bool:
            nonlocal asked_at
            if time.monotonic() > asked_at + PATIENCE_S / 10:
                asked_at = time.monotonic()
                answers.append(client.call_async(request))
            return any(answer.done() for answer in answers)

        self.until(has_answered, f"no answer from {client.srv_name}")
        return next(answer.result() for answer in answers if answer.done())

    def set_parameters(self, node: str, **values: Any) -> list[SetParametersResult]:
        """Set parameters of a running node as `ros2 param set` does, one after the other; `__` stands for the dot."""
        request = SetParameters.Request(
            parameters=[
                Parameter(n.replace("__", "."), value=v).to_parameter_msg() for n, v in values.items()
            ]
        )
        client = self.node.create_client(SetParameters, f"/{node}/set_parameters")
        return self.call(client, request).results

    def _spin_once(self, timeout_s: float) -> None:
        try:
            self._executor.spin_once(timeout_sec=timeout_s)
        except ExternalShutdownException:
            raise AssertionError("the probe's context was shut down") from None


# --- Fixtures, for the conftest of each folder to import


@pytest.fixture(scope="session", autouse=True)
def domain() -> Iterator[int]:
    """A DDS domain of this test session's own; nothing leaves this machine."""
    with free_domain() as number, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(number))
        for name, value in middleware_environment({}, ROOT / "config").items():
            patch.setenv(name, value)
        yield number


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model of the task, with random correctors."""
    return make_model_folder(tmp_path_factory.mktemp("models") / "small", correctors=True)


@pytest.fixture
def probe() -> Iterator[Probe]:
    """A node of the test's own."""
    with Probe() as probe:
        yield probe


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Background]]:
    """Starts a node as a process of its own; none outlives the test."""
    started: list[Background] = []

    def start(
        name: str, parameters: Mapping[str, Any], *files: Path, environment: Mapping[str, str] | None = None
    ) -> Background:
        log = tmp_path / f"{name}_{len(started)}.log"
        own = {"HOME": str(tmp_path), **(environment or {})}
        started.append(Background(node_command(name, parameters, *files), log, own))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def signals() -> Iterator[None]:
    """For tests that run a node in this process: it takes over the signals for good."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    signal.alarm(0)  # the last resort of a node that was told to end
    for number, handler in before.items():
        signal.signal(number, handler)


def first_plan(probe: Probe, process: Background, obs: int) -> tuple[Any, Replan.Response, Plan]:
    """Ask the planner of a process for tick 4, once it is ready; the client, the answer and the plan."""
    client = probe.node.create_client(Replan, "replan")
    plans = probe.hear(msg.Plan, "plan", LATEST)
    probe.until(client.service_is_ready, lambda: process.text)
    request = Replan.Request(epoch=1, tick=4, start_tick=4, observation=[0.1] * obs, reason=int(Reason.EMPTY))
    answer = probe.call(client, request)
    assert answer.accepted, answer.message
    probe.until(lambda: plans, "no plan")
    return client, answer, Plan.of_message(plans[0])
