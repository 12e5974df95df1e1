"""The planner as a process, with the test in the place of the executor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_support import ACTION, LATENT, OBS, SMALL_SEARCH, Background, Probe, node_command

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import Reason
from spec_control_ros.core.plan import Plan
from spec_control_ros.nodes.planner import PlannerNode
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.node_runner import run_node
from spec_control_ros.ros.qos import LATEST

SLOW = {"planner.queue_length": 4, **{f"planner.mppi.{k}": v for k, v in SMALL_SEARCH.items()}} | {
    "planner.mppi.iterations": 100,  # long enough that requests overtake each other
    "slo_s": 60.0,
}


class Asker:
    """The executor as the planner sees it."""

    def __init__(self, probe: Probe, process: Background) -> None:
        self.probe, self.process = probe, process
        self.client = self.probe.node.create_client(Replan, "replan")
        self.plans = self.probe.hear(msg.Plan, "plan", LATEST)
        self.diagnostics = self.probe.hear_diagnostics("planner")

    def ask(self, **fields: Any) -> Replan.Response:
        """The answer to a request."""
        return self.probe.call(self.client, request(**fields))

    def plan(self, plan_id: int) -> msg.Plan:
        """The plan of that identity, once it is there."""

        def found() -> list[msg.Plan]:
            return [plan for plan in self.plans if plan.plan_id == plan_id]

        self.probe.until(found, f"no plan {plan_id}")
        return found()[0]

    def counted(self, name: str) -> int:
        """A count of the newest diagnostics."""
        return self.probe.count(self.diagnostics, name)


def request(**fields: Any) -> Replan.Request:
    usual = {"epoch": 1, "tick": 4, "start_tick": 4, "observation": [0.1] * OBS, "reason": int(Reason.EMPTY)}
    return Replan.Request(**usual | fields)


@pytest.fixture(scope="module")
def shared(domain: int, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """One planner for the tests of this file."""
    folder = tmp_path_factory.mktemp("planner")
    command = node_command("planner", {"model": str(model), **SLOW})
    with Probe() as probe, Background(command, folder / "planner.log", {"HOME": str(folder)}) as process:
        asker = Asker(probe, process)
        probe.until(asker.client.service_is_ready, lambda: process.text)
        yield asker


@pytest.fixture
def asker(shared: Asker) -> Iterator[Asker]:
    yield shared
    assert shared.process.popen.poll() is None, shared.process.text
    assert "Traceback" not in shared.process.text


def test_service_appears_only_once_the_planner_is_warm(asker: Asker) -> None:
    assert "warm" in asker.process.text


def test_plan_carries_the_identity_of_its_request(asker: Asker) -> None:
    answer = asker.ask(epoch=7, tick=20, start_tick=20, reason=int(Reason.MISMATCH))
    assert answer.accepted
    assert answer.plan_id > 0
    message = asker.plan(answer.plan_id)
    plan = Plan.of_message(message)
    assert (plan.epoch, plan.observation_tick, plan.start_tick) == (7, 20, 20)
    assert (plan.actions.shape, plan.latents.shape) == ((4, ACTION), (5, LATENT))
    assert (plan.optimised_horizon, plan.control_period_s, message.reason) == (2, 0.05, Reason.MISMATCH)
    assert np.abs(plan.actions).max() <= 1.0


def test_newest_plan_is_latched_for_whoever_joins_late(asker: Asker) -> None:
    newest = asker.plan(asker.ask().plan_id)
    with Probe() as late:
        heard = late.hear(msg.Plan, "plan", LATEST)
        late.until(lambda: heard)
        assert [plan.plan_id for plan in heard] == [newest.plan_id]


def test_same_request_gives_the_same_plan(asker: Asker) -> None:
    first = asker.plan(asker.ask(epoch=100).plan_id)
    asker.plan(asker.ask(epoch=101).plan_id)
    again = asker.plan(asker.ask(epoch=100).plan_id)
    assert (first.actions, first.latents) == (again.actions, again.latents)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"observation": []}, "0 values, expected 6"),
        ({"observation": [0.0] * 7}, "7 values, expected 6"),
        ({"observation": [float("nan")] * OBS}, "non-finite"),
        ({"observation": to_floats(np.zeros(1_000_000, np.float32))}, "1000000 values, expected 6"),
        ({"latent": [0.0] * LATENT}, "an observation and a latent"),
        ({"observation": [], "latent": [0.0] * (LATENT + 1), "start_tick": 9}, f"expected {LATENT}"),
        ({"observation": [], "latent": [float("inf")] * LATENT, "start_tick": 9}, "non-finite"),
        (
            {"observation": [], "latent": [0.0] * LATENT, "tick": 5, "start_tick": 4},
            "expected at least its tick",
        ),
        ({"deadline": float("nan")}, "deadline of nan"),
        ({"deadline": -1.0}, "deadline of -1.0"),
        ({"reason": 200}, "got reason 200"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_request_is_refused_with_its_cause_and_never_planned(
    asker: Asker, wrong: dict[str, Any], words: str
) -> None:
    before = len(asker.plans)
    answer = asker.ask(**wrong)
    assert (answer.accepted, answer.plan_id) == (False, 0)
    assert words in answer.message
    following = asker.ask()
    asker.plan(following.plan_id)
    assert len(asker.plans) == before + 1


def test_plan_from_a_latent_begins_at_the_tick_that_it_is_foreseen_for(asker: Asker) -> None:
    latent = [1.0 / 8.0] * LATENT
    answer = asker.ask(observation=[], latent=latent, tick=4, start_tick=7)
    plan = asker.plan(answer.plan_id)
    assert (plan.observation_tick, plan.start_tick) == (4, 7)
    assert plan.latents[:LATENT].tolist() == pytest.approx(latent)


def test_huge_identities_are_planned_for(asker: Asker) -> None:
    top = 2**32 - 1
    plan = asker.plan(asker.ask(epoch=top, tick=top, start_tick=top).plan_id)
    assert (plan.epoch, plan.start_tick) == (top, top)


def test_latest_request_wins_and_the_others_are_counted(asker: Asker) -> None:
    superseded, published = asker.counted("superseded"), asker.counted("published")
    before = len(asker.plans)
    answers = [asker.client.call_async(request(epoch=200 + i)) for i in range(8)]
    asker.probe.until(lambda: all(answer.done() for answer in answers))
    ids = [answer.result().plan_id for answer in answers]
    assert ids == list(range(ids[0], ids[0] + 8))
    asker.plan(ids[-1])
    # Counts, and not what was heard: a listener that keeps the latest plan may miss one.
    planned = asker.counted("published") - published
    assert 1 <= len(asker.plans) - before <= planned < 8
    assert asker.counted("superseded") - superseded == 8 - planned


def test_request_whose_deadline_has_passed_is_not_planned_for(asker: Asker) -> None:
    late = asker.counted("too_late")
    # Before anything else is asked for: a request that comes before the planner's thread looks supersedes this one.
    with asker.probe.counting(asker.diagnostics, "too_late"):
        answer = asker.ask(deadline=1e-9)
    assert answer.accepted
    following = asker.plan(asker.ask().plan_id)
    assert following.plan_id == answer.plan_id + 1
    assert all(plan.plan_id != answer.plan_id for plan in asker.plans)
    assert asker.counted("too_late") == late + 1


def test_model_that_gives_no_finite_plan_is_reported_and_recovered_from(asker: Asker) -> None:
    failed = asker.counted("failed")
    answer = asker.ask(observation=[3e38, -3e38] * (OBS // 2))
    assert answer.accepted
    asker.probe.until(lambda: asker.counted("failed") == failed + 1)
    assert asker.diagnostics[-1].level == b"\x02"
    assert f"plan {answer.plan_id}: " in asker.process.text
    asker.plan(asker.ask().plan_id)
    asker.probe.until(
        lambda: asker.counted("failed") == failed + 1 and asker.diagnostics[-1].level == b"\x00"
    )
    assert all(plan.plan_id != answer.plan_id for plan in asker.plans)


def test_error_in_the_planning_thread_ends_the_process_with_its_message(
    signals: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], model: Path
) -> None:
    class OutOfMemory(PlannerNode):
        def _prepare(self) -> None:
            raise RuntimeError("out of memory")

    monkeypatch.setattr("sys.argv", ["planner", "--ros-args", "-p", f"model:={model}"])
    assert run_node(OutOfMemory) == 1
    assert "out of memory" in "".join(capfd.readouterr())
