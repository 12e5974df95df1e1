"""Stand-ins for the executor's surroundings."""

from collections.abc import Callable

import numpy as np

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.gate import Gate, GateSettings
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.tick_model import Dynamics, TickModel

OBS, ACTION = 3, 2
POLICY_ACTION = np.array([0.25, -0.25], np.float32)
PREDICTED = np.array([1.0, 0.0, 0.0], np.float32)  # every plan's latents; of length 1

GATE = GateSettings(accept=0.1, replan=1.0)
WAITING = ExecutorSettings(
    hold=HoldPolicy.ZERO,
    plan_wait_s=1.0,
    replan_timeout_s=3.0,
    retry_s=0.5,
    sensor_timeout_s=10.0,
    fault_after_bad_observations=3,
    frozen_after_ticks=0,  # observations of the tests are all alike
)


class FakeCorrector:
    """Adds the same residual always and remembers how long the histories were."""

    def __init__(self, residual: float = 0.05):
        self.value, self.window = residual, 1
        self.lengths: list[int] = []

    def residual(self, history: FeatureHistory) -> np.ndarray:
        self.lengths.append(len(history))
        return np.full(ACTION, self.value, np.float32)


def tick_model(
    *,
    encode: Callable[[np.ndarray], np.ndarray] = lambda obs: obs,
    policy: Callable[[np.ndarray], np.ndarray] | None = lambda _: POLICY_ACTION,
    step: Dynamics | None = None,
) -> TickModel:
    """An encoder that takes the observation for the latent, and a policy that has one action."""
    return TickModel(OBS, OBS, ACTION, encode, policy, step)


def executor(
    settings: ExecutorSettings = WAITING,
    gate: GateSettings = GATE,
    corrector: FakeCorrector | None = None,
    history_window: int = 1,
    **functions: Callable[..., np.ndarray] | None,
) -> PlanExecutor:
    """The control law in fake surroundings."""
    if corrector is not None:
        corrector.window = history_window
    return PlanExecutor(tick_model(**functions), Gate(gate), corrector, settings)


def observation(tick: int, *, epoch: int = 1, off: float = 0.0) -> Observation:
    """An observation whose latent is `off` away from what every plan predicts."""
    return Observation(epoch, tick, PREDICTED + np.array([0.0, off, 0.0], np.float32))


def plan(
    start_tick: int,
    *,
    rows: int = 4,
    epoch: int = 1,
    plan_id: int = 1,
    observation_tick: int | None = None,
    action: int = ACTION,
    latent: int = OBS,
    off: float = 0.0,
) -> Plan:
    """A plan whose first action component says for which tick a row is: 0.01 a tick.

    It begins at the latent of `observation(start_tick, off=off)`.
    """
    actions = np.zeros((rows, action), np.float32)
    actions[:, 0] = 0.01 * (start_tick + np.arange(rows))
    latents = np.zeros((rows + 1, latent), np.float32)
    latents[:, :1] = 1.0
    latents[0, 1:2] = off
    return Plan(
        plan_id=plan_id,
        epoch=epoch,
        start_tick=start_tick,
        observation_tick=start_tick if observation_tick is None else observation_tick,
        control_period_s=0.05,
        actions=actions,
        latents=latents,
        optimised_horizon=1,
    )
