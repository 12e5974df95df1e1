"""Nodes, alone and together, over real DDS."""

import pytest
from ros_support import domain, model, probe, signals, start

from spec_control_ros.nodes import executor, hardware_bridge, hardware_emulator

__all__ = ["domain", "model", "probe", "signals", "start"]


@pytest.fixture(autouse=True)
def _ordinary_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node in the tests' own process, with the parameters of a shipped robot, would take that into real time."""
    for module in (executor, hardware_bridge, hardware_emulator):
        monkeypatch.setattr(module, "enter_real_time", lambda _: [])
