"""A task taken out of a multi-task model does what it did in there."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.single_task import single_task

OBS, ACTION = 3, 2  # of the task; the model pads them to 5 and 4


@pytest.fixture
def multitask(small_model: Callable[..., WorldModel]) -> WorldModel:
    model = small_model(tasks=3, task_embedding=6, action=4, has_termination=True)
    model.action_masks.copy_(torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]).float())
    # Inside and outside the unit ball
    model.task_embedding.copy_(torch.randn(3, 6) * torch.tensor([[0.1], [5.0], [1.0]]))
    return model


def padded(x: Tensor, width: int) -> Tensor:
    return F.pad(x, (0, width - x.shape[1]))


def test_every_head_gives_what_it_gave(multitask: WorldModel) -> None:
    single = single_task(multitask, 1, OBS, ACTION)
    assert (single.dims.obs, single.dims.action, single.dims.tasks) == (OBS, ACTION, 0)
    obs, action = torch.randn(7, OBS), torch.rand(7, ACTION) * 2 - 1
    wide = padded(action, 4)
    z = single.encode(obs)
    expected = {
        "encode": multitask.encode(padded(obs, 5), 1),
        "next": multitask.next(z, wide, 1),
        "reward": multitask.reward(z, wide, 1),
        "q_logits": multitask.q_logits(z, wide, 1),
        "prior": multitask.prior(z, 1).mean[:, :ACTION],
        "spread": multitask.prior(z, 1).log_std[:, :ACTION],
        "terminal": multitask.is_terminal(z, 1),
    }
    got = {
        "encode": z,
        "next": single.next(z, action),
        "reward": single.reward(z, action),
        "q_logits": single.q_logits(z, action),
        "prior": single.prior(z).mean,
        "spread": single.prior(z).log_std,
        "terminal": single.is_terminal(z),
    }
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, atol=2e-6, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_the_multi_task_model_stays_as_it_was(multitask: WorldModel) -> None:
    before = {k: v.clone() for k, v in multitask.state_dict().items()}
    single_task(multitask, 1, OBS, ACTION)
    assert all(torch.equal(v, before[k]) for k, v in multitask.state_dict().items())


@pytest.mark.parametrize(("task", "obs", "action"), [(3, 3, 2), (-1, 3, 2), (0, 6, 2), (0, 3, 5)])
def test_task_that_is_not_in_the_model_is_refused(
    multitask: WorldModel, task: int, obs: int, action: int
) -> None:
    with pytest.raises(CheckpointError, match="expected it among the 3 tasks of the model, with at most 5"):
        single_task(multitask, task, obs, action)
