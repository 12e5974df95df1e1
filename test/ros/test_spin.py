"""Signals while a node hears."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from rclpy.node import Node
from std_msgs.msg import String

from spec_control_ros.ros.spin import Spin, noted_signals, spinning


def hear(spin: Spin) -> None:
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
