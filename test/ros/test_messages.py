"""Conversion to messages and back keeps every value; what does not fit is refused."""

from dataclasses import replace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core import observation
from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest, Reason
from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import MAX_QUEUE_LENGTH, Plan
from spec_control_ros.ros import messages
from spec_control_ros.sim.bridge import EpisodeState
from spec_control_ros.sim.plant import JointStates

STAMP = messages.to_stamp(12.345678901)
FLOATS = np.array([0.1, -1.0, np.float32(1e-38), np.nan, np.inf], np.float32)


def sent(message):
    """The message as it arrives."""
    return deserialize_message(serialize_message(message), type(message))


@pytest.fixture
def plan() -> Plan:
    rng = np.random.default_rng(0)
    return Plan(
        plan_id=7,
        epoch=2,
        start_tick=11,
        observation_tick=10,
        control_period_s=0.05,
        actions=rng.uniform(-1, 1, (4, 3)).astype(np.float32),
        latents=rng.normal(size=(5, 8)).astype(np.float32),
        optimised_horizon=3,
        value=1.5,
        planning_time_s=0.25,
    )


def decision() -> Decision:
    return Decision(
        epoch=1,
        tick=2,
        kind=DecisionKind.CORRECT,
        reason=Reason.MISMATCH,
        action=np.array([0.25, -0.5], np.float32),
        mismatch=0.5,
        accept_threshold=0.25,
        replan_threshold=0.75,
        correction_norm=0.125,
        steps_ahead=3,
        queue_depth=4,
        plan_id=5,
        plan_age_s=0.5,
        planning_inferences=6,
        waited_inferences=7,
        missed_ticks=8,
        dropped=9,
        observed_at_s=1.0,
        limited_ticks=0,
    )


@pytest.mark.parametrize(
    ("time_s", "sec", "nanosec"),
    [
        (0.0, 0, 0),
        (0.05, 0, 50_000_000),
        (12.999999999, 12, 999_999_999),
        (12.9999999999, 13, 0),
        (1e6 + 0.25, 1_000_000, 250_000_000),
    ],
)
def test_stamp_is_rounded_to_nanoseconds(time_s: float, sec: int, nanosec: int) -> None:
    stamp = messages.to_stamp(time_s)
    assert (stamp.sec, stamp.nanosec) == (sec, nanosec)


@pytest.mark.parametrize("values", [FLOATS, FLOATS[:0], FLOATS[::2], FLOATS.astype(np.float64)])
def test_floats_survive_bit_for_bit(values: np.ndarray) -> None:
    back = messages.from_floats(messages.to_floats(values))
    assert back.dtype == np.float32
    assert back.tobytes() == values.astype(np.float32).tobytes()


def test_observation_survives_also_where_it_is_not_finite() -> None:
    message = sent(messages.to_observation(Observation(3, 4, FLOATS), STAMP))
    back = Observation.of_message(message)
    assert (back.epoch, back.tick, back.data.tobytes()) == (3, 4, FLOATS.tobytes())
    assert message.header.stamp == STAMP
    assert message.header.frame_id == "base_link"


def test_observation_beyond_all_bounds_comes_in_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "MAX_OBS", 4)
    assert Observation.of_message(messages.to_observation(Observation(1, 2, FLOATS), STAMP)).data.size == 0


def test_plan_survives(plan: Plan) -> None:
    message = sent(messages.to_plan(plan, Reason.MISMATCH, STAMP))
    back = Plan.of_message(message)
    for name in Plan.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(back, name), getattr(plan, name))
    assert message.reason == Reason.MISMATCH


def test_plan_that_predicts_nothing_and_one_with_gains_survive(plan: Plan) -> None:
    silent = replace(plan, latents=np.zeros((len(plan.actions) + 1, 0), np.float32))
    shape = (*plan.actions.shape, plan.latents.shape[1])
    guided = replace(plan, gains=np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    for given in (silent, guided):
        back = Plan.of_message(sent(messages.to_plan(given, Reason.EMPTY, STAMP)))
        np.testing.assert_array_equal(back.latents, given.latents)
        np.testing.assert_array_equal(back.gains, given.gains)
        assert back.predicts == given.predicts == (given is guided)


@pytest.mark.parametrize(
    "wrong",
    [
        {"action_dim": 0},
        {"action_dim": 5},
        {"action_dim": 2**32 - 1},
        {"latent_dim": 0},
        {"latent_dim": 7},
        {"latent_dim": 2**32 - 1},
        {"actions": [0.0] * 3 * (MAX_QUEUE_LENGTH + 1)},
        {"actions": []},
        {"latents": []},
        {"optimised_horizon": 0},
        {"optimised_horizon": 5},
        {"observation_tick": 12},
        {"actions": [float("nan")] * 12},
        {"latents": [float("inf")] * 40},
        {"gains": [0.0] * 7},
        {"gains": [float("nan")] * 96},
    ],
    ids=str,
)
def test_plan_that_does_not_fit_itself_is_refused(plan: Plan, wrong: dict) -> None:
    message = messages.to_plan(plan, Reason.EMPTY, STAMP)
    for name, value in wrong.items():
        setattr(message, name, value)
    with pytest.raises(PlanError, match="plan 7"):
        Plan.of_message(message)


def test_command_survives() -> None:
    given = decision()
    written = msg.Command(epoch=9, tick=9, plan_id=9, decision=3, action=[9.0])  # of another tick
    messages.write_command(written, given, 12_000_000_034)
    message = sent(written)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert (message.epoch, message.tick, message.plan_id, message.decision) == (1, 2, 5, DecisionKind.CORRECT)
    np.testing.assert_array_equal(messages.from_floats(message.action), given.action)
    assert messages.kind_of(message.decision) is DecisionKind.CORRECT


def test_every_decision_has_its_kind_and_no_other_number_has_one() -> None:
    assert messages.kind_of(msg.Decision.HOLD) is DecisionKind.HOLD
    assert [messages.kind_of(number) for number in (4, 255)] == [None, None]


def test_status_says_everything_about_a_decision() -> None:
    given = decision()
    message = sent(messages.to_status(given, 0.0625, STAMP))
    renamed = {"kind": "decision", "plan_age_s": "plan_age"}
    renamed |= dict.fromkeys(["observed_at_s", "action"])  # the latency and the command tell them
    for name in Decision.__dataclass_fields__:
        field = renamed.get(name, name)
        assert field is None or getattr(message, field) == getattr(given, name), name
    assert message.latency == 0.0625


@pytest.mark.parametrize(
    "start", [{"observation": FLOATS}, {"latent": FLOATS}], ids=lambda start: next(iter(start))
)
def test_replan_request_survives(start: dict[str, np.ndarray]) -> None:
    request = PlanRequest(1, 2, 3, Reason.STALE, **start)
    message = sent(messages.to_replan(request, 0.5))
    assert message.deadline == 0.5
    assert repr(messages.from_replan(message)) == repr(request)


def test_replan_request_from_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="either an observation or a latent"):
        messages.from_replan(Replan.Request())


def test_answer_to_a_replan_request_is_mirrored() -> None:
    request = PlanRequest(1, 2, 3, Reason.STALE, FLOATS)
    accepted = sent(messages.to_replan_event(request, 0.5, 7, "", 0.25, STAMP))
    assert (accepted.epoch, accepted.tick, accepted.start_tick, accepted.reason) == (1, 2, 3, Reason.STALE)
    assert (accepted.accepted, accepted.plan_id, accepted.prefetch) == (True, 7, False)
    assert (accepted.deadline, accepted.waited, accepted.header.stamp) == (0.5, 0.25, STAMP)
    refused = sent(messages.to_replan_event(request, 0.5, 0, "no planner", 0.25, STAMP))
    assert (refused.accepted, refused.message) == (False, "no planner")


@pytest.mark.parametrize("kind", InputKind)
def test_inputs_survive_to_the_last_bit_and_their_kinds_have_the_numbers_of_the_message(
    kind: InputKind,
) -> None:
    told = [ExecutorInput(kind, 1e5 + 1 / 3, 2**32 - 1, 7, 9), ExecutorInput(kind, 0.0)]
    message = sent(messages.to_inputs(told, 12_000_000_034))
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert [ExecutorInput.of_message(given) for given in message.inputs] == told
    assert message.inputs[0].kind == getattr(msg.ExecutorInput, kind.name)


def test_episode_survives() -> None:
    state = EpisodeState(1, 9, 2**31, 0.5, 4.5, True, 5, 3, 1, 2, 0.05)
    message = sent(messages.to_episode(state, STAMP))
    renamed = {"is_done": "done", "control_period_s": "control_period"}
    for name in EpisodeState.__dataclass_fields__:
        assert getattr(message, renamed.get(name, name)) == getattr(state, name), name


def test_joints_survive() -> None:
    joints = JointStates(("hip", "knee"), np.array([0.1, 0.2]), np.array([0.3, -0.4]))
    message = sent(messages.to_joint_state(joints, STAMP))
    assert tuple(message.name) == joints.names
    np.testing.assert_array_equal(message.position, joints.position)
    np.testing.assert_array_equal(message.velocity, joints.velocity)
    assert message.header.stamp == STAMP
    assert message.header.frame_id == "base_link"
