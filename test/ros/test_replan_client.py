"""What becomes of a request that cannot be sent; everything else is seen in the executor's tests."""

from typing import Any

import numpy as np
import pytest
from rclpy._rclpy_pybind11 import RCLError
from rclpy.client import Client
from ros_support import Probe

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.ros.replan_client import ReplanClient


def test_a_request_that_the_middleware_gives_up_has_failed_at_once(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[tuple[PlanRequest, float]] = []
    probe.node.create_service(Replan, "replan", lambda _, response: response)
    client = ReplanClient(probe.node, 1.0, 1.0, lambda request, now_s: failed.append((request, now_s)))
    events = probe.hear(msg.ReplanEvent, "replan_event")
    probe.until(lambda: client.has_planner and probe.node.count_subscribers("replan_event"))

    def busy(*_: Any) -> None:
        raise RCLError("failed to send request: cannot publish data")

    monkeypatch.setattr(Client, "call_async", busy)
    request = PlanRequest(1, 2, 2, Reason.EMPTY, observation=np.zeros(3, np.float32))
    client.ask(request, now_s=7.0)
    assert failed == [(request, 7.0)]
    probe.until(lambda: len(events) == 1)
    assert (events[0].tick, events[0].message) == (2, "the request could not be sent")
    client.close()
