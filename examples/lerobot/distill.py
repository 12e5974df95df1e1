"""Distills the first action of a policy's chunks into a small network, by whose action the gate judges the chunks.

    lerobot-venv/bin/python distill.py models/walker-act runs/walker-data

It writes policy_student.npz into the model's folder: two hidden layers, evaluated with numpy at every tick.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from serve_policy import LeRobotPolicy
from torch import Tensor, nn

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.chunks.format import STUDENT
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.planner_format import PlannerResources

HELD_OUT = 0.1  # of the observations
BATCH, LEARNING_RATE = 512, 1e-3


def main() -> None:
    """Label, fit, save, and tell how near it comes."""
    parser = argparse.ArgumentParser(description="Distills a chunk policy into a small network for the gate.")
    parser.add_argument("model", type=Path, help="folder with policy.yaml")
    parser.add_argument("data", type=Path, help="folder that `spec-control collect` wrote")
    parser.add_argument("--updates", type=int, default=4000)
    parser.add_argument("--width", type=int, default=128)
    given = parser.parse_args()
    torch.manual_seed(0)
    try:
        contract = ChunkContract.read(given.model)
        policy = LeRobotPolicy(given.model / contract.policy, PlannerResources())
    except SpecControlError as error:
        sys.exit(f"distill.py: {error}")
    obs = np.load(given.data / "obs.npy", mmap_mode="r", allow_pickle=False)
    length = np.load(given.data / "length.npy", allow_pickle=False)
    inputs = np.concatenate([obs[episode, :ticks] for episode, ticks in enumerate(length)])
    labels = first_actions(policy, contract, inputs)
    network = fit(torch.from_numpy(inputs), torch.from_numpy(labels), given.width, given.updates)
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    arrays = {f"w{i}": layer.weight.detach().numpy().T for i, layer in enumerate(layers)}
    arrays |= {f"b{i}": layer.bias.detach().numpy() for i, layer in enumerate(layers)}
    np.savez(given.model / STUDENT, **arrays)


def first_actions(policy: LeRobotPolicy, contract: ChunkContract, inputs: np.ndarray) -> np.ndarray:
    """Our action (observation, action) at the start of the chunk of every observation."""
    made = []
    for begin in range(0, len(inputs), BATCH):
        parts = [contract.parts(obs) for obs in inputs[begin : begin + BATCH]]
        features = {name: np.stack([part[name] for part in parts]) for name in contract.features}
        made.append(policy.first_actions(features, contract.task))
    return contract.actions(np.concatenate(made))


def fit(inputs: Tensor, labels: Tensor, width: int, updates: int) -> nn.Sequential:
    """The network, its input scale folded into its first layer."""
    order = torch.randperm(len(inputs))
    held_out, rest = order[: int(HELD_OUT * len(order))], order[int(HELD_OUT * len(order)) :]
    mean, std = inputs[rest].mean(0), inputs[rest].std(0) + 1e-4
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, labels.shape[1]),
        nn.Tanh(),
    )
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for _ in range(updates):
        at = rest[torch.randint(len(rest), (BATCH,))]
        loss = (network((inputs[at] - mean) / std) - labels[at]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        error = (network((inputs[held_out] - mean) / std) - labels[held_out]).square().mean().sqrt()
        first = network[0]
        first.bias -= first.weight @ (mean / std)
        first.weight /= std
    print(f"{len(rest)} observations; {len(held_out)} held out: root mean square distance {error:.4f}")
    return network


if __name__ == "__main__":
    main()
