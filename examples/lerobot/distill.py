"""Distills the first action of a policy's chunks into a small network, by whose action the gate judges the chunks.

    lerobot-venv/bin/python distill.py models/walker-act runs/walker-data

It writes policy_student.npz into the model's folder: two hidden layers, evaluated with numpy at every tick.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from serve_policy import LeRobotPolicy

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.core.student import STUDENT, policy_of, save_student
from spec_control_ros.training.student_fit import fit_student
from spec_control_ros.training.student_settings import StudentSettings

HELD_OUT = 0.1  # of the observations
BATCH = 512  # observations at a time


def main() -> None:
    """Label, fit, save, and tell how near it comes."""
    parser = argparse.ArgumentParser(description="Distills a chunk policy into a small network for the gate.")
    parser.add_argument("model", type=Path, help="folder with policy.yaml")
    parser.add_argument("data", type=Path, help="folder that `spec-control collect` wrote")
    parser.add_argument("--updates", type=int, default=4000)
    parser.add_argument("--width", type=int, default=128)
    given = parser.parse_args()
    try:
        contract = ChunkContract.read(given.model)
        policy = LeRobotPolicy(given.model / contract.policy, PlannerResources())
    except SpecControlError as error:
        sys.exit(f"distill.py: {error}")
    obs = np.load(given.data / "obs.npy", mmap_mode="r", allow_pickle=False)
    length = np.load(given.data / "length.npy", allow_pickle=False)
    inputs = np.concatenate([obs[episode, :ticks] for episode, ticks in enumerate(length)])
    labels = first_actions(policy, contract, inputs)
    order = np.random.default_rng(0).permutation(len(inputs))
    held_out, rest = np.split(order, [int(HELD_OUT * len(order))])
    settings = StudentSettings(hidden=given.width, updates=given.updates)
    layers = fit_student(inputs[rest], labels[rest], settings)
    error = np.sqrt(np.square(policy_of(layers)(inputs[held_out]) - labels[held_out]).mean())
    print(f"{len(rest)} observations; {len(held_out)} held out: root mean square distance {error:.4f}")
    save_student(given.model / STUDENT, layers)


def first_actions(policy: LeRobotPolicy, contract: ChunkContract, inputs: np.ndarray) -> np.ndarray:
    """Our action (observation, action) at the start of the chunk of every observation."""
    made = []
    for begin in range(0, len(inputs), BATCH):
        parts = [contract.parts(obs) for obs in inputs[begin : begin + BATCH]]
        features = {name: np.stack([part[name] for part in parts]) for name in contract.features}
        made.append(policy.first_actions(features, contract.task))
    return contract.actions(np.concatenate(made))


if __name__ == "__main__":
    main()
