"""An expert policy that demonstrates a task: a squashed Gaussian actor, kept as a file of arrays; and its episodes."""

import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.output import written
from spec_control_ros.sim.environment import file_digests
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import NoisyPolicy
from spec_control_ros.training.collector import episode_returns, first_of_run
from spec_control_ros.training.episodes import Episodes, TaskSpec, how_recorded
from spec_control_ros.training.recording import groups_of, recorded_folder
from spec_control_ros.training.train_state import refuse_other_run, weights_digest
from spec_control_ros.training.trainer_settings import TrainerSettings

FIRST_SEED = 5_000_000  # of demonstrations
LAYER_NORM_EPS = 1e-5
HIDDEN = 256
HIDDEN_LAYERS = 2
LOG_STD_MIN, LOG_STD_MAX = -5.0, 0.0
CLIP = 10.0  # of normalised observations
LONGEST_MEMORY = 1e6  # observations that the running statistics weigh


class ExpertActor(nn.Module):
    """Normalised observation, two hidden layers with layer norm and SiLU, a squashed Gaussian."""

    def __init__(self, obs_dim: int, action_dim: int):
        super().__init__()
        self.obs_dim, self.action_dim = obs_dim, action_dim
        widths = (obs_dim, HIDDEN, HIDDEN)
        self.hidden = nn.ModuleList(nn.Linear(widths[i], widths[i + 1]) for i in range(HIDDEN_LAYERS))
        self.norm = nn.ModuleList(nn.LayerNorm(HIDDEN, eps=LAYER_NORM_EPS) for _ in range(HIDDEN_LAYERS))
        self.mean = nn.Linear(HIDDEN, action_dim)
        self.log_std = nn.Linear(HIDDEN, action_dim)
        self.obs_mean = nn.Buffer(torch.zeros(obs_dim))
        self.obs_var = nn.Buffer(torch.ones(obs_dim))
        self.obs_count = nn.Buffer(torch.zeros(()))

    @classmethod
    def load(cls, path: Path) -> "ExpertActor":
        """Read an actor.

        Raises:
            CheckpointError: missing, not such a file, or an array is missing or has a wrong shape.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise CheckpointError(f"{path}: not a file of arrays ({error})") from None
        if not {"obs_mean", "mean_bias"} <= tensors.keys():
            raise CheckpointError(f"{path}: arrays obs_mean and mean_bias are missing; is this an expert?")
        tensors.setdefault("obs_count", torch.tensor(LONGEST_MEMORY))
        try:
            actor = cls(len(tensors["obs_mean"]), len(tensors["mean_bias"]))
            actor.load_state_dict({_parameter(name): value for name, value in tensors.items()})
        except (RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path}: is this an expert? {error}") from None
        return actor.eval()

    def save(self, path: Path) -> None:
        """Write an actor that `load` reads."""
        arrays = {_array(name): value.numpy() for name, value in self.state_dict().items()}
        with written(path) as part, part.open("wb") as file:
            np.savez(file, **arrays)

    def check_fits(self, obs_dim: int, action_dim: int) -> None:
        """Hold the actor against a body.

        Raises:
            CheckpointError: it is one for another body.
        """
        if (self.obs_dim, self.action_dim) != (obs_dim, action_dim):
            raise CheckpointError(
                f"expert: got one for {self.obs_dim} observations and {self.action_dim} actions, expected "
                f"{obs_dim} and {action_dim}; was it made for another task?"
            )

    @torch.no_grad()
    def act(self, obs: Tensor) -> Tensor:
        """The deterministic actions (..., action) in [-1, 1] for observations (..., obs)."""
        return torch.tanh(self.distribution(self.normalise(obs))[0])

    def distribution(self, normalised: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (..., action) before squashing."""
        h = normalised
        for linear, norm in zip(self.hidden, self.norm, strict=True):
            h = F.silu(norm(linear(h)))
        squashed = torch.tanh(self.log_std(h)) + 1.0
        return self.mean(h), LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * squashed

    def normalise(self, obs: Tensor) -> Tensor:
        """Observations (..., obs) scaled by the running statistics."""
        return ((obs - self.obs_mean) / torch.sqrt(self.obs_var + 1e-5)).clamp(-CLIP, CLIP)

    @torch.no_grad()
    def observe(self, obs: Tensor) -> None:
        """Take observations (samples, obs) into the running statistics (Chan et al.'s parallel variance)."""
        if self.obs_count >= LONGEST_MEMORY:
            return  # frozen: critics have learnt on this scale
        total = self.obs_count + len(obs)
        delta = obs.mean(0) - self.obs_mean
        spread = self.obs_var * self.obs_count + obs.var(0, correction=0) * len(obs)
        self.obs_var.copy_((spread + delta.pow(2) * self.obs_count * len(obs) / total) / total)
        self.obs_mean.add_(delta * len(obs) / total)
        self.obs_count.copy_(total)


def _parameter(array: str) -> str:
    """`hidden0_weight` is `hidden.0.weight`, `mean_bias` is `mean.bias`; statistics keep their names."""
    if array.startswith("obs_"):
        return array
    layer, kind = array.rsplit("_", 1)
    return f"{layer[:-1]}.{layer[-1]}.{kind}" if layer[-1].isdigit() else f"{layer}.{kind}"


def _array(parameter: str) -> str:
    """Inverse of `_parameter`."""
    return parameter if parameter.startswith("obs_") else "_".join(parameter.rsplit(".", 1)).replace(".", "")


def find_expert(name: str) -> ExpertActor:
    """A shipped expert by its name, as `humanoid-walk`, or any other by its path.

    Raises:
        CheckpointError: there is no such expert, or it is damaged.
    """
    shipped = share_folder() / "models" / "experts"
    for path in (shipped / f"{name}.npz", Path(os.path.expanduser(name))):
        if path.is_file():
            return ExpertActor.load(path)
    known = ", ".join(sorted(path.stem for path in shipped.glob("*.npz"))) or "(none shipped)"
    raise CheckpointError(
        f"expert: got {name!r}, expected one of {known}, or a file (`python -m tools.expert` makes one)"
    )


def demonstrations(
    folder: Path, expert: ExpertActor, spec: TaskSpec, pool: PlantPool, settings: TrainerSettings
) -> Episodes:
    """The expert's episodes as the data set in `folder`; recorded if it is missing, and there once it is whole.

    Args:
        folder: Folder of the data set.
        expert: Expert that demonstrates, with noise.
        spec: Sizes of the task.
        pool: Environments; the first ones are used.
        settings: Number of episodes, and size of the noise.

    Raises:
        SettingsError: there is no room for it, or what lies there are other demonstrations.
        SpecControlError: what lies there is damaged.
    """
    total, plants, noise = (
        settings.expert_episodes,
        settings.collection.plants,
        settings.collection.expert_noise,
    )
    how = {"expert": weights_digest(expert), "files": file_digests(settings.task), "seed": settings.seed}
    how |= {"expert_episodes": total, "plants": plants, "expert_noise": noise}
    if not folder.exists():
        policy = NoisyPolicy(expert.act, noise, np.random.default_rng(settings.seed))
        first = first_of_run(FIRST_SEED, settings.seed, total)
        with recorded_folder(folder, spec, total, plants, how) as buffer:
            for group in groups_of(["expert"], total, plants, first, settings.seed):
                episode_returns(pool, range(group.episodes), group.seeds, policy, buffer)
    recorded = Episodes.open(folder)
    recorded.check_fits(spec)
    if was := how_recorded(folder):  # which those of older versions do not tell
        refuse_other_run(folder.parent, was, how)
    return recorded
