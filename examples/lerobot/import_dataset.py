"""Turns a LeRobotDataset v3 into a data set of `spec-control collect`: run it with the Python of LeRobot's environment.

    lerobot-venv/bin/python import_dataset.py runs/walker-lerobot runs/data walker-walk --contract models/walker-act

The contract's features have to cover the whole observation. The last tick of an episode is left out: no observation
follows it. Without `next.reward`, rewards are 0.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.core.errors import SpecControlError


def main() -> None:
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description="Turns a LeRobotDataset v3 into a data set of spec-control.")
    parser.add_argument("dataset", type=Path, help="folder of the LeRobotDataset")
    parser.add_argument("folder", type=Path, help="folder to write, which must not exist")
    parser.add_argument("task", help="environment that the episodes are of, as walker-walk")
    parser.add_argument("--contract", type=Path, required=True, help="folder with policy.yaml")
    given = parser.parse_args()
    try:
        episodes = convert(given.dataset, given.folder, given.task, ChunkContract.read(given.contract))
    except (OSError, ValueError, KeyError, SpecControlError) as error:
        sys.exit(f"import_dataset.py: {error}")
    print(f"{episodes} episodes: {given.folder}")


def convert(source: Path, folder: Path, task: str, contract: ChunkContract) -> int:
    """Write the data set; returns its number of episodes.

    Raises:
        ValueError: the folder exists, or the features leave a part of the observation open.
        KeyError: the data set lacks a feature.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists already: choose another folder")
    data = LeRobotDataset(f"local/{source.name}", root=source)
    columns = {name: np.array(data.hf_dataset[name], np.float32) for name in (*contract.features, "action")}
    obs = np.full((len(columns["action"]), contract.observation_dim), np.nan, np.float32)
    for name, ranges in contract.features.items():
        at = np.concatenate([np.arange(first, end) for first, end in ranges])
        obs[:, at] = columns[name]
    if np.isnan(obs).any():
        raise ValueError(f"features {sorted(contract.features)} do not cover all of the observation")
    action = contract.actions(columns["action"])
    has_reward = "next.reward" in data.hf_dataset.column_names
    reward = (
        np.array(data.hf_dataset["next.reward"], np.float32).reshape(-1) if has_reward else np.zeros(len(obs))
    )
    numbers = np.array(data.hf_dataset["episode_index"])
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    length = np.diff(starts, append=len(numbers)) - 1
    shape = (len(length), int(length.max()))
    arrays = {
        "obs": np.zeros((shape[0], shape[1] + 1, obs.shape[1]), np.float32),
        "action": np.zeros((*shape, action.shape[1]), np.float32),
        "reward": np.zeros(shape, np.float32),
    }
    for i, (start, ticks) in enumerate(zip(starts, length, strict=True)):
        arrays["obs"][i, : ticks + 1] = obs[start : start + ticks + 1]
        arrays["action"][i, :ticks] = action[start : start + ticks]
        arrays["reward"][i, :ticks] = reward[start : start + ticks]
    about = {
        "format": "episodes",
        "task": task,
        "control_period_s": 1.0 / data.meta.fps,
        "obs_dim": contract.observation_dim,
        "action_dim": contract.action_dim,
        "episode_ticks": shape[1],
    }
    folder.mkdir(parents=True)
    for name, array in {**arrays, "length": length.astype(np.int64)}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "dataset.json").write_text(json.dumps(about, indent=2) + "\n")
    return shape[0]


if __name__ == "__main__":
    main()
