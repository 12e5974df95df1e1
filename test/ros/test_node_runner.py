"""Signals while a node hears."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from ros_support import Background, until
from std_msgs.msg import String
from std_srvs.srv import Trigger

import spec_control_ros
from spec_control_ros.ros.node_runner import NodeRunner, ProcessNode, noted_signals, spinning

PACKAGE = Path(spec_control_ros.__file__).parent


def hear(spin: NodeRunner) -> None:
    for _ in range(60):  # something else may come first
        spin(1.0)


@pytest.fixture
def _hang_up_is_heeded() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_hang_up_is_heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["in the callback", "while the message is made"])
def test_signal_raises_once_the_message_is_taken_in(
    number: signal.Signals, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def on_message(message: String) -> None:
        if moment == "in the callback":
            os.kill(os.getpid(), number)
        heard.append(message.data)

    make = String.__init__

    def interrupted_make(self: String, **values: Any) -> None:
        os.kill(os.getpid(), number)
        make(self, **values)

    message = String(data="whole")
    if moment == "while the message is made":
        monkeypatch.setattr(String, "__init__", interrupted_make)
    with spinning(lambda: Node("listener")) as (node, spin):
        node.create_subscription(String, "topic", on_message, 10)
        publisher = node.create_publisher(String, "topic", 10)
        publisher.publish(message)
        with pytest.raises(KeyboardInterrupt):
            hear(spin)
    assert heard == ["whole"]


@pytest.mark.parametrize(("failures", "arriving"), [(0, "abc"), (1, "abc"), (2, "bc"), (3, "bc")])
def test_a_message_that_the_middleware_gives_up_is_tried_again_and_does_not_end_the_node(
    failures: int, arriving: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    publish, left = Publisher.publish, iter([True] * failures)

    def busy_publish(self: Any, message: Any) -> None:
        if isinstance(message, String) and next(left, False):
            raise RCLError("Failed to publish: cannot publish data")
        publish(self, message)

    monkeypatch.setattr(Publisher, "publish", busy_publish)
    with spinning(lambda: ProcessNode("talker")) as (node, spin):
        node.create_subscription(String, "topic", lambda message: heard.append(message.data), 10)
        publisher = node.create_publisher(String, "topic", 10)
        for letter in "abc":
            publisher.publish(String(data=letter))
        until(lambda: spin(0.1) or len(heard) == len(arriving))
    assert heard == list(arriving)
    lost = "lost a message on /topic: Failed to publish: cannot publish data"
    assert (lost in capfd.readouterr().err) == (arriving != "abc")


@pytest.mark.parametrize("lost", ["failed to send response", "failed to send request"])
def test_a_service_call_that_the_middleware_gives_up_does_not_end_the_node(
    lost: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = iter((f"{lost}: cannot publish data", "another error of rcl"))

    def answer(*_: Any) -> Any:
        raise RCLError(next(answers))  # where rclpy sends it, right after this

    with spinning(lambda: ProcessNode("server")) as (node, spin):
        node.create_service(Trigger, "ask", answer)
        client = node.create_client(Trigger, "ask")
        until(lambda: spin(0.1) or client.service_is_ready())
        client.call_async(Trigger.Request())
        said = ""

        def is_said() -> bool:
            nonlocal said
            spin(0.1)
            said += capfd.readouterr().err
            return f"a service call is lost: {lost}" in said

        until(is_said)
        client.call_async(Trigger.Request())
        with pytest.raises(RCLError, match="another error"):
            hear(spin)


class Interrupted(Event):
    """One that further signals come to while it is being set, and holds its lock."""

    times = 0

    def set(self) -> None:
        self.times += 1
        assert self.times == 1, "it would wait for itself"
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        super().set()


def test_signals_that_come_while_one_is_noted_do_not_stop_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spec_control_ros.ros.node_runner.Event", Interrupted)
    told: list[str] = []
    with noted_signals(lambda: told.append("signal")) as is_signalled:
        signal.raise_signal(signal.SIGTERM)
        assert is_signalled.is_set()
    assert told == ["signal"]


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with noted_signals() as is_signalled:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_signalled.is_set()
    assert signal.getsignal(signal.SIGTERM) is before


def test_hang_up_stays_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with noted_signals() as is_signalled:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not is_signalled.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_timers_of_a_process_node_go_by_the_steady_clock() -> None:
    with spinning(lambda: ProcessNode("timed")) as (node, spin):
        fired: list[None] = []
        timer = node.create_timer(0.001, lambda: fired.append(None))
        for _ in range(60):
            if not fired:
                spin(1.0)
        assert fired
        assert timer.clock.clock_type == ClockType.STEADY_TIME


def calls(name: str) -> list[tuple[str, ast.Call, str]]:
    """All calls of a method of that name in the package: its file, the call, and what it is called on."""
    return [
        (path.relative_to(PACKAGE).as_posix(), call, ast.unparse(call.func.value))
        for path in sorted(PACKAGE.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == name
    ]


def test_no_timer_is_made_but_by_a_process_node_or_with_the_steady_clock() -> None:
    """A node of rclpy's own has the clock that can be set, and that stands still without /clock."""
    for file, call, owner in calls("create_timer"):
        text, clock = (PACKAGE / file).read_text(), {k.arg: ast.unparse(k.value) for k in call.keywords}
        is_of_process_node = owner == "self" and ("(ProcessNode)" in text or "(LifecycleProcessNode)" in text)
        is_of_process_node |= owner in ("node", "self._node") and "node: ProcessNode" in text
        is_of_process_node |= file in ("ros/node_runner.py", "ros/lifecycle_node.py")
        assert is_of_process_node or clock.get("clock") == "STEADY", f"{file}: {ast.unparse(call)}"
    assert len(calls("create_timer")) > 10
    assert calls("create_rate") == calls("sleep_for") == calls("sleep_until") == []


def test_no_log_call_is_throttled_by_the_system_clock() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "steady.py":
            assert "throttle_duration_sec" not in path.read_text(), path


@pytest.mark.usefixtures("_hang_up_is_heeded")
def test_signals_stay_ignored_where_the_process_is_about_to_end() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    told: list[str] = []
    try:
        with noted_signals(lambda: told.append("signal"), afterwards=signal.SIG_IGN) as is_signalled:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert is_signalled.is_set()
        assert {signal.getsignal(number) for number in before} == {signal.SIG_IGN}
        assert told == ["signal"], "the first one alone"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def handles_signals(process: Background) -> bool:
    """Whether it has got as far as to its own handlers; before, it is Python that starts."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["planner", "sim_bridge"])
@pytest.mark.parametrize("after_s", [0.0, 1.5])
def test_node_that_is_told_to_end_while_it_starts_ends_at_once_and_cleanly(
    start: Callable[..., Background], number: signal.Signals, name: str, after_s: float
) -> None:
    process = start(name, {})
    until(lambda: handles_signals(process))
    time.sleep(after_s)  # wherever it is by then: imports, its own making, or its configuration
    while process.popen.poll() is None:
        process.send(number)
        time.sleep(0.01)
    assert process.popen.returncode == 0, process.text
    assert "Traceback" not in process.text


FAREWELL = """
import sys
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.task import Future
from std_msgs.msg import Empty
from spec_control_ros.ros.node_runner import ProcessNode, run_node

class Buggy(ProcessNode):
    def __init__(self):
        super().__init__("buggy")
        if sys.argv[1] == "event":
            events = PublisherEventCallbacks(matched=self.guarded(self.fall))
            self.publisher = self.create_publisher(Empty, "x", 1, event_callbacks=events)
            self.subscription = self.create_subscription(Empty, "x", lambda _: None, 1)
        else:
            self.timer = self.create_timer(0.01, self.fall)
    def fall(self, *_):
        raise RuntimeError("a bug")
    def destroy_node(self):
        print("farewell", flush=True)
        super().destroy_node()

sys.exit(run_node(Buggy))
"""


@pytest.mark.parametrize("callback", ["event", "timer"])
def test_exception_in_a_callback_ends_the_node_with_a_farewell(callback: str, tmp_path: Path) -> None:
    """From an event of the middleware as well, where rclpy ends the process with a segmentation fault."""
    script = tmp_path / "buggy.py"
    script.write_text(FAREWELL)
    ended = subprocess.run(
        [sys.executable, str(script), callback], capture_output=True, text=True, timeout=60.0, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "farewell\n"), ended.stderr
    assert "RuntimeError: a bug" in ended.stderr
