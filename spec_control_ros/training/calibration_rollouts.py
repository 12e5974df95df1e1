"""What the gate sees while nothing is wrong: episodes on the real plant, as the robot's configuration runs them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.gate import Gate, GateCalibration, GateMode, GateSettings, GateVerdict
from spec_control_ros.core.gate.adaptive_threshold import error_growth
from spec_control_ros.core.gate.metric import Metric, action_distance, mismatch
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.evaluation.closed_loop import EpisodeResult, run_episode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.layers import SIMNORM_GROUP
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner
from spec_control_ros.world_model.two_hot import expected_value

# An episode that returns less of the median return was not nominal: the robot fell, say
LEAST_OF_MEDIAN = 0.9
VALUE_BATCH = 4096


@dataclass(frozen=True, slots=True)
class _JudgedTick:
    """What a gate was shown, and what it said."""

    observed: Float32[np.ndarray, "latent"]
    row: QueuedAction
    verdict: GateVerdict

    @property
    def age(self) -> int:
        """Ticks since the observation that the prediction rests on, at least 1."""
        return max(1, self.row.age)


@dataclass(frozen=True, slots=True)
class GatedEpisode:
    """An episode with every tick that its gate judged."""

    result: EpisodeResult
    judged: tuple[_JudgedTick, ...]

    def count(self, kind: DecisionKind) -> Counter[int]:
        """How often mismatch led to such a verdict, by age."""
        return Counter(
            j.age for j in self.judged if j.verdict.kind is kind and j.verdict.reason is Reason.MISMATCH
        )


class _RecordingGate(Gate):
    """Keeps what it judged."""

    judged: list[_JudgedTick]

    def judge(
        self, observed: Float32[np.ndarray, "latent"], row: QueuedAction, *, can_correct: bool = True
    ) -> GateVerdict:
        verdict = super().judge(observed, row, can_correct=can_correct)
        self.judged.append(_JudgedTick(observed, row, verdict))
        return verdict


class CalibrationRollouts:
    """Runs episodes with one gate after the other; the same gate and seeds give the same episodes.

    Args:
        folder: Model folder; its corrector is that of the settings.
        model: World model of the folder, on the CPU.
        plant: Environment whose task the model has learned.
        settings: Settings of the robot's controller.
    """

    def __init__(self, folder: ModelFolder, model: WorldModel, plant: Plant, settings: ControllerSettings):
        self.model, self.settings, self._plant = model, settings, plant
        self._tick_model = tick_model(model)
        self._corrector = folder.corrector(settings.corrector, self._tick_model)
        self._planner = TDMPC2Planner(model, settings.planner, control_period_s=plant.control_period_s)

    def run(
        self,
        gate: GateSettings,
        calibration: GateCalibration | None,
        seeds: Sequence[int],
        *,
        prefetch: bool | None = None,
        faults: FaultSchedule = NO_FAULTS,
    ) -> Iterator[GatedEpisode]:
        """An episode for each seed.

        Args:
            gate: Settings of the gate.
            calibration: Calibration that the gate takes thresholds from; None: it needs none.
            seeds: Seeds of the episodes.
            prefetch: Whether plans are made ahead of time; None: as the robot is configured.
            faults: What disturbs the plant.

        Raises:
            BenchmarkError: the executor latched a fault.
        """
        plant = FaultyPlant(self._plant, faults) if faults.faults else self._plant
        executor = self.settings.executor
        if prefetch is not None:
            executor = replace(executor, prefetch=prefetch)
        recording = _RecordingGate(gate, calibration, self._tick_model)
        law = PlanExecutor(self._tick_model, recording, self._corrector, executor)
        for epoch, seed in enumerate(seeds, start=1):
            recording.judged = []
            result = run_episode(plant, self._planner, law, seed=seed, epoch=epoch)
            result.refuse_fault()
            yield GatedEpisode(result, tuple(recording.judged))

    def mismatch(
        self, tick: _JudgedTick, metric: Metric, value_weights: Float[np.ndarray, "latent"]
    ) -> float:
        """How far a tick was from what its plan took for granted."""
        if metric is not Metric.ACTION:
            return mismatch(tick.observed, tick.row.latent, metric, value_weights)
        policy = self._tick_model.policy
        assert policy is not None  # a world model has one
        return action_distance(tick.row.action, policy(tick.observed))

    def growth(self, ticks: Sequence[_JudgedTick]) -> Float[np.ndarray, "tick"]:
        """By what factor the dynamics lets each tick's error grow."""
        dynamics = self._tick_model.step
        assert dynamics is not None
        return np.array([error_growth(t.observed, t.row, dynamics) for t in ticks])

    def value_weights(self, ticks: Sequence[_JudgedTick]) -> Float[np.ndarray, "latent"]:
        """How much the value depends on each component: root mean square of its slope, 1 on average over components."""
        z = torch.from_numpy(np.stack([t.observed for t in ticks]))
        slopes = torch.cat([self._value_slopes(part) for part in z.split(VALUE_BATCH)])
        # Within a group the components sum to one, so that only slopes against the group's mean can count.
        groups = slopes.unflatten(-1, (-1, SIMNORM_GROUP))
        weights = (groups - groups.mean(-1, keepdim=True)).flatten(-2).pow(2).mean(0).sqrt()
        return (weights / weights.pow(2).mean().sqrt()).double().numpy()

    def _value_slopes(self, z: Tensor) -> Tensor:
        """(tick, latent) gradient of the value of the policy prior's action."""
        z = z.clone().requires_grad_(True)
        with torch.enable_grad():
            action = self.model.prior(z).mean
            value = expected_value(self.model.q_logits(z, action)).mean(0)
            (slopes,) = torch.autograd.grad(value.sum(), z)
        return slopes


def open_gate(settings: GateSettings) -> GateSettings:
    """A gate that corrects every tick and never drops the queue for its mismatch."""
    return replace(settings.in_mode(GateMode.FIXED), accept=0.0, replan=1e9)


def normal_episodes(episodes: Sequence[GatedEpisode]) -> list[GatedEpisode]:
    """Those in which nothing went wrong, as far as their return tells."""
    median = float(np.median([e.result.episode_return for e in episodes]))
    least = median - (1.0 - LEAST_OF_MEDIAN) * abs(median)  # returns may be negative
    return [e for e in episodes if e.result.episode_return >= least]
