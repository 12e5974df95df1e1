"""Transitions of several ticks."""

import errno
from pathlib import Path

import numpy as np
import pytest
import torch

from spec_control_ros.core.errors import SettingsError
from tools.expert.transitions import End, TransitionBuffer, TransitionWriter

SIZES = {"capacity": 8, "obs_dim": 1, "action_dim": 1}
DISCOUNT = 0.5
Stored = set[tuple[float, float, float, float, float]]


@pytest.fixture
def buffer(tmp_path: Path) -> TransitionBuffer:
    return TransitionBuffer(tmp_path / "buffer", **SIZES)


@pytest.fixture
def writer(buffer: TransitionBuffer) -> TransitionWriter:
    return TransitionWriter(buffer, ticks=3, discount=DISCOUNT)


def number(value: float) -> np.ndarray:
    return np.array([value], np.float32)


def live(writer: TransitionWriter, ticks: int, end: End) -> None:
    """An episode whose tick t leads from t to t + 1, by action -t, for a reward of 10 ** t."""
    for t in range(ticks):
        writer.add(number(t), number(-t), 10.0**t, number(t + 1), end if t == ticks - 1 else End.NOT)


def stored(buffer: TransitionBuffer) -> Stored:
    """(obs, action, reward, next_obs, discount)."""
    b = buffer.sample(500, np.random.default_rng(0))
    columns = (b.obs[:, 0], b.action[:, 0], b.reward, b.next_obs[:, 0], b.discount)
    return {tuple(row) for row in torch.stack(columns, 1).tolist()}


def test_transition_spans_its_ticks(buffer: TransitionBuffer, writer: TransitionWriter) -> None:
    live(writer, 4, End.NOT)
    assert stored(buffer) == {(0, 0, 1 + 5 + 25, 3, 0.125), (1, -1, 10 + 50 + 250, 4, 0.125)}


def test_terminal_masks_the_bootstrap(buffer: TransitionBuffer, writer: TransitionWriter) -> None:
    live(writer, 4, End.TERMINAL)
    assert stored(buffer) == {
        (0, 0, 31, 3, 0.125),
        (1, -1, 310, 4, 0),
        (2, -2, 100 + 500, 4, 0),
        (3, -3, 1000, 4, 0),
    }


def test_cut_episode_is_bootstrapped_after_fewer_ticks(
    buffer: TransitionBuffer, writer: TransitionWriter
) -> None:
    live(writer, 2, End.CUT)
    assert stored(buffer) == {(0, 0, 6, 2, 0.25), (1, -1, 10, 2, 0.5)}


def test_cut_from_outside_is_the_same(buffer: TransitionBuffer, writer: TransitionWriter) -> None:
    live(writer, 2, End.NOT)
    assert len(buffer) == 0
    writer.cut(number(2))
    assert stored(buffer) == {(0, 0, 6, 2, 0.25), (1, -1, 10, 2, 0.5)}


def test_next_episode_has_nothing_of_the_last_one(buffer: TransitionBuffer, writer: TransitionWriter) -> None:
    live(writer, 1, End.TERMINAL)
    live(writer, 1, End.CUT)
    assert stored(buffer) == {(0, 0, 1, 1, 0), (0, 0, 1, 1, 0.5)}


def test_oldest_transition_makes_room(buffer: TransitionBuffer) -> None:
    for i in range(11):
        buffer.add(number(i), number(0), 0.0, number(0), 0.0)
    assert len(buffer) == 8
    assert {row[0] for row in stored(buffer)} == set(range(3, 11))


def test_reopened_buffer_goes_on(buffer: TransitionBuffer, tmp_path: Path) -> None:
    for i in range(3):
        buffer.add(number(i), number(0), 0.0, number(0), 0.0)
    again = TransitionBuffer(tmp_path / "buffer", **SIZES)
    assert len(again) == 0
    again.load_state_dict(buffer.state_dict())
    assert {row[0] for row in stored(again)} == {0, 1, 2}


def test_lost_files_are_told(buffer: TransitionBuffer, tmp_path: Path) -> None:
    buffer.add(number(0), number(0), 0.0, number(0), 0.0)
    other = TransitionBuffer(tmp_path / "other", **SIZES)
    with pytest.raises(SettingsError, match="the 1 transitions of this run are gone"):
        other.load_state_dict(buffer.state_dict())


def test_empty_buffer_says_so(buffer: TransitionBuffer) -> None:
    buffer.add(number(0), number(0), 0.0, number(0), 0.0)
    buffer.clear()
    with pytest.raises(SettingsError, match="none are stored yet"):
        buffer.sample(1, np.random.default_rng(0))


@pytest.mark.parametrize("name", SIZES)
def test_buffer_of_other_sizes_is_refused(buffer: TransitionBuffer, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="use another folder"):
        TransitionBuffer(tmp_path / "buffer", **(SIZES | {name: SIZES[name] + 1}))


def test_full_disk_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_room)
    with pytest.raises(SettingsError, match=r"no room for .* MB .*smaller buffer"):
        TransitionBuffer(tmp_path / "buffer", **SIZES)
    monkeypatch.undo()
    assert len(TransitionBuffer(tmp_path / "buffer", **SIZES)) == 0  # nothing half made is left
