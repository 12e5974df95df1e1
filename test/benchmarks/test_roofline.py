"""Arithmetic of a plan against sums made by hand."""

from dataclasses import replace

import pytest
import torch

from benchmarks.planner.roofline import Multiplication, Product, main_products, plan_flop, plan_products
from spec_control_ros.world_model.dimensions import Dimensions, official_dimensions
from spec_control_ros.world_model.planner_settings import MPPISettings, SearchStart
from spec_control_ros.world_model.two_hot import NUM_BINS

DIMS = Dimensions(obs=5, action=2, latent=8, encoder=4, encoder_layers=1, hidden=16, q_members=5)
TINY = MPPISettings(horizon=2, iterations=1, samples=10, prior_samples=0, elites=4)

# Terms of a row, layer by layer
MIDDLE = 16 * 16
DYNAMICS, REWARD = MIDDLE + 16 * 8, MIDDLE + 16 * NUM_BINS  # behind their first layers
PRIOR = 8 * 16 + MIDDLE + 16 * 4
Q = 10 * 16 + REWARD


def test_product_has_two_operations_a_term() -> None:
    assert Product(3, 5, 7).flop == 2 * 3 * 5 * 7


def test_plan_of_a_tiny_model_is_what_the_hand_counts() -> None:
    at_start = 2 * (2 * 16) + DYNAMICS + REWARD  # first layers take actions alone
    elsewhere = 2 * (10 * 16) + DYNAMICS + REWARD
    start_itself = 2 * (8 * 16)  # one row, for dynamics and reward
    assert plan_flop(DIMS, TINY) == 2 * (start_itself + 10 * (at_start + elsewhere + PRIOR + 2 * Q))


def test_prior_trajectories_are_one_tick_shorter_and_done_once() -> None:
    settings = replace(TINY, prior_samples=3, iterations=4)
    prior_at_start = 8 * 16 + 3 * (PRIOR - 8 * 16)
    own = prior_at_start + 3 * (2 * 16 + DYNAMICS) + 3 * PRIOR
    assert plan_flop(DIMS, settings) - plan_flop(DIMS, replace(TINY, iterations=4)) == 2 * own


def test_start_from_the_prior_is_one_trajectory_more() -> None:
    with_start = plan_flop(DIMS, replace(TINY, start=SearchStart.PRIOR))
    assert with_start == plan_flop(DIMS, replace(TINY, prior_samples=1))


def test_iterations_samples_and_termination_cost() -> None:
    flop = plan_flop(DIMS, TINY)
    start_itself = 2 * 2 * (8 * 16)
    assert plan_flop(DIMS, replace(TINY, iterations=3)) == start_itself + 3 * (flop - start_itself)
    termination = 10 * 2 * (8 * 16 + MIDDLE + 16)
    assert plan_flop(replace(DIMS, has_termination=True), TINY) == flop + 2 * termination


def test_members_that_are_not_evaluated_cost_nothing() -> None:
    assert plan_flop(replace(DIMS, q_members=2), TINY) == plan_flop(DIMS, TINY)


def test_main_products_are_most_of_an_official_plan() -> None:
    dims, settings = official_dimensions("5", 67, 21), MPPISettings(iterations=8)
    main = main_products(dims, settings)
    assert main == [Product(512, 512, 512), Product(512, 533, 512)]
    assert sum(p.flop for p in plan_products(dims, settings) if p in main) > 0.8 * plan_flop(dims, settings)


def test_rate_is_arithmetic_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Multiplication, "REPETITIONS_FLOP", 10 * 512)
    now_s = iter([10.0, 12.0])
    multiplication = Multiplication(Product(4, 8, 8), torch.float32, torch.device("cpu"), lambda: next(now_s))
    assert multiplication.rate() == 10 * 512 / 2.0
