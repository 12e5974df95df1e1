"""An expert's episodes as a data set."""

import os
from pathlib import Path

import numpy as np

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import NoisyPolicy
from spec_control_ros.training.collector import episode_returns
from spec_control_ros.training.episodes import Episodes, TaskSpec
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.recording import groups_of, recorded_folder
from spec_control_ros.training.trainer_settings import TrainerSettings

FIRST_SEED = 5_000_000  # of episodes


def find_expert(name: str, models: Path) -> ExpertActor:
    """A shipped expert by its name, or any other by its path.

    Args:
        name: `humanoid-walk`, or a file.
        models: Folder of the shipped models, with experts in `experts`.

    Raises:
        CheckpointError: there is no such expert, or it is damaged.
    """
    for path in (models / "experts" / f"{name}.npz", Path(os.path.expanduser(name))):
        if path.is_file():
            return ExpertActor.load(path)
    known = ", ".join(sorted(path.stem for path in (models / "experts").glob("*.npz"))) or "(none shipped)"
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
        SettingsError: there is no room for it.
        SpecControlError: what lies there is damaged.
    """
    if not folder.exists():
        _record(folder, expert, spec, pool, settings)
    return Episodes.open(folder)


def _record(
    folder: Path, expert: ExpertActor, spec: TaskSpec, pool: PlantPool, settings: TrainerSettings
) -> None:
    rng = np.random.default_rng(settings.seed)
    policy = NoisyPolicy(expert.act, settings.collection.expert_noise, rng)
    total, plants = settings.expert_episodes, settings.collection.plants
    first = FIRST_SEED + settings.seed * total
    with recorded_folder(folder, spec, total, plants) as buffer:
        for group in groups_of(["expert"], total, plants, first, settings.seed):
            episode_returns(pool, range(group.episodes), group.seeds, policy, buffer)
