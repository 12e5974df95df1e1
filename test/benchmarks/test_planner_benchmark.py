from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.planner.roofline import Multiplication, plan_flop
from benchmarks.planner.variants import EAGER, OURS, PlannerVariant, measure, random_model, variants
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings, Precision
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

SETTINGS = PlannerSettings(
    queue_length=4, mppi=MPPISettings(iterations=2, samples=32, prior_samples=4, elites=8)
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Multiplication, "REPETITIONS_FLOP", 1.0)


@pytest.fixture
def model(small_model: Callable[..., WorldModel]) -> WorldModel:
    return small_model(latent=32, hidden=64)


class Clock:
    """A second passes whenever it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return float(self.asked)


def test_plain_form_comes_first_and_the_precisions_of_the_device_follow(
    model: WorldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "benchmarks.planner.variants.is_bf16_fast"
    for is_fast, precisions in ((False, [Precision.FLOAT32]), (True, list(Precision)[1:])):
        monkeypatch.setattr(module, lambda _, is_fast=is_fast: is_fast)
        made = [(variant.name, variant.precision) for variant in variants(model, SETTINGS)]
        assert made == [(EAGER, Precision.FLOAT32), *((OURS, p) for p in precisions)]


def test_time_budget_is_refused(model: WorldModel) -> None:
    with pytest.raises(SettingsError, match=r"time_budget_s: got 0\.1, expected 0"):
        variants(model, replace(SETTINGS, time_budget_s=0.1))


def test_float32_plans_as_the_plain_form_does_and_times_are_the_clock_s(model: WorldModel) -> None:
    plain, float32, *_ = variants(model, SETTINGS)
    *_, result = measure([plain, float32], 3, Clock())
    flop = plan_flop(model.dims, SETTINGS.mppi)
    assert (result["plan_flop"], result["rounds"], result["threads"]) == (flop, 3, 1)
    eager, ours = result["variants"]
    assert eager["difference_of_mean"]["high"] == eager["difference_of_value"]["high"] == 0.0
    assert 0.0 < ours["difference_of_mean"]["high"] < 1e-4
    assert ours["latency_s"] == {"median": 1.0, "low": 1.0, "high": 1.0, "all": [1.0] * 3}
    assert ours["times_faster"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert ours["attained"]["median"] == pytest.approx(ours["roofline_s"])
    assert ours["roofline_s"] == pytest.approx(flop / ours["multiplication_flop_per_s"])


def test_bfloat16_plans_differ_from_the_plain_form_s(model: WorldModel) -> None:
    plain, *_ = variants(model, SETTINGS)
    rough = TDMPC2Planner(model, replace(SETTINGS, precision=Precision.BFLOAT16))
    *_, result = measure([plain, PlannerVariant(OURS, Precision.BFLOAT16, rough)], 2, Clock())
    assert result["variants"][1]["difference_of_mean"]["high"] > 1e-4


def test_random_model_is_the_same_every_time_and_its_values_differ() -> None:
    one, other = random_model("1"), random_model("1")
    assert (one.reward_head.last.weight == other.reward_head.last.weight).all()
    assert one.reward_head.last.weight.std() > 0.0
    assert (one.dims.size, one.dims.obs, one.dims.action) == ("1", 67, 21)


def test_unknown_size_is_refused() -> None:
    with pytest.raises(SettingsError, match="model size: got '7'"):
        random_model("7")
