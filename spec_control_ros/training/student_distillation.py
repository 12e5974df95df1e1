"""A student of a planner of any kind: a small policy that imitates what the planner does with a plan at every tick.

In the first round the planner drives. Later the student of the round before does, and the planner tells what it would
have done (DAgger, Ross et al., arXiv 1011.0686). The student learns from all of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import NoisyPlanner, Planner
from spec_control_ros.core.planner_format import PlannerResources, format_of
from spec_control_ros.core.student import Layers, policy_of
from spec_control_ros.core.tick_model import Policy
from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fit import fitting_env
from spec_control_ros.sim.environment import make_env
from spec_control_ros.training.calibration_rollouts import open_gate
from spec_control_ros.training.student_fit import fit_student
from spec_control_ros.training.student_settings import StudentSettings
from spec_control_ros.world_model.card import folder_card


@dataclass(frozen=True, slots=True)
class Lesson:
    """An episode of which the planner tells what it would do at every tick; equal ones give equal data."""

    seed: int
    # Of the one that drives; None: the planner does
    student: Layers | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Told:
    """What a lesson has brought."""

    latents: Float32[np.ndarray, "tick latent"]
    actions: Float32[np.ndarray, "tick action"]  # of the planner
    episode_return: float  # of whoever drove


@dataclass(frozen=True, slots=True)
class TeachingSubject:
    """Who teaches, in whatever process."""

    task: str
    model: Path  # folder of the planner's model
    controller: ControllerSettings  # its gate, corrector and executor are not used
    draws: int  # of searches whose first actions are averaged, if the planner draws noise

    def runner(self) -> "_Teaching":
        """Gives its lessons in this process."""
        return _Teaching(self)


class _Teaching:
    def __init__(self, subject: TeachingSubject):
        torch.set_num_threads(1)
        controller, card = subject.controller, folder_card(subject.model)
        kind = format_of(card)
        self._draws, self._parts = subject.draws, kind.load_parts(subject.model)
        model = self._parts.model
        lengths, repeat = (model.obs_dim, model.action_dim), controller.action_repeat
        name, index = subject.model.name, controller.task_index
        self._env = fitting_env(make_env, name, card, subject.task, repeat, index, lengths)
        self._planner = kind.load_planner(subject.model, controller.planner, PlannerResources())
        self._planner.warm_up()

    def run(self, lesson: Lesson) -> Told:
        """The planner's actions in an episode."""
        model = self._parts.model
        student = None if lesson.student is None else policy_of(lesson.student)
        teacher = _Teacher(self._planner, model.encode, student, self._draws)
        law = make_executor(
            self._parts,
            queue_length=1,
            corrector=NONE,
            gate=open_gate(GateSettings()),
            settings=ExecutorSettings(),
        )
        result = run_episode(self._env, teacher, law, seed=lesson.seed, epoch=lesson.seed + 1)
        return Told(np.stack(teacher.latents), np.stack(teacher.actions), result.episode_return)


class _Teacher:
    """A planner that keeps what it would do; its plans begin with what the student does, if there is one."""

    def __init__(
        self, planner: Planner, encode: Callable[[np.ndarray], np.ndarray], student: Policy | None, draws: int
    ):
        self._planner, self._encode, self._student, self._draws = planner, encode, student, draws
        self.spec, self.warm_up, self.reset = planner.spec, planner.warm_up, planner.reset
        self.follow, self.statistics = planner.follow, planner.statistics
        self.latents: list[np.ndarray] = []
        self.actions: list[np.ndarray] = []

    def plan(self, request: PlanRequest) -> Plan:
        """See `core.planner.Planner`."""
        assert request.observation is not None  # the law asks at every tick, and never ahead of time
        others: list[np.ndarray] = []
        if isinstance(self._planner, NoisyPlanner):  # asked before the plan moves on the warm start
            twins = (self._planner.with_seed(draw) for draw in range(1, self._draws))
            others = [twin.plan(request).actions[0] for twin in twins]
        plan = self._planner.plan(request)
        self.latents.append(self._encode(request.observation))
        self.actions.append(np.mean([plan.actions[0], *others], axis=0))
        if self._student is None:
            return plan
        first = self._student(self.latents[-1])
        return replace(plan, actions=np.concatenate([first[None], plan.actions[1:]]))


Teach = Callable[[Sequence[Lesson]], Iterable[tuple[Lesson, Told]]]


def distill_student(
    teach: Teach, settings: StudentSettings, unseen: Sequence[int] = ()
) -> Iterator[tuple[Layers, list[Told]] | None]:
    """Teach and fit, round by round; the student does not see the `unseen` components of a latent.

    Yields:
        None after each lesson, and the student with all that it has learnt from, at the end of each round.
    """
    known: dict[int, Told] = {}
    student: Layers | None = None
    for number in range(settings.rounds):
        first = settings.seed + number * settings.episodes
        for lesson, told in teach([Lesson(first + i, student) for i in range(settings.episodes)]):
            known[lesson.seed] = told
            yield None
        parts = [known[seed] for seed in sorted(known)]
        latents, actions = (np.concatenate([getattr(p, n) for p in parts]) for n in ("latents", "actions"))
        student = fit_student(latents, actions, settings, unseen)
        yield student, parts


def distance(student: Layers, told: Sequence[Told]) -> float:
    """Root mean square distance of a student's actions to the planner's, by component."""
    policy = policy_of(student)
    errors = [policy(part.latents) - part.actions for part in told]
    return float(np.sqrt(np.mean(np.square(np.concatenate(errors)))))
