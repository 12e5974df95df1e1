from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.world_model.cuda_graphs import CudaGraphs, Graph, call_on, eager_call
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings
from spec_control_ros.world_model.tdmpc2_planner import PlannedQueue, TDMPC2Planner

SETTINGS = PlannerSettings(
    queue_length=6, mppi=MPPISettings(iterations=3, samples=32, prior_samples=4, elites=8)
)
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


class Two(NamedTuple):
    plus: Tensor
    times: Tensor


def both(factor: int, x: Tensor, y: Tensor) -> Two:
    return Two(factor * x + y, factor * x * y)


class Recorder:
    """Captures as a GPU does: fixed inputs and outputs, and nothing but a replay fills the outputs."""

    def __init__(self) -> None:
        self.captured: list[str] = []

    def __call__(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Graph:
        self.captured.append(function.__name__)
        fixed = [torch.zeros_like(a) if isinstance(a, Tensor) else a for a in arguments]
        outputs = function(*fixed)

        def replay() -> None:
            for own, new in zip(tensors(outputs), tensors(function(*fixed)), strict=True):
                own.copy_(new)

        return Graph([a for a in fixed if isinstance(a, Tensor)], outputs, replay)


def tensors(outputs: Any) -> Sequence[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else outputs


def test_replay_takes_the_values_of_now_and_leaves_earlier_results_alone() -> None:
    recorder = Recorder()
    call = CudaGraphs(recorder)
    first = call(both, 2, torch.tensor([1.0]), torch.tensor([3.0]))
    second = call(both, 2, torch.tensor([5.0]), torch.tensor([7.0]))
    assert [t.item() for t in (*first, *second)] == [5.0, 6.0, 17.0, 70.0]
    assert recorder.captured == ["both"]


@pytest.mark.parametrize(
    ("factor", "size", "captures"), [(2, 1, 1), (3, 1, 2), (2, 4, 2)], ids=["same", "argument", "shape"]
)
def test_other_arguments_or_shapes_make_another_graph(factor: int, size: int, captures: int) -> None:
    recorder = Recorder()
    call = CudaGraphs(recorder)
    call(both, 2, torch.ones(1), torch.ones(1))
    assert call(both, factor, torch.ones(size), torch.ones(size)).plus.tolist() == [factor + 1.0] * size
    assert len(recorder.captured) == captures


def test_what_cannot_be_captured_is_called_plainly_and_tried_once() -> None:
    tries = []

    def refuse(*_: Any) -> Graph:
        tries.append(1)
        raise RuntimeError("operation not permitted when stream is capturing")

    call = CudaGraphs(refuse)
    with pytest.warns(UserWarning, match="no CUDA graph of both, .*not permitted"):
        assert call(both, 2, torch.ones(1), torch.ones(1)).plus.item() == 3.0
    assert call(both, 2, torch.ones(1), torch.ones(1)).times.item() == 2.0
    assert len(tries) == 1


def queued(planner: TDMPC2Planner, obs: np.ndarray, tick: int, warm_start: Any = None) -> PlannedQueue:
    return planner.queued(PlanRequest(1, tick, tick, Reason.EMPTY, obs), warm_start)


def test_plans_are_those_of_plain_calls_and_captured_once_for_each_pair_of_members(
    small_model: Callable[..., WorldModel],
) -> None:
    model, recorder = small_model(q_members=3), Recorder()
    plain = TDMPC2Planner(model, SETTINGS, call=eager_call)
    captured = TDMPC2Planner(model, SETTINGS, call=CudaGraphs(recorder))
    rng = np.random.default_rng(0)
    warm = None
    for tick in range(12):
        obs = rng.standard_normal(model.dims.obs, np.float32)
        expected, got = (queued(planner, obs, tick, warm) for planner in (plain, captured))
        np.testing.assert_array_equal(got.actions, expected.actions)
        np.testing.assert_array_equal(got.latents, expected.latents)
        assert got.value == expected.value
        warm = expected.warm_start
    assert sorted(recorder.captured) == ["_extend", *["_iterate"] * 3, "_prior_actions"]


def test_cpu_calls_plainly_and_a_gpu_by_graphs() -> None:
    assert call_on(torch.device("cpu")) is eager_call
    assert isinstance(call_on(torch.device("cuda")), CudaGraphs)


@NEEDS_GPU
def test_gpu_plans_the_same_by_graphs(small_model: Callable[..., WorldModel]) -> None:
    model = small_model(q_members=3).cuda()
    plain, captured = TDMPC2Planner(model, SETTINGS, call=eager_call), TDMPC2Planner(model, SETTINGS)
    captured.warm_up()
    obs = np.random.default_rng(0).standard_normal(model.dims.obs, np.float32)
    for tick in range(5):
        expected, got = queued(plain, obs, tick), queued(captured, obs, tick)
        np.testing.assert_allclose(got.actions, expected.actions, atol=1e-4)
