"""The control law over recorded inputs: the sibling of `closed_loop`, without a plant.

A request that the recorded run made as well, at the same input, is answered as it was answered then, and when. Any
other goes to a simulated planner. Observations come as they were recorded, whatever is commanded.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.evaluation.replay.comparison import ReplayedTick
from spec_control_ros.evaluation.replay.recording import Recording
from spec_control_ros.evaluation.replay.simulated_planner import Delays, SimulatedPlanner, is_same_latent


@dataclass(slots=True)
class _Asked:
    """A request of the law."""

    request: PlanRequest
    now_s: float
    superseded_s: float | None = None  # when the next one was made; None if there was none
    answered_s: float | None = None  # when its plan came; None if none did

    @property
    def key(self) -> tuple[int, int, int]:
        """Epoch, tick of the observation, and first tick of the plan that is asked for."""
        return self.request.epoch, self.request.tick, self.request.start_tick

    def is_same_as(self, other: PlanRequest) -> bool:
        """Whether the other asks for the same plan, from the same observation or latent."""
        own = self.request
        if self.key != (other.epoch, other.tick, other.start_tick):
            return False
        if own.latent is None or other.latent is None:
            return own.latent is other.latent
        return is_same_latent(own.latent, other.latent)


class Replay:
    """One pass over a recording.

    Args:
        recording: The recording whose inputs the law is given.
        law: A law that has seen nothing yet.
        planner: Planner for requests that the recorded run did not make; None: there are none.
        recorded_run: Pass with the recorded settings; requests that are made again are answered as they were there.
        fixed: Dotted names of parameters that keep the law's values, whatever was recorded of their changes.
    """

    def __init__(
        self,
        recording: Recording,
        law: PlanExecutor,
        planner: SimulatedPlanner | None = None,
        recorded_run: "Replay | None" = None,
        fixed: Collection[str] = (),
    ):
        self._recording, self._planner, self._fixed = recording, planner, fixed
        self.steps: list[ReplayedTick] = []
        self._driver = ExecutorDriver(
            law, lambda d: self.steps.append(ReplayedTick.of_decision(d)), self._ask
        )
        self._recorded_asked: Mapping[int, _Asked] = {} if recorded_run is None else recorded_run.asked
        self._recorded_answers: Mapping[int, int] = {} if recorded_run is None else recorded_run.answers
        self._shared: set[int] = set()  # inputs that led to the recorded request again
        self._index: int | None = None  # of the recorded input that is given; None: it is a new plan
        self._latest: _Asked | None = None
        self._is_latest_shared = True
        self.asked: dict[int, _Asked] = {}  # by index of the input that led to it
        self.answers: dict[int, int] = {}  # by index of the plan's input, that of the request's

    @property
    def new_plans(self) -> Mapping[int, int]:
        """Plans that nobody had made, by epoch."""
        return {} if self._planner is None else self._planner.new_plans

    @property
    def delays(self) -> Delays:
        """How long plans took."""
        asked = self.asked.values()
        return sorted((a.now_s, a.answered_s - a.now_s) for a in asked if a.answered_s is not None)

    def run(self) -> "Replay":
        """Give all inputs, first to last; returns this pass."""
        for index, recorded in enumerate(self._recording.inputs):
            self._receive_new_plans(recorded.now_s, is_now_over=False)
            self._index = index
            if (given := self._input(index, recorded)) is not None:
                self._driver.give(given)
            self._receive_new_plans(recorded.now_s, is_now_over=True)
        return self

    def _input(self, index: int, recorded: ExecutorInput) -> ExecutorInput | None:
        """A recorded input with its content; None if this run does not have it."""
        match recorded.kind:
            case InputKind.OBSERVATION:
                content = self._recording.observations.get((recorded.epoch, recorded.tick))
                return None if content is None else replace(recorded, content=content)
            case InputKind.PLAN:
                return self._plan(index, recorded)
            case InputKind.PARAMETERS:
                changes = tuple(change for change in recorded.changes if change[0] not in self._fixed)
                return replace(recorded, changes=changes)
            case InputKind.BAD_PLAN:
                return recorded if self._is_latest_shared else None
            case InputKind.REPLAN_FAILED if self._is_latest_shared and self._latest is not None:
                return replace(recorded, content=self._latest.request)
            case InputKind.REPLAN_FAILED:
                return None
        return recorded

    def _plan(self, index: int, recorded: ExecutorInput) -> ExecutorInput | None:
        if self._planner is not None and self._recorded_answers.get(index) not in self._shared:
            return None  # this run has not asked for it
        if (plan := self._recording.plan_of(recorded)) is None:
            return None
        if self._planner is None:
            self._note_answer(index, recorded.now_s, plan)
        else:
            self._planner.follow(plan)
        return replace(recorded, content=plan)

    def _ask(self, request: PlanRequest, now_s: float) -> None:
        index = self._index
        if self._latest is not None:
            self._latest.superseded_s = now_s
        self._latest = _Asked(request, now_s)
        if index is not None:
            self.asked[index] = self._latest
        if self._planner is None:
            return
        recorded = None if index is None else self._recorded_asked.get(index)
        self._is_latest_shared = recorded is not None and recorded.is_same_as(request)
        if index is None or recorded is None or not self._is_latest_shared:
            self._planner.ask(request, now_s)
            return
        self._shared.add(index)
        self._planner.supersede(now_s)
        if recorded.answered_s is None and recorded.superseded_s is not None:
            # It was never worked on, because of a later request. Should this run not make that one, it will be.
            self._planner.ask(request, now_s, not_before_s=recorded.superseded_s)

    def _receive_new_plans(self, now_s: float, *, is_now_over: bool) -> None:
        while self._planner is not None:
            due_s = self._planner.next_due_s()
            if due_s > now_s or (due_s == now_s and not is_now_over):
                return
            if (plan := self._planner.take()) is not None:
                self._index = None
                self._driver.give(ExecutorInput.plan(plan, due_s))

    def _note_answer(self, index: int, now_s: float, plan: Plan) -> None:
        for asked_at, asked in reversed(self.asked.items()):
            if asked.key == (plan.epoch, plan.observation_tick, plan.start_tick):
                self.answers[index] = asked_at
                asked.answered_s = now_s if asked.answered_s is None else asked.answered_s
                return
