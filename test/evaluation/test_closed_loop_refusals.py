"""What an episode in one process refuses, instead of hanging, or of going on with what makes no sense."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import jaxtyping
import numpy as np
import pytest
from constant_planner import ConstantPlanner, ConstantSettings
from dm_control import suite
from short_plant import ShortPlant

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.core.decision import DecisionKind, PlanRequest, Reason
from spec_control_ros.core.errors import (
    ActionError,
    MisfitError,
    ObservationError,
    PlanError,
    PlanningError,
    SettingsError,
    SpecControlError,
    TaskError,
)
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.gate import GateMode, GateSettings
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import Planner, PlannerSpec
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.evaluation.closed_loop import EpisodeResult, run_episode
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Step

ROWS = 5


@pytest.fixture(autouse=True)
def _without_checks_of_types() -> Iterator[None]:
    """As a user has it: our tests check the types of the core's arguments, and would be the first to refuse."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class OwnPlanner(Planner):
    """Somebody's planner for `ShortPlant`, whose plans are changed by `change`."""

    spec = PlannerSpec("own", 3, 2, 0, ROWS, 0.05)

    def __init__(self, change: Callable[[Plan, PlanRequest], Any] = lambda plan, _: plan):
        self._change = change

    def plan(self, request: PlanRequest) -> Plan:
        actions, latents = np.full((ROWS, 2), 0.5, np.float32), np.zeros((ROWS + 1, 0), np.float32)
        start = request.start_tick
        made = Plan(0, request.epoch, start, request.tick, 0.05, actions, latents, ROWS)
        return self._change(made, request)


def episode(planner: Any, env: Any = None, **options: Any) -> EpisodeResult:
    return run_episode(env or ShortPlant(), planner, make_executor(OwnPlanner()), **options)


def rows(plan: Plan, count: int) -> Plan:
    actions, latents = np.zeros((count, 2), np.float32), np.zeros((count + 1, 0), np.float32)
    return replace(plan, actions=actions, latents=latents, optimised_horizon=1)


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda p, r: replace(p, start_tick=r.start_tick + 1),
            "starts at tick 1 of epoch 1, request was for 0",
        ),
        (lambda p, r: replace(p, epoch=r.epoch + 1), "of epoch 2, request was for 0 of epoch 1"),
        (lambda p, _: replace(p, control_period_s=0.02), r"rows of 0\.02 s, expected 0\.05 s"),
        (lambda p, _: rows(p, 9), "9 rows of 2 action values, expected 5 of 2"),
        (lambda p, _: rows(p, 3), "3 rows of 2 action values, expected 5 of 2"),
        (lambda p, _: replace(p, actions=np.zeros((ROWS, 7), np.float32)), "5 rows of 7 action values"),
        (lambda p, _: replace(p, latents=np.zeros((ROWS + 1, 3), np.float32)), "latents of 3, expected 0"),
        (lambda *_: None, "planner own: `plan` gave a NoneType, expected a Plan"),
        (lambda p, _: p.actions, "planner own: `plan` gave a ndarray, expected a Plan"),
    ],
)
def test_plan_that_contradicts_request_or_spec(
    change: Callable[[Plan, PlanRequest], Any], said: str, delay: int
) -> None:
    executor = make_executor(OwnPlanner())
    if delay:
        settings = replace(executor.settings, plan_wait_s=0.01)
        executor = make_executor(OwnPlanner(), settings=settings)
    with pytest.raises(PlanningError, match=said):
        run_episode(ShortPlant(), OwnPlanner(change), executor, delay_ticks=delay)


def test_plan_of_another_observation_than_was_asked_with() -> None:
    def late(plan: Plan, request: PlanRequest) -> Plan:
        return replace(plan, observation_tick=max(request.tick - 1, 0))

    with pytest.raises(PlanningError, match="observation of tick 4, request was from 5"):
        episode(OwnPlanner(late))


def test_plan_with_a_row_of_actions_only() -> None:
    with pytest.raises(PlanError, match=r"actions: got a ndarray of shape \(5,\), expected .* two axes"):
        episode(OwnPlanner(lambda plan, _: replace(plan, actions=plan.actions[:, 0])))


def test_plan_that_the_executor_s_model_does_not_fit() -> None:
    planner = OwnPlanner(lambda plan, _: replace(plan, latents=np.zeros((ROWS + 1, 4), np.float32)))
    planner.spec = replace(planner.spec, latent_dim=4)  # type: ignore[misc]
    with pytest.raises(
        PlanningError, match="refused the plan, which is of 2 action and 4 latent values a row"
    ):
        episode(planner)


class Failing(OwnPlanner):
    """Fails at requests from some ticks on."""

    def __init__(self, first: int, last: int, error: type[SpecControlError] = PlanningError):
        super().__init__()
        self._fails, self._error, self.asked = range(first, last), error, list[int]()

    def plan(self, request: PlanRequest) -> Plan:
        self.asked.append(request.tick)
        if request.tick in self._fails:
            raise self._error("no plan")
        return super().plan(request)


@pytest.mark.parametrize("error", [PlanningError, ObservationError])
def test_planner_that_fails_is_waited_for_and_asked_again(error: type[SpecControlError]) -> None:
    planner = Failing(0, 2, error)
    with pytest.warns(RuntimeWarning, match="seed 3: the planner failed 3 times, first at tick 0: no plan"):
        result = episode(planner, seed=3)
    assert planner.asked[:4] == [0, 0, 1, 2]
    assert [d.tick for d in result.decisions if d.kind is DecisionKind.HOLD] == [0, 1, 2]
    assert result.holds == {Reason.PLANNER_SILENT: 3}
    assert result.latencies_s[0] > 5.0, "as long as the settings say"


@pytest.mark.parametrize("delay", [0, 1])
def test_planner_that_always_fails_holds_to_the_end(delay: int) -> None:
    executor = make_executor(OwnPlanner(), settings=ExecutorSettings(plan_wait_s=0.01, retry_s=0.1))
    planner = Failing(0, 100)
    with pytest.warns(RuntimeWarning, match="the planner failed"):
        result = run_episode(ShortPlant(), planner, executor, delay_ticks=delay)
    assert [decision.kind for decision in result.decisions] == [DecisionKind.HOLD] * 7
    assert 1 < len(planner.asked) < 7, "after a pause each"


class WithoutPlan(Planner):
    spec = OwnPlanner.spec


class WithoutSpec(Planner):
    def plan(self, request: PlanRequest) -> Plan:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("planner", "said"),
    [
        (WithoutPlan(), "a WithoutPlan without plan"),
        (WithoutSpec(), "a WithoutSpec without spec"),
        (OwnPlanner, "the class OwnPlanner"),
        ({"plan": 1}, "a dict without plan, reset, spec"),
    ],
)
def test_what_is_no_planner(planner: Any, said: str) -> None:
    for use in (episode, make_executor):
        with pytest.raises(TypeError, match=f"planner: got {said}.*expected what load_planner"):
            use(planner)


def test_what_is_no_executor() -> None:
    with pytest.raises(
        TypeError, match="executor: got a GateSettings, expected a PlanExecutor, as make_executor"
    ):
        run_episode(ShortPlant(), OwnPlanner(), GateSettings())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make", [lambda: gymnasium.make("Pendulum-v1"), lambda: suite.load("cartpole", "balance"), dict]
)
def test_raw_environment_is_no_plant(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"env: got .* without obs_dim.*expected what make_env"):
        run_episode(make(), OwnPlanner(), make_executor(OwnPlanner()))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "obs_dim",
            4,
            "model own: made for observations of 3 and actions of 2, expected 4 and 2, as ShortPlant",
        ),
        ("action_dim", 1, "made for observations of 3 and actions of 2, expected 3 and 1"),
        ("control_period_s", 0.025, r"model own: made for ticks of 0\.05 s, expected 0\.025 s"),
    ],
)
def test_planner_of_other_sizes_or_ticks_than_the_environment(name: str, value: float, said: str) -> None:
    env = ShortPlant()
    setattr(env, name, value)
    with pytest.raises(MisfitError, match=said):
        episode(OwnPlanner(), env)


def test_planner_that_does_not_know_its_tick_is_taken() -> None:
    planner = ConstantPlanner(ConstantSettings(), "constant")
    planner.spec = replace(planner.spec, control_period_s=0.0)
    assert len(episode(planner).decisions) == 7


def test_executor_of_another_model_than_the_environment() -> None:
    model = TickModel(4, 4, 2, encode=lambda obs: obs)
    with pytest.raises(MisfitError, match="model of the executor: made for observations of 4"):
        run_episode(ShortPlant(), OwnPlanner(), make_executor(OwnPlanner(), tick_model=model))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": -1}, "seed: got -1, expected a whole number from 0 to"),
        ({"seed": 1.5}, "seed: got 1.5, expected a whole number"),
        ({"delay_ticks": -1}, "delay_ticks: got -1, expected at least 0"),
        ({"epoch": -1}, "epoch: got -1, expected more than -1"),
    ],
)
def test_impossible_number(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        episode(OwnPlanner(), **options)


def test_epoch_that_the_executor_has_seen() -> None:
    executor = make_executor(OwnPlanner())
    run_episode(ShortPlant(), OwnPlanner(), executor, epoch=1)
    with pytest.raises(SettingsError, match="epoch: got 1, expected more than 1"):
        run_episode(ShortPlant(), OwnPlanner(), executor, epoch=1)
    run_episode(ShortPlant(), OwnPlanner(), executor, epoch=2)


class Endless(ShortPlant):
    def step(self, action: np.ndarray) -> Step:
        return replace(super().step(action), is_last=False)


def test_environment_that_does_not_end() -> None:
    with pytest.raises(
        TaskError, match="goes on after 7 ticks, expected a Step with is_last after episode_ticks = 7"
    ):
        episode(OwnPlanner(), Endless())


class TupleStep(ShortPlant):
    def step(self, action: np.ndarray) -> Any:
        step = super().step(action)
        return step.obs, step.reward, step.is_last


def test_step_of_another_interface() -> None:
    with pytest.raises(TypeError, match=r"env\.step: got a tuple, expected a spec_control_ros\.Step"):
        episode(OwnPlanner(), TupleStep())


class Converted(ShortPlant):
    """Its observations are what `convert` makes of them."""

    def __init__(self, convert: Callable[[np.ndarray], Any], ticks: int = 7):
        super().__init__()
        self._convert, self.episode_ticks = convert, ticks

    def reset(self, seed: int) -> Any:
        return self._convert(super().reset(seed))

    def step(self, action: np.ndarray) -> Step:
        step = super().step(action)
        return replace(step, obs=self._convert(step.obs))


@pytest.mark.parametrize("convert", [list, lambda obs: obs.astype(np.float64)])
def test_observations_are_converted(convert: Callable[[np.ndarray], Any]) -> None:
    seen: list[np.ndarray] = []
    result = episode(OwnPlanner(), Converted(convert), watch=lambda obs, _: seen.append(obs))
    assert {obs.dtype for obs in seen} == {np.dtype(np.float32)}
    assert not result.holds


def test_observation_that_is_no_array() -> None:
    with pytest.raises(ObservationError, match="observation: got a dict, expected an array"):
        episode(OwnPlanner(), Converted(lambda obs: {"position": obs}))


@pytest.mark.parametrize("bad", [lambda obs: obs * np.nan, lambda obs: obs[:2]])
@pytest.mark.parametrize(("ticks", "reason"), [(7, Reason.BAD_OBSERVATION), (40, Reason.FAULT)])
def test_held_to_the_end_is_said(bad: Callable[[np.ndarray], Any], ticks: int, reason: Reason) -> None:
    with pytest.warns(
        RuntimeWarning, match="seed 3: the executor held to the end .* wrong size or non-finite"
    ):
        result = episode(OwnPlanner(), Converted(bad, ticks), seed=3)
    assert result.holds.total() == ticks
    assert result.decisions[-1].reason is reason
    assert (result.fault is not None) == (reason is Reason.FAULT)


class OwnCorrector:
    window = 1

    def __init__(self, residual: Any):
        self._residual = residual

    def residual(self, history: FeatureHistory) -> Any:
        return self._residual


class Predicting(OwnPlanner):
    spec = replace(OwnPlanner.spec, latent_dim=3)

    def plan(self, request: PlanRequest) -> Plan:
        latents = np.ones((ROWS + 1, 3), np.float32)
        latents[0] = request.observation
        return replace(super().plan(request), latents=latents)


def corrected(residual: Any) -> EpisodeResult:
    gate = GateSettings(accept=0.0, replan=1e6)
    executor = make_executor(Predicting(), corrector=OwnCorrector(residual), gate=gate)
    return run_episode(ShortPlant(), Predicting(), executor)


@pytest.mark.parametrize("residual", [0.1, np.zeros(1), np.zeros(3), None])
def test_residual_of_another_size(residual: Any) -> None:
    with pytest.raises(ActionError, match=r"corrector OwnCorrector: residual: got shape .*expected \(2,\)"):
        corrected(residual)


def test_corrector_that_gives_no_number_is_said() -> None:
    with pytest.warns(RuntimeWarning, match="held to the end .* corrector gave a non-finite action"):
        result = corrected(np.full(2, np.nan))
    assert "corrector gave" in str(result.fault)
    assert result.holds[Reason.FAULT] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gate": {"accept": 1.0}}, "gate: got .* a dict, expected a GateSettings"),
        ({"settings": GateSettings()}, "settings: got .* expected a ExecutorSettings"),
        ({"tick_model": 1}, "tick_model: got 1, a int"),
        ({"corrector": 1}, "corrector: got 1, a int, expected a str or a Corrector"),
        ({"queue_length": "6"}, "queue_length: got '6', a str"),
    ],
)
def test_executor_of_something_else(options: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make_executor(OwnPlanner(), **options)


def test_executor_of_a_name() -> None:
    with pytest.raises(
        TypeError, match=r"planner: got the name 'walker-walk', expected .*load_planner\('walker-walk'\)"
    ):
        make_executor("walker-walk")  # type: ignore[arg-type]


def test_choices_are_taken_as_text() -> None:
    gate, settings = GateSettings(mode="fixed"), ExecutorSettings(hold="policy")  # type: ignore[arg-type]
    assert gate.mode is GateMode.FIXED
    assert settings.hold is HoldPolicy.POLICY
    with pytest.raises(SettingsError, match="mode: got 'fxed', expected one of auto, fixed"):
        GateSettings(mode="fxed")  # type: ignore[arg-type]


def test_environment_s_seed() -> None:
    with pytest.raises(SpecControlError, match="seed: got -1"):
        make_env("cartpole-balance").reset(-1)
