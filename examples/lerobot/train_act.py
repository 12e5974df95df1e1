"""Trains LeRobot's ACT on the states of a LeRobotDataset: run it with the Python of LeRobot's environment.

    lerobot-venv/bin/python train_act.py runs/walker-lerobot models/walker-act/pretrained_model --minutes 30

`lerobot-train --policy.type=act` does the same, and reads every frame of every batch from its file: on a CPU this takes
three times as long. Here the frames are read once.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from lerobot.configs.types import FeatureType, NormalizationMode
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.datasets.utils import dataset_to_policy_features
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

NORMALIZATION = {
    "STATE": NormalizationMode.MEAN_STD,
    "ENV": NormalizationMode.MEAN_STD,
    "ACTION": NormalizationMode.MEAN_STD,  # predicted observations, if it ends with them, have other units
}
LEARNING_RATE, WARM_UP_S, REPORT_S = 5e-4, 20.0, 60.0


def main() -> None:
    """Train for as long as is allowed, then save what `lerobot-train` would save."""
    parser = argparse.ArgumentParser(description="Trains ACT on the states of a LeRobotDataset.")
    parser.add_argument("dataset", type=Path, help="folder of the LeRobotDataset")
    parser.add_argument("folder", type=Path, help="folder of the policy")
    parser.add_argument("--minutes", type=float, default=30.0, help="duration of the training")
    parser.add_argument("--chunk", type=int, default=24, help="actions of a chunk")
    parser.add_argument("--width", type=int, default=128, help="width of the Transformer")
    parser.add_argument("--batch", type=int, default=64, help="frames of a batch")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    data = LeRobotDataset(f"local/{given.dataset.name}", root=given.dataset)
    features = dataset_to_policy_features(data.meta.features)
    config = ACTConfig(
        input_features={name: f for name, f in features.items() if f.type is not FeatureType.ACTION},
        output_features={name: f for name, f in features.items() if f.type is FeatureType.ACTION},
        normalization_mapping=NORMALIZATION,
        chunk_size=given.chunk,
        n_action_steps=given.chunk,
        dim_model=given.width,
        n_heads=4,
        dim_feedforward=4 * given.width,
        n_encoder_layers=3,
        use_vae=False,
        dropout=0.0,
        device="cpu",
        push_to_hub=False,
    )
    policy = ACTPolicy(config)
    before, after = make_pre_post_processors(config, dataset_stats=data.meta.stats)
    train(policy, before, Frames(data, config), given.batch, 60.0 * given.minutes)
    policy.save_pretrained(given.folder)
    before.save_pretrained(given.folder)
    after.save_pretrained(given.folder)


class Frames:
    """All frames of a data set in memory; a chunk ends with its episode, and the rest of it counts as padding."""

    def __init__(self, data: LeRobotDataset, config: ACTConfig):
        columns = data.hf_dataset.with_format("torch")
        names = (*config.input_features, "action")
        self._columns = {name: torch.stack(list(columns[name])) for name in names}
        episode = torch.stack(list(columns["episode_index"]))
        self._last = torch.searchsorted(episode, episode, right=True) - 1  # frame of each one's episode
        self._ahead = torch.arange(config.chunk_size)

    def draw(self, batch: int) -> dict[str, torch.Tensor]:
        """Observations (batch, size), chunks of actions (batch, chunk, action), and what of them is padding."""
        at = torch.randint(len(self._last), (batch,))
        rows, last = at[:, None] + self._ahead, self._last[at][:, None]
        drawn = {name: values[at] for name, values in self._columns.items() if name != "action"}
        return drawn | {"action": self._columns["action"][rows.minimum(last)], "action_is_pad": rows > last}


def train(policy: ACTPolicy, before, frames: Frames, batch: int, duration_s: float) -> None:
    """Minimise the policy's own loss, with a learning rate that falls to zero."""
    optimizer = torch.optim.AdamW(policy.parameters(), LEARNING_RATE, weight_decay=1e-4)
    policy.train()
    began_s = told_s = time.monotonic()
    losses, steps = [], 0
    while (elapsed_s := time.monotonic() - began_s) < duration_s:
        rate = LEARNING_RATE * min(1.0, (elapsed_s + 0.1) / WARM_UP_S)
        optimizer.param_groups[0]["lr"] = rate * 0.5 * (1.0 + math.cos(math.pi * elapsed_s / duration_s))
        loss, _ = policy.forward(before(frames.draw(batch)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        steps += 1
        if time.monotonic() - told_s > REPORT_S or steps == 1:
            told_s = time.monotonic()
            print(
                f"{elapsed_s / 60:.0f} min: {steps} steps, loss {sum(losses) / len(losses):.4f}", flush=True
            )
            losses = []
    print(f"{duration_s / 60:.0f} min: {steps} steps, loss {sum(losses) / max(1, len(losses)):.4f}")
    policy.eval()


if __name__ == "__main__":
    main()
