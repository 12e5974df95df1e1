"""The network between planner and executor, with the test at both of its ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ros_support import Background, Probe

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.ros.qos import LATEST, STREAM

FAULTS = """
faults:
  - {kind: cut, when: {start_tick: 10, duration_ticks: 5}}
  - {kind: delay, delay_s: 0.2, when: {start_tick: 20}}
"""


def answered(request: Replan.Request, response: Replan.Response) -> Any:
    response.accepted, response.plan_id = True, 100 + request.tick
    return response


def test_relay_passes_on_what_no_fault_has(
    probe: Probe, start: Callable[..., Background], tmp_path: Path
) -> None:
    (tmp_path / "faults.yaml").write_text(FAULTS)
    process = start("network_relay", {"faults": str(tmp_path / "faults.yaml")})
    client = probe.node.create_client(Replan, "replan")
    probe.spin(2.0)
    assert not client.service_is_ready()  # a planner that is not ready is not offered
    probe.node.create_service(Replan, "remote/replan", answered)
    plans = probe.hear(msg.Plan, "plan", LATEST)
    remote = probe.publisher(msg.Plan, "remote/plan")
    episode = probe.publisher(msg.Episode, "episode", STREAM)
    assert probe.call(client, Replan.Request(epoch=1, tick=9)).plan_id == 109
    probe.until(lambda: remote.get_subscription_count())
    remote.publish(msg.Plan(plan_id=1))
    probe.until(lambda: plans)

    unanswered = client.call_async(Replan.Request(epoch=1, tick=10))
    probe.spin(0.5)
    remote.publish(msg.Plan(plan_id=2))
    probe.spin(0.5)
    assert not unanswered.done()
    assert [plan.plan_id for plan in plans] == [1]

    episode.publish(msg.Episode(epoch=1, tick=20))
    assert probe.call(client, Replan.Request(epoch=1, tick=20)).plan_id == 120
    remote.publish(msg.Plan(plan_id=3))
    probe.until(lambda: len(plans) == 2)
    assert plans[-1].plan_id == 3
    assert process.popen.poll() is None, process.text


def test_relay_without_a_file_says_so(start: Callable[..., Background]) -> None:
    process = start("network_relay", {})
    assert process.wait() == 2
    assert "cannot be read" in process.text
