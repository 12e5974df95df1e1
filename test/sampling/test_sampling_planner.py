from dataclasses import replace

import mujoco
import numpy as np
import pytest

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import ObservationError, PlanningError, SettingsError
from spec_control_ros.sampling.body import Body
from spec_control_ros.sampling.cost import CostTerm, Norm
from spec_control_ros.sampling.planner import SamplingPlanner, SamplingSettings
from spec_control_ros.sampling.search import SearchSettings

PERIOD_S = 0.1
CART = """<mujoco><option timestep="0.01"/><worldbody><body name="cart"><joint name="x" type="slide"/>
<geom size=".1" mass="1"/></body></worldbody>
<actuator><motor joint="x" gear="10" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>"""
COST = {"place": CostTerm("joint x", 0.5, Norm.ABS), "speed": CostTerm("joint_velocity x", weight=0.1)}
SETTINGS = SamplingSettings(search=SearchSettings(iterations=3, samples=32), cost=COST)


class Clock:
    """Every look at it takes a while."""

    def __init__(self, each_s: float):
        self._now_s, self._each_s = 0.0, each_s

    def __call__(self) -> float:
        self._now_s += self._each_s
        return self._now_s


def spec(text: str = CART) -> mujoco.MjSpec:
    return mujoco.MjSpec.from_string(text)


def planner(settings: SamplingSettings = SETTINGS, **given: object) -> SamplingPlanner:
    return SamplingPlanner(spec(), settings, name="cart", control_period_s=PERIOD_S, **given)


def request(tick: int, state: object = (0.0, 0.0)) -> PlanRequest:
    return PlanRequest(1, tick, tick, Reason.EMPTY, np.array(state, np.float32))


def test_plans_drive_the_cart_to_its_place_through_the_states_that_they_predict() -> None:
    made, body = planner(), Body(spec(), PERIOD_S)
    state = np.zeros(2)
    for tick in range(40):
        plan = made.plan(request(tick, state))
        state = body.simulate(state[None], plan.actions[None, :1].astype(float))[0][0, 0]
        assert plan.latents[1] == pytest.approx(state * [1.0, PERIOD_S], abs=1e-4)
    assert state[0] == pytest.approx(0.5, abs=0.1)


def test_a_predicted_state_is_planned_from_like_the_same_state_observed() -> None:
    state = np.array([0.3, -0.4], np.float32)
    ahead = PlanRequest(1, 0, 3, Reason.EMPTY, latent=state * np.array([1.0, PERIOD_S], np.float32))
    observed = PlanRequest(1, 3, 3, Reason.EMPTY, state)
    one, other = planner().plan(ahead), planner().plan(observed)
    assert one.actions == pytest.approx(other.actions, abs=1e-5)
    assert (one.start_tick, one.observation_tick) == (3, 0)


def test_what_is_found_does_not_depend_on_the_threads() -> None:
    one, two = planner(threads=1).plan(request(0)), planner(threads=2).plan(request(0))
    assert np.array_equal(one.actions, two.actions)


def test_time_budget_ends_the_search() -> None:
    def rollouts(each_s: float) -> object:
        made = planner(replace(SETTINGS, time_budget_s=1.0), clock=Clock(each_s))
        made.plan(request(0))
        return made.statistics()["rollouts"]

    assert [rollouts(each_s) for each_s in (0.01, 0.4, 10.0)] == [96, 64, 32]


@pytest.mark.parametrize("state", [(0.0,), (0.0, np.nan)])
def test_observation_that_is_no_state_is_refused(state: tuple[float, ...]) -> None:
    with pytest.raises(
        ObservationError, match=r"got a state of shape .*expected \(2,\).*begin with `state:`"
    ):
        planner().plan(request(0, state))


def test_no_plan_where_every_rollout_diverges() -> None:
    made = planner()
    first = made.plan(request(0))
    with pytest.raises(PlanningError, match="all 96 rollouts diverged"):
        made.plan(request(1, (1e30, 1e30)))
    again = made.plan(request(1))
    other = planner()
    other.follow(first)
    assert again.actions.shape == other.plan(request(1)).actions.shape


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SamplingSettings(), "cost: got no term"),
        (
            replace(SETTINGS, timestep_s=0.03),
            "timestep: got 0.03 s, expected a whole part of the tick of 0.1 s",
        ),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(settings: SamplingSettings, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        planner(settings)


def test_queue_is_no_longer_than_the_horizon() -> None:
    with pytest.raises(SettingsError, match="queue_length: got 13, expected at most the horizon of 12"):
        SamplingSettings(queue_length=13)


def test_actuator_without_a_range_is_refused() -> None:
    with pytest.raises(SettingsError, match="an actuator has no ctrlrange"):
        Body(spec(CART.replace('ctrlrange="-1 1" ctrllimited="true"', "")), PERIOD_S)


def test_coarser_time_step_makes_another_simulation() -> None:
    coarse = planner(replace(SETTINGS, timestep_s=0.05)).plan(request(0, (0.0, 1.0)))
    fine = planner().plan(request(0, (0.0, 1.0)))
    assert not np.array_equal(coarse.latents, fine.latents)
