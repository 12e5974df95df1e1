"""Serves a policy of LeRobot as a planner: run it with the Python of LeRobot's environment, see docs/lerobot.md.

    lerobot-venv/bin/python serve_policy.py --ros-args -p model:=models/walker-act

No pickle and no gRPC: plans are our messages, policies are JSON and safetensors.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

from spec_control_ros.chunks.format import ChunkFormat
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.planner_format import PlannerResources

ACTION, CONFIG = "action", "config.json"
GUIDANCE = ("inference_delay", "prev_chunk_left_over")  # of predict_action_chunk, for real-time chunking


class LeRobotPolicy:
    """A policy of LeRobot as `spec_control_ros.chunks.planner.ChunkPolicy`.

    Args:
        folder: Folder that `lerobot-train` wrote.
        resources: Device and threads of the policy.

    Raises:
        CheckpointError: it is missing, damaged, or of a kind that this LeRobot does not have.
    """

    def __init__(self, folder: Path, resources: PlannerResources):
        torch.set_num_threads(resources.threads)
        if not (folder / CONFIG).is_file():
            raise CheckpointError(
                f"{folder}: got no {CONFIG}, expected a policy's folder, as lerobot-train writes it"
            )
        try:
            config = PreTrainedConfig.from_pretrained(folder)
            config.device = resources.device
            self._policy = get_policy_class(config.type).from_pretrained(folder, config=config, strict=True)
            overrides = {"device_processor": {"device": resources.device}}
            self._before, self._after = make_pre_post_processors(
                config, str(folder), preprocessor_overrides=overrides
            )
        except Exception as error:  # of any library that LeRobot reads it with
            raise CheckpointError(f"{folder}: LeRobot cannot load the policy ({error})") from error
        self._policy.eval()
        self.features = {name: tuple(feature.shape) for name, feature in config.input_features.items()}
        self.action_dim = config.output_features[ACTION].shape[0]
        self.chunk_length = getattr(config, "chunk_size", None) or config.n_action_steps
        self.is_guidable = bool(getattr(getattr(config, "rtc_config", None), "enabled", False))
        self._last: torch.Tensor | None = None  # the last chunk, as the policy gave it

    def reset(self, seed: int) -> None:
        """Forget the last chunk, and draw the same noise from now on."""
        self._policy.reset()
        self._last = None
        torch.manual_seed(seed)

    @torch.no_grad()  # in inference mode, guidance could not differentiate
    def predict(
        self, features: Mapping[str, np.ndarray], task: str, skipped: int | None, delay_ticks: int
    ) -> np.ndarray:
        """The chunk (tick, action) in the policy's own units; see `ChunkPolicy`."""
        batch: dict[str, Any] = {name: torch.from_numpy(values)[None] for name, values in features.items()}
        guidance: dict[str, Any] = {}
        if self._last is not None and skipped is not None and skipped < self._last.shape[1]:
            guidance = dict(zip(GUIDANCE, (delay_ticks, self._last[:, skipped:]), strict=True))
        chunk = self._policy.predict_action_chunk(self._before({**batch, "task": [task]}), **guidance)
        self._last = chunk
        return self._after(chunk[0]).cpu().numpy()  # its ticks as a batch

    @torch.no_grad()
    def first_actions(self, features: Mapping[str, np.ndarray], task: str) -> np.ndarray:
        """The first actions (batch, action) of the chunks for features (batch, size)."""
        batch: dict[str, Any] = {name: torch.from_numpy(values) for name, values in features.items()}
        tasks = [task] * len(next(iter(features.values())))
        return self._after(
            self._policy.predict_action_chunk(self._before({**batch, "task": tasks}))[:, 0]
        ).numpy()


if __name__ == "__main__":
    from spec_control_ros.nodes.planner import main

    main(ChunkFormat(LeRobotPolicy))
