"""Feedback gains along a plan: a corrector that needs no training, as whole-body MPC has it between its solves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from spec_control_ros.core.settings import check, setting
from spec_control_ros.sampling.body import Body

STEP = 1e-4  # of the finite differences, in scaled states and in actions


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """Settings of the feedback gains."""

    is_on: bool = setting(False, "Whether plans carry feedback gains")
    action_weight: float = setting(
        0.1, "Weight of an action's deviation against that of a scaled state", above=0.0
    )

    def __post_init__(self) -> None:
        check(self)


def feedback_gains(
    body: Body,
    states: Float64[np.ndarray, "queue state"],
    actions: Float64[np.ndarray, "queue action"],
    settings: FeedbackSettings,
) -> Float64[np.ndarray, "queue action state"]:
    """Gains of a linear-quadratic regulator about a plan, for scaled states (see `Body.state_scale`).

    They minimise the sum of |z - predicted z|^2 + action_weight |a - planned a|^2 over the rest of the plan, for the
    dynamics as they are near it: a Riccati sweep over finite differences of whole ticks (Tassa et al., IROS 2012).

    Args:
        body: to simulate.
        states: that the rows start from, not scaled.
        actions: of the rows.
        settings: of the regulator.
    """
    by_state, by_action = _linearise(body, states, actions)
    weight, gains = settings.action_weight * np.eye(actions.shape[1]), []
    to_go = np.eye(states.shape[1])  # of the end of the plan
    for a, b in zip(by_state[::-1], by_action[::-1], strict=True):
        gain = -np.linalg.solve(weight + b.T @ to_go @ b, b.T @ to_go @ a)
        to_go = np.eye(len(a)) + a.T @ to_go @ (a + b @ gain)
        to_go = 0.5 * (to_go + to_go.T)  # rounding would grow over a long plan
        gains.append(gain)
    return np.stack(gains[::-1])


def _linearise(
    body: Body, states: Float64[np.ndarray, "queue state"], actions: Float64[np.ndarray, "queue action"]
) -> tuple[Float64[np.ndarray, "queue state state"], Float64[np.ndarray, "queue state action"]]:
    """Derivatives of the next scaled state by the present one and by the action, of every row."""
    (rows, n), m, scale = states.shape, actions.shape[1], body.state_scale
    # One rollout of a tick for either side of every direction
    moves = np.concatenate([STEP * np.eye(n + m), -STEP * np.eye(n + m)])
    starts = states[:, None] + moves[None, :, :n] / scale
    held = np.clip(actions, -1.0 + STEP, 1.0 - STEP)[:, None] + moves[None, :, n:]
    ends, _ = body.simulate(starts.reshape(-1, n), held.reshape(-1, 1, m))
    ahead, behind = np.split(ends[:, 0].reshape(rows, 2 * (n + m), n) * scale, 2, axis=1)
    slopes = ((ahead - behind) / (2.0 * STEP)).transpose(0, 2, 1)
    return slopes[:, :, :n], slopes[:, :, n:]
