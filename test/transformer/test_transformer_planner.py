"""Decoding: whatever is drafted and cached, the rows are those of the Transformer one row at a time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_episodes import processor

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.transformer.network import DecisionTransformer, KeyValueCache, TransformerDimensions
from spec_control_ros.transformer.planner import TransformerPlanner, TransformerSettings
from spec_control_ros.transformer.verification import Rule
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel

DIMS = TransformerDimensions(latent=16, action=2, width=16, layers=2, heads=2, context=10)
K = 6


@pytest.fixture
def network() -> DecisionTransformer:
    network = DecisionTransformer(DIMS, 100.0).eval().requires_grad_(False)
    network.head.weight.mul_(3.0)
    return network


@pytest.fixture
def model(small_model: Callable[..., WorldModel]) -> TickModel:
    return tick_model(small_model(), is_native=False)


@pytest.fixture
def small_network() -> DecisionTransformer:
    dims = replace(DIMS, width=8, layers=1)
    return DecisionTransformer(dims, 100.0).eval().requires_grad_(False)


def planner(
    network: DecisionTransformer, model: TickModel, draft: DecisionTransformer | None = None, **given: object
) -> TransformerPlanner:
    settings = TransformerSettings(queue_length=K, **given)  # type: ignore[arg-type]
    return TransformerPlanner(
        network, model, settings, draft, asked_return=50.0, name="small", control_period_s=0.05
    )


def plans(planner: TransformerPlanner, ticks: tuple[int, ...] = (0, 4, 10)) -> list[Plan]:
    obs = np.random.default_rng(0).standard_normal((100, planner.spec.obs_dim), np.float32)
    return [planner.plan(PlanRequest(1, t, t, Reason.EMPTY, obs[t])) for t in ticks]


def same(one: list[Plan], other: list[Plan]) -> None:
    """Up to rounding, which is the processor's: over the rows of a plan, 1.3e-6 on one with AMX."""
    atol = 1e-5 if "amx" in processor() else 1e-6
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.actions, b.actions, atol=atol)
        np.testing.assert_allclose(a.latents, b.latents, atol=atol)


def test_cached_passes_give_the_means_of_one_pass_over_everything(network: DecisionTransformer) -> None:
    latents, actions = torch.randn(10, 16), torch.randn(10, 2)
    whole = network(torch.full((1, 10), 50.0), latents[None], actions[None])[0]
    cache = KeyValueCache(DIMS)
    parts = [network.means(50.0, latents[:n], actions[:n], cache) for n in (3, 4, 8, 10)]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=0)
    cache.length = 3 * 5 - 1  # taken back to the fifth latent
    torch.testing.assert_close(network.means(50.0, latents, actions, cache), whole[5:], atol=1e-5, rtol=0)


def test_no_action_sees_what_comes_after_it(network: DecisionTransformer) -> None:
    latents, actions, asked = torch.randn(1, 10, 16), torch.randn(1, 10, 2), torch.full((1, 10), 50.0)
    before = network(asked, latents, actions)
    latents[:, 6:] += 1.0
    actions[:, 5:] += 1.0
    assert torch.equal(network(asked, latents, actions)[:, :6], before[:, :6])
    assert not torch.equal(network(asked, latents, actions)[:, 6:], before[:, 6:])


def test_drafts_of_the_large_model_itself_are_all_accepted_and_change_nothing(
    network: DecisionTransformer, model: TickModel
) -> None:
    alone = planner(network, model, rule=Rule.NONE)
    one_by_one = plans(alone)
    rows = iter([row for plan in one_by_one for row in plan.actions])
    drafting = planner(network, replace(model, policy=lambda _: next(rows)), draft_rows=K, tolerance=1e-4)
    same(plans(drafting), one_by_one)
    assert (alone.drafts.passes, drafting.drafts.passes) == (3 * K, 3)
    itself = planner(network, model, network, draft_rows=K, tolerance=1e-4)
    same(plans(itself), one_by_one)
    assert itself.drafts.passes == 3


def test_exact_drafts_of_the_large_model_itself_are_its_own_samples(
    network: DecisionTransformer, model: TickModel
) -> None:
    sampling = planner(network, model, rule=Rule.SAMPLE)
    itself = planner(network, model, network, draft_rows=K, rule=Rule.EXACT)
    same(plans(itself), plans(sampling))
    assert (itself.drafts.passes, sampling.drafts.passes) == (3, 3 * K)
    mean = planner(network, model, rule=Rule.NONE)
    assert not np.allclose(plans(mean)[0].actions, plans(sampling)[0].actions)


@pytest.mark.parametrize("rows", [1, 2, 4, 0])
def test_without_tolerance_every_draft_is_replaced_by_the_action_of_the_large_model(
    network: DecisionTransformer, model: TickModel, rows: int
) -> None:
    drafting = planner(network, model, draft_rows=rows, tolerance=0.0)
    same(plans(drafting), plans(planner(network, model, rule=Rule.NONE)))
    assert drafting.drafts.accepted.sum() == 0


@pytest.mark.parametrize("rule", [Rule.TOLERANCE, Rule.EXACT])
@pytest.mark.parametrize("rows", [2, 3, 6, 0])
@pytest.mark.parametrize("has_network", [False, True])
def test_rows_do_not_depend_on_how_many_a_pass_verifies(
    network: DecisionTransformer,
    small_network: DecisionTransformer,
    model: TickModel,
    rule: Rule,
    rows: int,
    has_network: bool,
) -> None:
    draft, given = small_network if has_network else None, {"rule": rule, "tolerance": 3.0}
    one, several = (planner(network, model, draft, draft_rows=n, **given) for n in (1, rows))
    same(plans(one), plans(several))
    assert one.drafts.rows == several.drafts.rows == 3 * K
    assert several.drafts.passes < one.drafts.passes == 3 * K


def test_what_was_planned_before_is_context(network: DecisionTransformer, model: TickModel) -> None:
    both, alone = planner(network, model), planner(network, model)
    last, fresh = plans(both, (0, 4))[-1], plans(alone, (4,))[-1]
    assert not np.allclose(last.actions, fresh.actions, atol=1e-5)
    # Nothing is known of the ticks between a plan's end and the next one's start
    same(plans(planner(network, model), (0, 20))[1:], plans(planner(network, model), (20,)))


def test_it_looks_back_as_far_as_it_is_told(network: DecisionTransformer, model: TickModel) -> None:
    blind = planner(network, model, context_ticks=0)
    same(plans(blind, (0, 4))[1:], plans(planner(network, model), (4,)))


def test_a_draft_network_of_other_sizes_is_refused(network: DecisionTransformer, model: TickModel) -> None:
    draft = DecisionTransformer(replace(DIMS, context=8))
    with pytest.raises(SettingsError, match=r"has latent, action and context \(16, 2, 8\)"):
        planner(network, model, draft)


def test_the_return_that_is_asked_for_changes_the_plan(
    network: DecisionTransformer, model: TickModel
) -> None:
    low, high = (plans(planner(network, model, asked_return=r), (0,))[0] for r in (1.0, 100.0))
    assert not np.allclose(low.actions, high.actions, atol=1e-5)


def test_a_queue_longer_than_the_context_is_refused(network: DecisionTransformer, model: TickModel) -> None:
    with pytest.raises(SettingsError, match="got 11, expected at most the 10 ticks"):
        TransformerPlanner(
            network, model, TransformerSettings(11), asked_return=1.0, name="small", control_period_s=0.05
        )
