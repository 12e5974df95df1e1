"""What correctors learn from: ticks of the speculating controller, and what the teacher would have done at each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spec_control_ros.core.corrector import Corrector, FeatureHistory
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.gate import Gate
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.tick_model import Policy
from spec_control_ros.correctors.feature_window import FeatureWindow
from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sim.plant import Plant
from spec_control_ros.training.calibration_rollouts import open_gate
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.mppi import MPPINoise, search
from spec_control_ros.world_model.planner_settings import MPPISettings, Precision
from spec_control_ros.world_model.planning_model import PlanningModel
from spec_control_ros.world_model.tdmpc2_planner import PlannedQueue, TDMPC2Planner

TEACHER_BATCH = 16  # latents searched from at once


@dataclass(frozen=True, slots=True)
class CorrectionData:
    """Ticks at which a row was executed that had been queued for them."""

    window: FeatureWindow
    teacher: Float32[Tensor, "tick action"]

    def __len__(self) -> int:
        return len(self.teacher)

    def rows(self, index: Tensor) -> "CorrectionData":
        """Some of the ticks."""
        return CorrectionData(_windows([self.window], index), self.teacher[index])


def concatenate(parts: Sequence[CorrectionData]) -> CorrectionData:
    """All ticks of all parts."""
    return CorrectionData(_windows([p.window for p in parts]), torch.cat([p.teacher for p in parts]))


def _windows(parts: Sequence[FeatureWindow], index: Tensor | slice = slice(None)) -> FeatureWindow:
    """Rows of the parts' windows, one after the other."""
    names = [spec.name for spec in fields(FeatureWindow)]
    return FeatureWindow(**{n: torch.cat([getattr(p, n)[index] for p in parts]) for n in names})


PRIOR = "prior"  # a driver: whatever was queued, do what the policy prior does at the real latent
Driver = Corrector | str | None  # what acts on queued actions; None: nothing does


class _Recording:
    """A driver, as a corrector that keeps what it is shown of each tick: first its row, then those to come."""

    def __init__(self, driver: Driver, prior: Policy, window: int):
        self._driver, self._prior, self.window = driver, prior, window
        self.windows: list[FeatureWindow] = []
        self._is_noted = False  # whether the newest tick is

    def begin_tick(self) -> None:
        """What is shown next is the row of another tick."""
        self._is_noted = False

    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """The driver's residual: the whole way from the queued action to the prior's, or a corrector's, or none."""
        if not self._is_noted:
            self.windows.append(FeatureWindow.of(history))
            self._is_noted = True
        newest = history.newest
        if isinstance(self._driver, str):
            return self._prior(newest.observed) - newest.action
        return np.zeros_like(newest.action) if self._driver is None else self._driver.residual(history)


class Teacher:
    """A planner at every tick: it searches from real latents, and teaches the weighted mean, whose noise is least.

    A sampled elite would be a noisy target. Where values are flat, so is the mean of one search: several draws of its
    noise are averaged.
    """

    def __init__(
        self, model: WorldModel, settings: MPPISettings, draws: int, precision: Precision = Precision.FLOAT32
    ):
        self._model, self._settings, self._draws = PlanningModel(model, precision=precision), settings, draws

    def actions(self, z: Float32[Tensor, "tick latent"], seed: int) -> Float32[Tensor, "tick action"]:
        """What to do at each latent; the same seed gives the same actions."""
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([self._draw(z, generator) for _ in range(self._draws)]).mean(0)

    def _draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        actions = []
        for part in z.split(TEACHER_BATCH):
            noise = MPPINoise.draw(self._settings, self._model.dims, len(part), generator)
            actions.append(search(self._model, part, self._settings, noise).mean[:, 0].clone())
        return torch.cat(actions)


@dataclass(frozen=True, slots=True)
class GatheredEpisode:
    """An episode to gather; equal ones give equal data."""

    driver: Driver  # that acts on every queued action
    seed: int
    # Whether to add what the same ticks would have been, had plans begun at other ticks: K times the data for the
    # teacher's same answers
    with_other_phases: bool = False


@dataclass(frozen=True, slots=True)
class GatheringSubject:
    """What episodes are gathered from, in whatever process; see `Gathering`."""

    task: str
    model: Path
    controller: ControllerSettings
    draws: int
    window: int

    def runner(self) -> "Gathering":
        """Gathers its episodes in this process."""
        own = self.controller
        model, plant = own.model_and_env(ModelFolder(self.model), self.task)
        teacher = Teacher(model, own.planner.mppi, self.draws, precision=own.planner.precision)
        torch.set_num_threads(1)
        return Gathering(model, plant, own, teacher, self.window)


class Gathering:
    """Runs the speculating controller, every queued row executed and corrected, and asks the teacher about each.

    Args:
        model: World model in inference mode, on the CPU.
        plant: Environment whose task the model has learned.
        controller: Settings of the robot's controller; its own gate and corrector are not used.
        teacher: Teacher, asked once an episode is over.
        window: Number of ticks that correctors look back.
    """

    def __init__(
        self, model: WorldModel, plant: Plant, controller: ControllerSettings, teacher: Teacher, window: int
    ):
        self.model, self._plant, self._teacher, self._window = model, plant, teacher, window
        gate, last = open_gate(controller.gate), controller.planner.queue_length - 1
        self._controller = replace(  # every plan is executed to its end, and the next one is made then
            controller,
            gate=replace(gate, max_steps_ahead=max(gate.max_steps_ahead, last)),
            executor=replace(controller.executor, prefetch=False),
        )
        self._tick_model = tick_model(model)
        self._planner = TDMPC2Planner(model, controller.planner, control_period_s=plant.control_period_s)

    def run(self, trial: GatheredEpisode) -> CorrectionData:
        """The ticks of an episode."""
        assert self._tick_model.policy is not None  # a world model has one
        recording = _Recording(trial.driver, self._tick_model.policy, self._window)
        seed, latents = trial.seed, list[np.ndarray]()

        def encode(obs: np.ndarray) -> np.ndarray:
            recording.begin_tick()
            latents.append(self._tick_model.encode(obs))
            return latents[-1]

        law = PlanExecutor(
            replace(self._tick_model, encode=encode),
            Gate(self._controller.gate),
            recording,
            self._controller.executor,
        )
        run_episode(self._plant, self._planner, law, seed=seed, epoch=seed + 1)
        observed = torch.from_numpy(np.stack(latents))
        teacher = self._teacher.actions(observed, seed)
        if not recording.windows:  # the task ended the episode with its first tick
            return _phase(observed, teacher, self._plans_of_every_tick(observed, seed + 1), 1, self._window)
        length = self._controller.planner.queue_length
        is_executed = torch.arange(len(observed)) % length != 0  # a plan's own first row needs no correction
        executed = CorrectionData(_windows(recording.windows), teacher[is_executed])
        # Where corrections are carried on, rows are not what the plan has.
        if not trial.with_other_phases or self._controller.executor.propagate:
            return executed
        plans = self._plans_of_every_tick(observed, epoch=seed + 1)
        phases = (_phase(observed, teacher, plans, phase, self._window) for phase in range(1, length))
        return concatenate([executed, *phases])

    def _plans_of_every_tick(self, observed: Tensor, epoch: int) -> list[PlannedQueue]:
        """The plan that begins at every tick, after the one before it in its phase."""
        plans: list[PlannedQueue] = []
        length = self._controller.planner.queue_length
        for tick, latent in enumerate(observed.numpy()):
            before = plans[tick - length].warm_start if tick >= length else None
            request = PlanRequest(epoch, tick, tick, Reason.EMPTY, latent=latent)
            plans.append(self._planner.queued(request, before))
        return plans


def _phase(
    observed: Tensor, teacher: Tensor, plans: Sequence[PlannedQueue], phase: int, window: int
) -> CorrectionData:
    """An episode's ticks, had plans begun at tick 0, at `phase`, and whenever one ran out."""
    length = len(plans[0].actions)
    start = [0 if tick < phase else tick - (tick - phase) % length for tick in range(len(observed))]
    steps_ahead = torch.tensor([tick - first for tick, first in enumerate(start)])

    def rows(values: Callable[[PlannedQueue, int], np.ndarray]) -> Tensor:
        chosen = (values(plans[first], int(ahead)) for first, ahead in zip(start, steps_ahead, strict=True))
        return torch.from_numpy(np.stack(list(chosen)))

    def windows(values: Tensor) -> Tensor:
        """(tick, window, ...), zeros before the first tick."""
        padded = torch.cat([values.new_zeros(window - 1, *values.shape[1:]), values])
        return padded.unfold(0, window, 1).movedim(-1, 1)[steps_ahead > 0]

    seen = FeatureWindow(
        observed=windows(observed),
        predicted=windows(rows(lambda plan, ahead: plan.latents[ahead])),
        action=windows(rows(lambda plan, ahead: plan.actions[ahead])),
        steps_ahead=windows(steps_ahead.float()),
        is_real=windows(torch.ones(len(observed), dtype=torch.bool)),
    )
    return CorrectionData(seen, teacher[steps_ahead > 0])
