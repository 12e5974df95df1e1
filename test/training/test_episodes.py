import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.training.episodes import Batch, Episodes, TaskSpec, array_shapes, write_spec

SPEC = TaskSpec("count", obs_dim=3, action_dim=2, episode_ticks=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, shape in array_shapes(SPEC).items():
        np.save(tmp_path / f"{name}.npy", np.zeros((2, *shape), np.float32))
    np.save(tmp_path / "length.npy", np.array([5, 3]))
    write_spec(tmp_path, SPEC)
    return tmp_path


def test_data_set_is_read(folder: Path) -> None:
    recorded = Episodes.open(folder)
    assert (recorded.spec, recorded.ticks) == (SPEC, 8)


def test_what_lies_beyond_an_episode_does_not_matter(folder: Path) -> None:
    reward = np.zeros((2, 5), np.float32)
    reward[1, 3:] = np.nan
    np.save(folder / "reward.npy", reward)
    assert Episodes.open(folder).sample(100, 3, np.random.default_rng(0)).reward.isfinite().all()


@pytest.mark.parametrize("name", ["dataset.json", "obs.npy", "action.npy", "reward.npy", "length.npy"])
@pytest.mark.parametrize("kept", [None, 0, 20, 100])
def test_missing_or_truncated_file_is_named(folder: Path, name: str, kept: int | None) -> None:
    path = folder / name
    whole = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(whole[:kept])
    with pytest.raises(SpecControlError, match=name):
        Episodes.open(folder)


def test_missing_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(SpecControlError, match=r"expected a data set: dataset\.json, obs\.npy"):
        Episodes.open(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        (
            "obs",
            np.zeros((2, 6, 4), np.float32),
            r"got float32 \(2, 6, 4\), expected .*\(episode, \*\(6, 3\)\)",
        ),
        ("action", np.zeros((2, 5, 2)), "got float64"),
        ("reward", np.full((2, 5), np.inf, np.float32), "episode 0 holds values that are not finite"),
        ("reward", np.zeros((3, 5), np.float32), "got 2, 2, 3 and 2 episodes"),
        ("length", np.array([5, 6]), "expected 0 to 5 ticks"),
        ("length", np.array([-1, 3]), "expected 0 to 5 ticks"),
        ("length", np.array([0, 0]), "holds no ticks"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(folder: Path, name: str, array: Any, said: str) -> None:
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(SpecControlError, match=said):
        Episodes.open(folder)


@pytest.mark.parametrize(
    "values", [[], {"format": "tdmpc2"}, {"format": "episodes", "obs_dim": 0}, {"format": "episodes", "x": 1}]
)
def test_description_that_is_none_is_refused(folder: Path, values: Any) -> None:
    (folder / "dataset.json").write_text(json.dumps(values))
    with pytest.raises(SpecControlError, match=r"dataset\.json"):
        Episodes.open(folder)


@pytest.mark.parametrize(
    "other", [{"task": "run"}, {"obs_dim": 4}, {"action_dim": 1}, {"control_period_s": 0.02}]
)
def test_another_task_is_refused_by_name(folder: Path, other: dict[str, Any]) -> None:
    with pytest.raises(SpecControlError, match=f"got {next(iter(other))} "):
        Episodes.open(folder).check_fits(replace(SPEC, **other))


def test_batches_are_joined_along_their_sequences() -> None:
    shapes = {1: ((3, 1, 4), (2, 1, 1), (2, 1), (2, 1)), 2: ((3, 2, 4), (2, 2, 1), (2, 2), (2, 2))}
    joined = Batch.joined([Batch(*(torch.full(shape, n) for shape in shapes[n])) for n in (1, 2)])
    assert joined.obs.shape == (3, 3, 4)
    for part in (joined.action[0, :, 0], joined.reward[1], joined.is_over[0]):
        assert part.tolist() == [1, 2, 2]


def test_data_set_says_which_episodes_the_task_ended(folder: Path) -> None:
    assert not Episodes.open(folder).sample(50, 3, np.random.default_rng(0)).is_over.any()
    np.save(folder / "ended.npy", np.array([False, True]))
    assert Episodes.open(folder).sample(50, 3, np.random.default_rng(0)).is_over.any()
    np.save(folder / "ended.npy", np.array([False, True, True]))
    with pytest.raises(SpecControlError, match=r"ended\.npy: got 3 episodes, expected 2"):
        Episodes.open(folder)
