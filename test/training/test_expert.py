"""The expert as a file, and its running statistics."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.training.expert import LONGEST_MEMORY, ExpertActor

OBS, ACTION = 5, 3


@pytest.fixture
def actor() -> ExpertActor:
    return ExpertActor(OBS, ACTION)


@pytest.fixture
def path(actor: ExpertActor, tmp_path: Path) -> Path:
    actor.observe(torch.randn(100, OBS) * 3.0 + 1.0)
    actor.save(tmp_path / "expert.npz")
    return tmp_path / "expert.npz"


def test_loaded_expert_is_the_saved_one(actor: ExpertActor, path: Path) -> None:
    loaded = ExpertActor.load(path)
    obs = torch.randn(20, OBS)
    assert (loaded.obs_dim, loaded.action_dim) == (OBS, ACTION)
    assert torch.equal(loaded.act(obs), actor.act(obs))
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in actor.state_dict().items())
    assert not loaded.training


def test_forward_pass_is_the_documented_one(actor: ExpertActor, path: Path) -> None:
    w = {name: array.astype(np.float64) for name, array in np.load(path).items()}
    obs = np.random.default_rng(0).standard_normal(OBS)
    h = np.clip((obs - w["obs_mean"]) / np.sqrt(w["obs_var"] + 1e-5), -10, 10)
    for layer in ("0", "1"):
        h = w[f"hidden{layer}_weight"] @ h + w[f"hidden{layer}_bias"]
        h = (h - h.mean()) / np.sqrt(h.var() + 1e-5) * w[f"norm{layer}_weight"] + w[f"norm{layer}_bias"]
        h = h / (1.0 + np.exp(-h))
    action = np.tanh(w["mean_weight"] @ h + w["mean_bias"])
    np.testing.assert_allclose(actor.act(torch.from_numpy(obs).float()).numpy(), action, atol=1e-5)


def test_file_without_a_count_has_frozen_statistics(path: Path) -> None:
    arrays = dict(np.load(path))
    del arrays["obs_count"]
    np.savez(path, **arrays)
    loaded = ExpertActor.load(path)
    mean = loaded.obs_mean.clone()
    loaded.observe(torch.randn(100, OBS) + 50.0)
    assert loaded.obs_count == LONGEST_MEMORY
    assert torch.equal(loaded.obs_mean, mean)


def test_statistics_are_those_of_all_observations(actor: ExpertActor) -> None:
    parts = [torch.randn(n, OBS) * n + n for n in (2, 7, 30)]
    for part in parts:
        actor.observe(part)
    everything = torch.cat(parts)
    torch.testing.assert_close(actor.obs_mean, everything.mean(0))
    torch.testing.assert_close(actor.obs_var, everything.var(0, correction=0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean_bias": None}, "obs_mean and mean_bias are missing"),
        ({"hidden0_weight": None}, "is this an expert"),
        ({"norm1_bias": np.zeros(3, np.float32)}, "is this an expert"),
        ({"temperature": np.zeros(1, np.float32)}, "is this an expert"),
        ({"obs_mean": np.float32(0.0)}, "is this an expert"),
    ],
)
def test_file_of_something_else_is_refused(
    path: Path, change: dict[str, np.ndarray | None], said: str
) -> None:
    arrays = {**np.load(path), **change}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(CheckpointError, match=said):
        ExpertActor.load(path)


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind", b"PK\x03\x04 cut short"])
def test_missing_or_broken_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.npz"):
        ExpertActor.load(tmp_path / "x.npz")


def test_single_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(CheckpointError, match=r"x\.npy: not a file of arrays"):
        ExpertActor.load(tmp_path / "x.npy")


def test_expert_for_another_body_is_refused(actor: ExpertActor) -> None:
    actor.check_fits(OBS, ACTION)
    with pytest.raises(CheckpointError, match="got one for 5 observations and 3 actions, expected 24 and 6"):
        actor.check_fits(24, 6)
