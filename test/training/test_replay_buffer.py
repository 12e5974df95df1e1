import errno
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.episodes import Episodes, TaskSpec
from spec_control_ros.training.replay_buffer import ReplayBuffer

SPEC = TaskSpec("count", obs_dim=2, action_dim=1, episode_ticks=10)
CAPACITY = 4  # one of them stays empty: an episode forgets the one after the one that it overwrites


def obs(episode: float, tick: float) -> np.ndarray:
    """Says which episode and tick it belongs to."""
    return np.array([[episode, tick]], np.float32)


def record(buffer: ReplayBuffer, episode: int, ticks: int, *, ended: bool = False) -> None:
    slots = buffer.begin(obs(episode, 0))
    for t in range(ticks):
        action = np.array([[t]], np.float32)
        reward, is_terminated = (
            np.array([100 * episode + t], np.float32),
            np.array([ended and t == ticks - 1]),
        )
        buffer.append(slots, action, reward, obs(episode, t + 1), is_terminated)


def episodes_of(buffer: Episodes) -> set[float]:
    return set(buffer.sample(500, 2, np.random.default_rng(0)).obs[0, :, 0].tolist())


@given(st.lists(st.integers(1, 10), min_size=1, max_size=9), st.integers(1, 4), st.booleans())
def test_sequences_are_consecutive_ticks_of_one_episode(
    lengths: list[int], horizon: int, is_on_disk: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        buffer = ReplayBuffer(SPEC, CAPACITY, Path(folder) if is_on_disk else None)
        for episode, ticks in enumerate(lengths):
            record(buffer, episode, ticks)
        kept = dict(list(enumerate(lengths))[1 - CAPACITY :])
        assert buffer.ticks == sum(kept.values())
        if max(kept.values()) < horizon:
            with pytest.raises(SettingsError, match=f"none of at least {horizon} ticks yet"):
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
    return ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer")


def test_every_stored_start_is_drawn(buffer: ReplayBuffer) -> None:
    record(buffer, 0, 4)
    record(buffer, 1, 10)
    first = buffer.sample(2000, 3, np.random.default_rng(0)).obs[0]
    drawn = {(int(e), int(t)) for e, t in first.tolist()}
    assert drawn == {(0, t) for t in range(2)} | {(1, t) for t in range(8)}


def test_oldest_episodes_make_room(buffer: ReplayBuffer) -> None:
    for episode in range(6):
        record(buffer, episode, 5)
    assert buffer.ticks == 15
    assert episodes_of(buffer) == {3.0, 4.0, 5.0}


def test_several_episodes_grow_together(buffer: ReplayBuffer) -> None:
    slots = buffer.begin(np.array([[7.0, 0.0], [8.0, 0.0]], np.float32))
    for t in range(3):
        next_obs = np.array([[7.0, t + 1], [8.0, t + 1]], np.float32)
        buffer.append(
            slots, np.full((2, 1), t, np.float32), np.zeros(2, np.float32), next_obs, np.zeros(2, bool)
        )
    assert buffer.ticks == 6
    assert episodes_of(buffer) == {7.0, 8.0}
    for t in range(3):
        assert buffer.arrays.action[slots, t].tolist() == [[t], [t]]
        assert buffer.arrays.reward[slots, t].tolist() == [0.0, 0.0]
        assert buffer.arrays.obs[slots, t + 1].tolist() == [[7.0, t + 1], [8.0, t + 1]]


def test_more_plants_than_there_is_room_for_are_refused(buffer: ReplayBuffer) -> None:
    with pytest.raises(SettingsError, match="room for 4 episodes, expected at least 5 for 4 plants"):
        buffer.begin(np.zeros((4, 2), np.float32))


def test_reopened_buffer_goes_on(buffer: ReplayBuffer, tmp_path: Path) -> None:
    record(buffer, 0, 5)
    buffer.flush()
    again = ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer")
    again.load_state_dict(buffer.state_dict())
    assert again.ticks == 5
    for episode in (1, 2):
        record(again, episode, 5)
    assert episodes_of(again) == {0.0, 1.0, 2.0}


def test_state_stays_true_while_the_next_episodes_are_recorded(buffer: ReplayBuffer, tmp_path: Path) -> None:
    for episode in range(5):
        record(buffer, episode, 5)
    state, held = buffer.state_dict(), episodes_of(buffer)
    record(buffer, 5, 5)
    again = ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer")
    again.load_state_dict(state)
    assert episodes_of(again) == held == {2.0, 3.0, 4.0}


def test_episode_that_its_task_ended_stays_where_it_ended_without_reward(buffer: ReplayBuffer) -> None:
    record(buffer, 0, 5, ended=True)
    record(buffer, 1, 5)
    batch = buffer.sample(400, 3, np.random.default_rng(0))
    episode, tick = batch.obs[0, :, 0], batch.obs[0, :, 1]
    has_ended = episode == 0
    assert set(tick[has_ended].tolist()) == {0, 1, 2, 3, 4, 5}  # the last begins where the task has ended
    assert set(tick[~has_ended].tolist()) == {0, 1, 2}  # whole sequences of what was seen
    step = tick + torch.arange(3)[:, None]  # of each row, had it gone on
    is_after = has_ended & (step >= 5)
    assert torch.equal(batch.obs[1:, :, 1], torch.where(has_ended, (step + 1).clamp(max=5), step + 1))
    assert torch.equal(batch.is_over, (has_ended & (step >= 4)).float())
    assert torch.equal(batch.reward, torch.where(is_after, 0.0, 100 * episode + step))
    assert torch.equal(batch.action[..., 0][~is_after], step[~is_after])
    assert batch.action[is_after].unique().numel() > 50  # whatever is done there
    assert batch.action[is_after].abs().max() <= 1.0


def test_place_of_an_ended_episode_is_used_for_one_that_was_not(buffer: ReplayBuffer) -> None:
    record(buffer, 0, 5, ended=True)
    for episode in range(1, 1 + CAPACITY):
        record(buffer, episode, 5)
    assert not buffer.sample(400, 3, np.random.default_rng(0)).is_over.any()


def test_ends_are_on_disk_and_in_the_state(buffer: ReplayBuffer, tmp_path: Path) -> None:
    record(buffer, 0, 5, ended=True)
    buffer.flush()
    again = ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer")
    again.load_state_dict(buffer.state_dict())
    draws = [
        b.sample(50, 3, np.random.default_rng(5)) for b in (buffer, again, Episodes.open(tmp_path / "buffer"))
    ]
    for draw in draws:
        assert draw.is_over.any()
        assert torch.equal(draw.is_over, draws[0].is_over)


def test_flush_is_due_once_what_was_saved_would_be_overwritten(tmp_path: Path) -> None:
    buffer = ReplayBuffer(SPEC, 10, tmp_path / "buffer", spare=3)
    assert buffer.has_room(3)
    record(buffer, 0, 5)
    record(buffer, 1, 5)
    assert buffer.has_room(1)
    assert not buffer.has_room(2)
    buffer.flush()
    assert buffer.has_room(3)
    assert ReplayBuffer(SPEC, 10, spare=3).has_room(1000)  # in memory, nothing is saved


def test_flushed_folder_is_a_data_set(buffer: ReplayBuffer, tmp_path: Path) -> None:
    record(buffer, 0, 5)
    record(buffer, 1, 7)
    buffer.flush()
    recorded = Episodes.open(tmp_path / "buffer")
    assert (recorded.spec, recorded.ticks) == (SPEC, 12)
    one, same = (source.sample(16, 3, np.random.default_rng(5)) for source in (buffer, recorded))
    assert torch.equal(one.obs, same.obs)


@pytest.mark.parametrize("name", ["obs_dim", "action_dim", "episode_ticks", "capacity"])
def test_buffer_of_other_sizes_is_refused(buffer: ReplayBuffer, tmp_path: Path, name: str) -> None:
    spec = SPEC if name == "capacity" else replace(SPEC, **{name: getattr(SPEC, name) + 1})
    with pytest.raises(SettingsError, match="use another folder"):
        ReplayBuffer(spec, CAPACITY + (name == "capacity"), tmp_path / "buffer")


def test_damaged_array_is_told(buffer: ReplayBuffer, tmp_path: Path) -> None:
    path = tmp_path / "buffer" / "action.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SettingsError, match=r"action\.npy: not a whole array"):
        ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer")


def test_arrays_that_are_gone_are_told(buffer: ReplayBuffer, tmp_path: Path) -> None:
    record(buffer, 0, 5)
    shutil.rmtree(tmp_path / "buffer")
    with pytest.raises(SettingsError, match="the 5 ticks of this run are gone"):
        ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer").load_state_dict(buffer.state_dict())


def test_full_disk_is_told_at_once_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SettingsError, match=r"no room for .*No space left on device"):
        ReplayBuffer(SPEC, CAPACITY, tmp_path / "buffer")
    assert not list((tmp_path / "buffer").glob("*.npy"))


def test_empty_buffer_says_that_there_is_nothing_yet(buffer: ReplayBuffer) -> None:
    with pytest.raises(SettingsError, match="collect first"):
        buffer.sample(1, 3, np.random.default_rng(0))


def test_same_generator_draws_the_same(buffer: ReplayBuffer) -> None:
    record(buffer, 0, 10)
    one, same = (buffer.sample(16, 3, np.random.default_rng(5)).obs for _ in range(2))
    assert torch.equal(one, same)
