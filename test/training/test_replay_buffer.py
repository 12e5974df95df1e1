import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.replay_buffer import ReplayBuffer

SIZES = {"episodes": 4, "ticks": 10, "obs_dim": 2, "action_dim": 1}


def obs(episode: float, tick: float) -> np.ndarray:
    """Says which episode and tick it belongs to."""
    return np.array([[episode, tick]], np.float32)


def record(buffer: ReplayBuffer, episode: int, ticks: int) -> None:
    slots = buffer.begin(obs(episode, 0))
    for t in range(ticks):
        action = np.array([[t]], np.float32)
        buffer.append(slots, action, np.array([100 * episode + t], np.float32), obs(episode, t + 1))


@given(st.lists(st.integers(1, 10), min_size=1, max_size=9), st.integers(1, 4))
def test_sequences_are_consecutive_ticks_of_one_episode(lengths: list[int], horizon: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        buffer = ReplayBuffer(Path(folder), **SIZES)
        for episode, ticks in enumerate(lengths):
            record(buffer, episode, ticks)
        kept = dict(list(enumerate(lengths))[-4:])
        assert buffer.ticks == sum(kept.values())
        if max(kept.values()) < horizon:
            with pytest.raises(SettingsError, match=f"no episode of at least {horizon} ticks"):
                buffer.sample(8, horizon, np.random.default_rng(0))
            return
        batch = buffer.sample(64, horizon, np.random.default_rng(0))
        episode, tick = batch.obs[..., 0], batch.obs[..., 1]
        assert batch.obs.shape == (horizon + 1, 64, 2)
        assert (episode == episode[0]).all()
        assert set(episode[0].tolist()) <= {e for e, n in kept.items() if n >= horizon}
        assert torch.equal(tick, tick[0] + torch.arange(horizon + 1.0)[:, None])
        assert torch.equal(batch.action[..., 0], tick[:-1])
        assert torch.equal(batch.reward, 100 * episode[:-1] + tick[:-1])
        assert all(last <= lengths[int(e)] for last, e in zip(tick[-1], episode[0], strict=True))


@pytest.fixture
def buffer(tmp_path: Path) -> ReplayBuffer:
    return ReplayBuffer(tmp_path / "buffer", **SIZES)


def test_every_stored_start_is_drawn(buffer: ReplayBuffer) -> None:
    record(buffer, 0, 4)
    record(buffer, 1, 10)
    first = buffer.sample(2000, 3, np.random.default_rng(0)).obs[0]
    drawn = {(int(e), int(t)) for e, t in first.tolist()}
    assert drawn == {(0, t) for t in range(2)} | {(1, t) for t in range(8)}


def test_oldest_episode_makes_room(buffer: ReplayBuffer) -> None:
    for episode in range(6):
        record(buffer, episode, 5)
    assert buffer.ticks == 20
    drawn = buffer.sample(500, 2, np.random.default_rng(0)).obs[0, :, 0]
    assert set(drawn.tolist()) == {2.0, 3.0, 4.0, 5.0}


def test_several_episodes_grow_together(buffer: ReplayBuffer) -> None:
    slots = buffer.begin(np.array([[7.0, 0.0], [8.0, 0.0]], np.float32))
    for t in range(3):
        buffer.append(
            slots,
            np.zeros((2, 1), np.float32),
            np.zeros(2, np.float32),
            np.array([[7.0, t + 1], [8.0, t + 1]], np.float32),
        )
    assert buffer.ticks == 6
    assert set(buffer.sample(100, 3, np.random.default_rng(0)).obs[0, :, 0].tolist()) == {7.0, 8.0}


def test_reopened_buffer_goes_on(buffer: ReplayBuffer, tmp_path: Path) -> None:
    record(buffer, 0, 5)
    buffer.flush()
    again = ReplayBuffer(tmp_path / "buffer", **SIZES)
    assert again.ticks == 5
    for episode in range(1, 5):
        record(again, episode, 5)
    drawn = again.sample(500, 2, np.random.default_rng(0)).obs[0, :, 0]
    assert set(drawn.tolist()) == {1.0, 2.0, 3.0, 4.0}


@pytest.mark.parametrize("name", SIZES)
def test_buffer_of_other_sizes_is_refused(buffer: ReplayBuffer, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="use another folder"):
        ReplayBuffer(tmp_path / "buffer", **(SIZES | {name: SIZES[name] + 1}))


def test_empty_buffer_says_that_there_is_nothing_yet(buffer: ReplayBuffer) -> None:
    with pytest.raises(SettingsError, match="collect first"):
        buffer.sample(1, 3, np.random.default_rng(0))


def test_same_generator_draws_the_same(buffer: ReplayBuffer) -> None:
    record(buffer, 0, 10)
    one, same = (buffer.sample(16, 3, np.random.default_rng(5)).obs for _ in range(2))
    assert torch.equal(one, same)
