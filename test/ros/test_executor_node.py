"""The executor as a process, with the test in the place of the plant and of the planner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rcl_interfaces.msg import ParameterEvent
from ros_support import ACTION, LATENT, OBS, TASK, Background, Probe, node_command
from std_srvs.srv import Trigger
from world import ACCEPT, HOLD, PARAMETERS, QUEUE, REPLAN, World

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import Reason
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.qos import LATEST, STREAM

# On a busy machine the test's own answer may come after `answer_timeout_s`.
NO_PLAN_CAME = (Reason.WAITING_FOR_PLAN, Reason.PLANNER_SILENT)


@pytest.fixture(scope="module")
def shared(domain: int, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One executor for the tests of this file; each begins an epoch of its own."""
    folder = tmp_path_factory.mktemp("executor")
    command = node_command("executor", {"model": str(model), **PARAMETERS})
    with Probe() as probe, Background(command, folder / "executor.log", {"HOME": str(folder)}) as process:
        world = World(probe, model)
        world.offer_replan()
        world.process = process
        probe.until(lambda: probe.node.count_publishers("command"), lambda: process.text)
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    shared.begin()
    yield shared
    assert shared.process.popen.poll() is None, shared.process.text
    assert "Traceback" not in shared.process.text


def test_queue_is_executed_and_then_asked_for_again(world: World) -> None:
    assert [world.tick(t).decision for t in range(QUEUE + 1)] == [REPLAN, ACCEPT, ACCEPT, REPLAN]
    ours = [r for r in world.requests if r.epoch == world.epoch]
    assert [(r.tick, r.start_tick, r.reason) for r in ours] == [
        (0, 0, Reason.EMPTY),
        (QUEUE, QUEUE, Reason.EMPTY),
    ]
    assert list(ours[0].observation) == pytest.approx([0.1] * OBS)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [0.1] * (OBS - 1),
        [0.1] * (OBS + 1),
        [float("nan")] * OBS,
        [float("inf")] + [0.0] * (OBS - 1),
        to_floats(np.zeros(5_000_000, np.float32)),
    ],
    ids=["empty", "short", "long", "nan", "inf", "huge"],
)
def test_bad_observation_is_held_counted_and_recovered_from(world: World, data: Any) -> None:
    world.tick(0)
    held = world.tick(1, data)
    assert (held.decision, held.reason, held.dropped) == (HOLD, Reason.BAD_OBSERVATION, 1)
    assert list(world.commands[-1].action) == [0.0] * ACTION
    what = f"got {len(data)} values, expected {OBS} finite ones, as the model has, which was made for {TASK}"
    said = {"message": f"holding: bad observation ({what}: does the model fit the task?)"}
    is_huge = len(data) > 1000  # overruns the tick, which diagnostics tell first
    world.diagnosed(level=b"\x01", reason="BAD_OBSERVATION", **({} if is_huge else said))
    assert world.tick(2).decision == ACCEPT


def test_bad_observations_in_a_row_latch_a_fault_until_it_is_cleared(world: World) -> None:
    for tick in range(5):
        assert world.tick(tick, [0.0]).decision == HOLD
    good = world.tick(5)
    assert (good.decision, good.reason) == (HOLD, Reason.FAULT)
    world.diagnosed(level=b"\x02")
    clear = world.probe.node.create_client(Trigger, "/executor/clear_fault")
    assert world.probe.call(clear, Trigger.Request()).success
    assert world.tick(6).decision == REPLAN
    assert not world.probe.call(clear, Trigger.Request()).success


@pytest.mark.parametrize(
    "wrong",
    [
        {"action_dim": ACTION + 1},
        {"action_dim": 2**32 - 1},
        {"action_dim": ACTION + 1, "actions": [0.0] * QUEUE * (ACTION + 1)},
        {"latent_dim": LATENT * 2, "latents": [0.0] * (QUEUE + 1) * LATENT * 2},
        {"latents": [0.1] * LATENT},
        {"actions": [float("nan")] * QUEUE * ACTION},
        {"latents": [float("inf")] * (QUEUE + 1) * LATENT},
        {"optimised_horizon": 0},
        {"start_tick": 2**32 - 1, "observation_tick": 2**32 - 1},
        {"actions": to_floats(np.zeros(1_000_000, np.float32))},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_bad_plan_is_refused_counted_and_recovered_from(world: World, wrong: dict[str, Any]) -> None:
    world.wrong_plan = wrong
    held = world.tick(0)
    assert (held.decision, held.plan_id) == (HOLD, 0)
    assert held.reason in NO_PLAN_CAME
    assert held.dropped >= 1
    world.wrong_plan = {}
    world.publish_plan(Replan.Request(epoch=world.epoch))
    assert world.tick(1).decision in (ACCEPT, REPLAN)


def test_plan_of_an_old_epoch_is_dropped(world: World) -> None:
    world.tick(0)
    with world.counting("stale_epoch"):
        world.publish_plan(Replan.Request(epoch=world.epoch - 1))
    following = world.tick(1)
    assert (following.decision, following.dropped) == (ACCEPT, 1)


def test_observation_of_an_old_epoch_or_tick_is_dropped_unanswered(world: World) -> None:
    world.tick(0)
    world.tick(1)
    before = len(world.commands)
    with world.counting("stale_epoch"):
        world.observe(7, epoch=world.epoch - 1)
    with world.counting("stale_tick"):
        world.observe(0)
    assert len(world.commands) == before
    following = world.tick(2)
    assert (following.decision, following.dropped) == (ACCEPT, 2)


def test_observation_from_the_future_counts_the_ticks_between_as_missed(world: World) -> None:
    world.tick(0)
    future = world.tick(1_000_000)
    assert (future.decision, future.missed_ticks) == (REPLAN, 999_999)
    world.begin()
    assert world.tick(0).missed_ticks == 0


def test_requests_are_mirrored_with_what_became_of_them(world: World) -> None:
    def events() -> list[tuple[int, int, bool, int, str]]:
        ours = (e for e in world.events if e.epoch == world.epoch)
        return [(e.tick, e.reason, e.accepted, e.plan_id, e.message) for e in ours]

    world.answer = Replan.Response(accepted=True, plan_id=77)
    world.tick(0)
    world.probe.until(lambda: len(events()) == 1)
    world.answer = Replan.Response(accepted=False, message="out of order")
    world.observe(QUEUE)
    world.probe.until(lambda: len(events()) >= 2)
    assert events()[:2] == [(0, Reason.EMPTY, True, 77, ""), (QUEUE, Reason.EMPTY, False, 0, "out of order")]


def test_refused_request_is_reported_and_made_again(world: World) -> None:
    world.answer = Replan.Response(accepted=False, message="out of order")
    held = world.tick(0)
    assert (held.decision, held.reason) == (HOLD, Reason.PLANNER_SILENT)
    assert len([r for r in world.requests if r.epoch == world.epoch]) > 1
    assert "planner refused: out of order" in world.process.text
    world.answer = Replan.Response(accepted=True)
    assert world.tick(1).decision in (ACCEPT, REPLAN)  # tick 0 may have had its plan just before


def test_slow_plan_is_waited_for_then_held_and_used_for_what_is_left_of_it(world: World) -> None:
    world.is_planning = False
    held = world.tick(0)
    assert held.decision == HOLD
    assert held.reason in NO_PLAN_CAME
    world.publish_plan(world.requests[-1])
    following = world.tick(1)
    assert (following.decision, following.steps_ahead) == (ACCEPT, 1)


def test_reset_while_a_plan_is_on_its_way_drops_that_plan(world: World) -> None:
    world.is_planning = False
    world.observe(0)
    world.probe.until(lambda: world.requests and world.requests[-1].epoch == world.epoch)
    old = world.requests[-1]
    world.begin()
    world.is_planning = False
    world.observe(0)
    world.probe.until(lambda: world.requests[-1].epoch == world.epoch)
    with world.counting("stale_epoch"):
        world.publish_plan(old)
    world.publish_plan(world.requests[-1])
    following = world.tick(1)
    assert (following.decision, following.dropped) == (ACCEPT, 1)


def test_junk_of_every_kind_at_once_is_survived(world: World) -> None:
    rng = np.random.default_rng(0)
    for tick in range(100):
        junk = rng.choice([np.nan, np.inf, 1e38, 0.0], rng.integers(0, 20)).astype(np.float32)
        world.observe(int(rng.integers(0, 2**31)), to_floats(junk), int(rng.integers(0, world.epoch + 1)))
        world.publish_plan(
            Replan.Request(epoch=world.epoch, start_tick=tick),
            actions=to_floats(junk),
            latents=to_floats(junk),
            reason=int(rng.integers(0, 256)),
        )
    world.probe.spin(0.5)
    world.begin()
    clear = world.probe.node.create_client(Trigger, "/executor/clear_fault")
    world.probe.call(clear, Trigger.Request())
    assert world.tick(0).decision == REPLAN


@pytest.fixture
def tuned(world: World) -> Iterator[World]:
    """One whose thresholds are as before afterwards."""
    yield world
    results = world.probe.set_parameters("executor", gate__replan=200.0, gate__accept=100.0)
    assert [result.reason for result in results] == ["", ""]


def test_thresholds_that_are_set_at_run_time_count_at_the_next_tick_and_are_recorded(tuned: World) -> None:
    probe, events = tuned.probe, tuned.probe.hear(ParameterEvent, "parameters", LATEST)
    inputs = probe.hear(msg.ExecutorInputs, "inputs", STREAM)
    tuned.tick(0)
    assert tuned.tick(1).accept_threshold == 100.0
    results = probe.set_parameters("executor", gate__accept=50.0, gate__replan=150)  # a whole number will do
    assert [(r.successful, r.reason) for r in results] == [(True, "")] * 2
    status = tuned.tick(2)
    assert (status.accept_threshold, status.replan_threshold) == (50.0, 150.0)

    def told() -> list[tuple[str, float]]:
        given = [g for m in inputs for g in m.inputs if g.kind == msg.ExecutorInput.PARAMETERS]
        return [pair for g in given for pair in zip(g.names, g.values, strict=True)]

    probe.until(lambda: len(told()) >= 2, lambda: str(told()))
    assert told() == [("gate.accept", 50.0), ("gate.replan", 150.0)]

    def held() -> tuple[float, float]:
        values = {p.name: p.value.double_value for p in events[-1].new_parameters}
        return values["gate.accept"], values["gate.replan"]

    probe.until(lambda: events and held() == (50.0, 150.0))
    assert [p.name for p in events[-1].changed_parameters] == ["gate.accept", "gate.replan"]
    assert "changed: gate.replan = 150.0" in tuned.process.text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gate.accept", 500.0, "accept: got 500.0, expected at most replan = 200.0"),
        ("gate.accept", float("nan"), ""),
        ("gate.replan", 1e12, "out of range"),
        ("gate.replan", "wide", "type"),
        ("gate.replan", None, "cannot be undeclared"),
        ("executor.max_action", 2.0, "out of range"),
        ("gate.mode", "adaptive", "read-only"),
        ("executor.hold", "last", "read-only"),
    ],
)
def test_value_that_is_not_allowed_is_refused_with_a_reason(
    world: World, name: str, value: Any, said: str
) -> None:
    (result,) = world.probe.set_parameters("executor", **{name: value})
    assert not result.successful
    assert result.reason
    assert said in result.reason
    world.tick(0)
    assert (world.tick(1).accept_threshold, world.status[-1].replan_threshold) == (100.0, 200.0)
