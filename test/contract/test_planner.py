"""What every planner holds to, whatever it is made of; a new one adds itself to `PLANNERS`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from constant_planner import ConstantPlanner, ConstantSettings
from mujoco import MjSpec

from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import ObservationError, PlanningError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import Planner, SharedPlanner
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.sampling.cost import CostTerm
from spec_control_ros.sampling.planner import SamplingPlanner, SamplingSettings
from spec_control_ros.sampling.search import SearchSettings
from spec_control_ros.transformer.format import TransformerFormat
from spec_control_ros.transformer.network import DecisionTransformer, TransformerDimensions
from spec_control_ros.transformer.planner import Draft, TransformerPlanner, TransformerSettings
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

CART = """<mujoco><worldbody><body><joint name="x" type="slide"/><geom size=".1"/></body></worldbody>
<actuator><motor joint="x" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>"""
MakeModel = Callable[..., WorldModel]


def tdmpc2(small_model: MakeModel) -> Planner:
    mppi = MPPISettings(iterations=2, samples=32, prior_samples=4, elites=8)
    return TDMPC2Planner(small_model(), PlannerSettings(mppi=mppi), name="small", control_period_s=0.05)


def constant(_: MakeModel) -> Planner:
    return ConstantPlanner(ConstantSettings(), "constant")


def transformer(small_model: MakeModel) -> Planner:
    dims = TransformerDimensions(latent=16, action=2, width=16, layers=2, heads=2, context=8)
    return TransformerPlanner(
        DecisionTransformer(dims).eval(),
        tick_model(small_model(), is_native=False),
        TransformerSettings(queue_length=5, draft_rows=2),
        asked_return=1.0,
        name="small",
        control_period_s=0.05,
    )


def sampling(_: MakeModel) -> Planner:
    settings = SamplingSettings(search=SearchSettings(samples=8), cost={"effort": CostTerm()})
    return SamplingPlanner(MjSpec.from_string(CART), settings, name="cart", control_period_s=0.04)


def shipped_transformer(_: MakeModel) -> Planner:
    model = share_folder() / "models" / "walker-transformer"
    settings = TransformerSettings(queue_length=3, draft=Draft.NETWORK)
    return TransformerFormat().load_planner(model, settings, PlannerResources())


PLANNERS = [tdmpc2, constant, sampling, transformer, shipped_transformer]


@pytest.fixture(params=PLANNERS, ids=lambda make: make.__name__)
def planner(request: pytest.FixtureRequest, small_model: MakeModel) -> Planner:
    planner = request.param(small_model)
    planner.warm_up()
    return planner


def request(planner: Planner, tick: int, epoch: int = 1) -> PlanRequest:
    obs = np.random.default_rng(tick).standard_normal(planner.spec.obs_dim, np.float32)
    return PlanRequest(epoch, tick, tick, Reason.EMPTY, obs)


def same(one: Plan, other: Plan) -> bool:
    return np.array_equal(one.actions, other.actions) and np.array_equal(one.latents, other.latents)


def test_a_plan_has_the_sizes_of_the_spec_and_answers_the_request(planner: Planner) -> None:
    spec, plan = planner.spec, planner.plan(request(planner, tick=7, epoch=3))
    assert plan.actions.shape == (spec.queue_length, spec.action_dim)
    assert plan.latents.shape == (spec.queue_length + 1, spec.latent_dim)
    assert np.abs(plan.actions).max() <= 1.0
    assert (plan.epoch, plan.observation_tick, plan.start_tick, plan.plan_id) == (3, 7, 7, 0)
    assert plan.control_period_s == spec.control_period_s > 0.0


def test_the_same_requests_after_a_reset_give_the_same_plans(planner: Planner) -> None:
    def plans() -> list[Plan]:
        planner.reset()
        return [planner.plan(request(planner, tick)) for tick in (0, 2, 3)]

    assert all(map(same, plans(), plans()))


@pytest.mark.parametrize(("tick", "epoch"), [(0, 1), (5, 2)])
def test_another_epoch_or_an_earlier_tick_starts_from_nothing(
    planner: Planner, tick: int, epoch: int
) -> None:
    planner.reset()
    fresh = planner.plan(request(planner, tick, epoch))
    planner.reset()
    planner.plan(request(planner, tick=2))
    assert same(planner.plan(request(planner, tick, epoch)), fresh)


def test_a_followed_plan_counts_as_its_own(planner: Planner) -> None:
    planner.reset()
    first, second = planner.plan(request(planner, 0)), planner.plan(request(planner, 1))
    planner.reset()
    planner.follow(first)
    assert same(planner.plan(request(planner, 1)), second)


@pytest.mark.parametrize("is_prefetch", [False, True])
def test_what_cannot_be_planned_from_is_refused_and_forgotten(planner: Planner, is_prefetch: bool) -> None:
    planner.reset()
    planner.plan(request(planner, 0))
    after = planner.plan(request(planner, 3))
    planner.reset()
    planner.plan(request(planner, 0))
    bad = np.full(planner.spec.obs_dim, np.nan, np.float32)
    given = {"latent": np.zeros(999, np.float32)} if is_prefetch else {"observation": bad}
    with pytest.raises(ObservationError, match="expected"):
        planner.plan(PlanRequest(1, 1, 2 if is_prefetch else 1, Reason.EMPTY, **given))
    assert same(planner.plan(request(planner, 3)), after)


@pytest.mark.parametrize("batch", [2, 3, 8, 9])
def test_a_robot_s_plans_are_the_same_to_the_last_bit_whoever_else_is_planned_for(
    planner: Planner, batch: int
) -> None:
    if not isinstance(planner, SharedPlanner):
        pytest.skip("it plans for one robot at a time")
    planners = [planner.for_robot(seed) for seed in range(batch)]

    def asked(planners: list[Any], tick: int) -> list[PlanRequest]:
        return [request(p, tick + robot, epoch=1 + robot) for robot, p in enumerate(planners)]

    alone = [planner.for_robot(seed) for seed in range(batch)]
    for tick in (0, 2):  # the second from a warm start
        together = planner.plan_together(planners, asked(planners, tick))
        for plan, own, question in zip(together, alone, asked(alone, tick), strict=True):
            assert isinstance(plan, Plan)
            assert same(plan, own.plan(question))


def test_a_robot_without_a_plan_costs_the_others_nothing(planner: Planner) -> None:
    if not isinstance(planner, SharedPlanner):
        pytest.skip("it plans for one robot at a time")
    robots = [planner.for_robot(seed) for seed in range(3)]
    requests = [request(planner, tick) for tick in (1, 2, 3)]
    huge = np.full(planner.spec.obs_dim, 3e38, np.float32)
    requests[1] = replace(requests[1], observation=huge)
    first, bad, last = planner.plan_together(robots, requests)
    assert isinstance(bad, PlanningError)
    for seed, plan, question in ((0, first, requests[0]), (2, last, requests[2])):
        assert isinstance(plan, Plan)
        assert same(plan, planner.for_robot(seed).plan(question))
