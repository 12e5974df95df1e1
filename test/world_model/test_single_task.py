"""A task taken out of a multi-task model does what it did in there."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.world_model.model import PolicyPrior, WorldModel
from spec_control_ros.world_model.single_task import single_task
from spec_control_ros.world_model.two_hot import expected_value

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


def official(model: WorldModel, task: int, obs: Tensor, z: Tensor, action: Tensor) -> dict[str, Tensor]:
    """What the heads of a multi-task model give: each sees the task's embedding, kept within the unit ball."""
    embedding = torch.nn.Embedding(model.dims.tasks, 6, max_norm=1.0, _weight=model.task_embedding.clone())
    with torch.no_grad():
        seen = embedding(torch.tensor([task])).expand(len(z), -1)
    state, mask = torch.cat([z, seen], dim=-1), model.action_masks[task]
    joint = torch.cat([state, action], dim=-1)
    prior = PolicyPrior.of(model.prior_head(state))
    assert model.termination_head is not None
    return {
        "encode": model.encoder(torch.cat([obs, seen], dim=-1)),
        "next": model.dynamics(joint),
        "reward": expected_value(model.reward_head(joint)),
        "q_logits": model.q_head(joint),
        "prior": (prior.mean * mask)[:, :ACTION],
        "spread": (prior.log_std * mask)[:, :ACTION],
        "terminal": model.termination_head(state).squeeze(-1) > 0.0,
    }


def test_every_head_gives_what_it_gave(multitask: WorldModel) -> None:
    single = single_task(multitask, 1, OBS, ACTION)
    assert (single.dims.obs, single.dims.action, single.dims.tasks) == (OBS, ACTION, 0)
    obs, action = torch.randn(7, OBS), torch.rand(7, ACTION) * 2 - 1
    wide = padded(action, 4)
    z = single.encode(obs)
    expected = official(multitask, 1, padded(obs, 5), z, wide)
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
