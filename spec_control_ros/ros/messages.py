"""Between messages and the values of the core."""

from array import array
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import JointState

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest, Reason, status_of
from spec_control_ros.core.executor_input import ExecutorInput
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.sim.bridge import EpisodeState
from spec_control_ros.sim.plant import JointStates

BASE = "base_link"  # frame of what is sensed of the robot and commanded to it, by REP-105


def to_stamp(time_s: float) -> Time:
    """Seconds as a stamp."""
    ns = round(time_s * 1e9)
    return Time(sec=ns // 1_000_000_000, nanosec=ns % 1_000_000_000)


def to_floats(values: NDArray[np.float32]) -> array:
    """An array as a message field; assigning numpy arrays directly is 200 times slower."""
    return array("f", np.asarray(values, np.float32).tobytes())


def from_floats(values: Sequence[float]) -> NDArray[np.float32]:
    """A message field as an array of its own."""
    return np.array(values, dtype=np.float32)


def to_observation(observation: Observation, stamp: Time) -> msg.Observation:
    """The message for an observation."""
    message = msg.Observation(
        epoch=observation.epoch, tick=observation.tick, data=to_floats(observation.data)
    )
    message.header.stamp, message.header.frame_id = stamp, BASE
    return message


def to_plan(plan: Plan, reason: Reason, stamp: Time) -> msg.Plan:
    """The message for a plan."""
    message = msg.Plan(
        plan_id=plan.plan_id,
        epoch=plan.epoch,
        start_tick=plan.start_tick,
        observation_tick=plan.observation_tick,
        control_period=plan.control_period_s,
        action_dim=plan.actions.shape[1],
        latent_dim=plan.latents.shape[1],
        actions=to_floats(plan.actions),
        latents=to_floats(plan.latents),
        gains=to_floats(np.zeros(0, np.float32) if plan.gains is None else plan.gains),
        optimised_horizon=plan.optimised_horizon,
        value=plan.value,
        planning_time=plan.planning_time_s,
        reason=int(reason),
    )
    message.header.stamp, message.header.frame_id = stamp, BASE
    return message


def write_command(message: msg.Command, decision: Decision, time_ns: int) -> None:
    """Turn a message into the command of a decision: making one takes longer than deciding what it says."""
    stamp = message.header.stamp
    stamp.sec, stamp.nanosec = divmod(time_ns, 1_000_000_000)
    message.epoch, message.tick, message.plan_id = decision.epoch, decision.tick, decision.plan_id
    message.decision = int(decision.kind)
    message.action = to_floats(decision.action)


def to_status(decision: Decision, latency_s: float, stamp: Time) -> msg.ExecutorStatus:
    """The status of a decision."""
    message = msg.ExecutorStatus(**status_of(decision), latency=latency_s)
    message.header.stamp = stamp
    return message


def to_replan(request: PlanRequest, deadline_s: float) -> Replan.Request:
    """The service request for a plan."""
    return Replan.Request(
        epoch=request.epoch,
        tick=request.tick,
        start_tick=request.start_tick,
        reason=int(request.reason),
        observation=[] if request.observation is None else to_floats(request.observation),
        latent=[] if request.latent is None else to_floats(request.latent),
        deadline=deadline_s,
    )


def from_replan(message: Replan.Request) -> PlanRequest:
    """The request for a plan.

    Raises:
        PlanError: it holds both an observation and a latent, or neither.
    """
    observation, latent = (
        from_floats(values) if len(values) else None for values in (message.observation, message.latent)
    )
    return PlanRequest(
        message.epoch, message.tick, message.start_tick, Reason(message.reason), observation, latent
    )


def to_replan_event(
    request: PlanRequest, deadline_s: float, plan_id: int, why_not: str, waited_s: float, stamp: Time
) -> msg.ReplanEvent:
    """The message for what became of a request; `why_not` is empty if it was accepted."""
    message = msg.ReplanEvent(
        epoch=request.epoch,
        tick=request.tick,
        start_tick=request.start_tick,
        reason=int(request.reason),
        prefetch=request.is_prefetch,
        deadline=deadline_s,
        waited=waited_s,
        accepted=not why_not,
        plan_id=plan_id,
        message=why_not,
    )
    message.header.stamp = stamp
    return message


def to_inputs(inputs: Sequence[ExecutorInput], time_ns: int) -> msg.ExecutorInputs:
    """The message for what the control law was given, one call after the other."""
    message = msg.ExecutorInputs(
        inputs=[
            msg.ExecutorInput(
                kind=int(given.kind),
                time=given.now_s,
                epoch=given.epoch,
                tick=given.tick,
                plan_id=given.plan_id,
                names=[name for name, _ in given.changes],
                values=[value for _, value in given.changes],
            )
            for given in inputs
        ]
    )
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, 1_000_000_000)
    return message


def to_episode(state: EpisodeState, stamp: Time) -> msg.Episode:
    """The message for how an episode stands."""
    values = asdict(state)
    done, control_period = values.pop("is_done"), values.pop("control_period_s")
    message = msg.Episode(**values, done=done, control_period=control_period)
    message.header.stamp = stamp
    return message


def to_joint_state(joints: JointStates, stamp: Time) -> JointState:
    """The standard message for joints."""
    message = JointState(
        name=list(joints.names), position=joints.position.tolist(), velocity=joints.velocity.tolist()
    )
    message.header.stamp, message.header.frame_id = stamp, BASE
    return message


def kind_of(decision: int) -> DecisionKind | None:
    """A decision by its number; None for a number that is none."""
    return DecisionKind(decision) if decision in set(DecisionKind) else None
