"""Turns a data set of `spec-control collect` into a LeRobotDataset v3: run it with the Python of LeRobot's environment.

lerobot-venv/bin/python export_dataset.py runs/walker-data runs/walker-lerobot --contract models/walker-act
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.core.errors import SpecControlError


def main() -> None:
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description="Turns recorded episodes into a LeRobotDataset v3.")
    parser.add_argument("data", type=Path, nargs="+", help="folders that `spec-control collect` wrote")
    parser.add_argument("folder", type=Path, help="folder of the LeRobotDataset, which must not exist")
    parser.add_argument("--contract", type=Path, required=True, help="folder with policy.yaml")
    parser.add_argument("--min-return", type=float, default=-np.inf, help="leave out episodes below it")
    given = parser.parse_args()
    try:
        kept = export(given.data, given.folder, ChunkContract.read(given.contract), given.min_return)
    except (OSError, ValueError, KeyError, SpecControlError) as error:
        sys.exit(f"export_dataset.py: {error}")
    print(f"{len(kept)} episodes, mean return {np.mean(kept):.1f}: {given.folder}")


def export(data: list[Path], folder: Path, contract: ChunkContract, min_return: float) -> list[float]:
    """Write the episodes; returns what each of them returned.

    Raises:
        ValueError: the folder exists, a data set is damaged, or its sizes are not the contract's.
        OSError: a file is missing.
    """
    if folder.exists():
        raise ValueError(f"{folder} exists already: choose another folder")
    abouts = [json.loads((source / "dataset.json").read_text()) for source in data]
    for source, about in zip(data, abouts, strict=True):
        for name, size in (("obs_dim", contract.observation_dim), ("action_dim", contract.action_dim)):
            if about[name] != size:
                raise ValueError(f"{source}: got {name} {about[name]}, expected {size} as in the contract")
    made = LeRobotDataset.create(
        repo_id=f"local/{folder.name}",
        fps=round(1.0 / abouts[0]["control_period_s"]),
        root=folder,
        features=features_of(contract),
        use_videos=False,
    )
    kept = [add(made, source, contract, min_return) for source in data]
    made.finalize()
    if not (returns := [value for part in kept for value in part]):
        raise ValueError(f"no episode returned {min_return} or more")
    return returns


def features_of(contract: ChunkContract) -> dict[str, Any]:
    """The features of the data set, as LeRobot describes them."""
    sizes = {**contract.sizes(), "action": contract.policy_dim, "next.reward": 1}
    return {name: {"dtype": "float32", "shape": (size,), "names": None} for name, size in sizes.items()}


def add(made: LeRobotDataset, source: Path, contract: ChunkContract, min_return: float) -> list[float]:
    """Append the episodes of one folder that are good enough; returns what they returned."""
    arrays = {
        name: np.load(source / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("obs", "action", "reward", "length")
    }
    kept = []
    for episode, ticks in enumerate(arrays["length"]):
        reward = arrays["reward"][episode, :ticks]
        if reward.sum() < min_return or not ticks:
            continue
        kept.append(float(reward.sum()))
        obs, actions = arrays["obs"][episode], contract.policy_actions(arrays["action"][episode])
        for tick in range(ticks):
            action, own = actions[tick], reward[tick : tick + 1]
            if contract.predicts:
                action = np.concatenate([action, obs[tick + 1]])
            parts = contract.parts(obs[tick])
            made.add_frame({**parts, "action": action, "next.reward": own, "task": contract.task})
        made.save_episode()
    return kept


if __name__ == "__main__":
    main()
