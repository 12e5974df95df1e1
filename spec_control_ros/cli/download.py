"""`spec-control download`: an official checkpoint from the Hugging Face hub becomes a model folder."""

from pathlib import Path

from huggingface_hub import HfApi

from spec_control_ros.cli.convert import find_task, write_model
from spec_control_ros.cli.model_options import DownloadOptions
from spec_control_ros.cli.terminal import terminal
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.output import refuse_folder
from spec_control_ros.evaluation.fit import refuse_misfit
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.world_model.hub import MULTITASK, REPOSITORY, HubFile, fetch, official_name
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS
from spec_control_ros.world_model.official import load_official
from spec_control_ros.world_model.single_task import single_task


def download(options: DownloadOptions, hub: HfApi | None = None) -> None:
    """Fetch the checkpoint of a task, verify it and write a model folder; a multi-task model is reduced to the task.

    Args:
        options: Task, size or seed, and folder.
        hub: Client of the Hugging Face hub; None: of the public one.

    Raises:
        TaskError: dm_control has no such task.
        SettingsError: the multi-task models do not know the task.
        SpecControlError: see `hub.fetch`.
        CheckpointError: the folder holds a model already, or the checkpoint cannot be read.
    """
    task, size = options.task, options.size
    folder = options.folder or Path("official") / task
    refuse_folder(folder)
    plant, name = make_control_plant(task), official_name(task)
    if (folder / WEIGHTS).exists():
        raise CheckpointError(f"{folder}: holds a model already; remove it, or give another --folder")
    if size and name not in MULTITASK:
        raise SettingsError(
            f"size: no multi-task model was trained on {name}, expected one of {', '.join(MULTITASK)}"
        )
    path = f"multitask/mt30-{size}M.pt" if size else f"dmcontrol/{name}-{options.seed}.pt"
    file = fetch(hub or HfApi(token=False), path)
    terminal().print(f"{REPOSITORY}/{file.name}: SHA-256 {file.sha256} verified")
    source = {"file": f"{REPOSITORY}/{file.name}", "commit": file.commit, "sha256": file.sha256}
    card = {"control_period_s": plant.control_period_s, "source": source}
    write_model(_read(file, plant), folder, task, card)


def _read(file: HubFile, plant: ControlPlant) -> WorldModel:
    if file.name.startswith("dmcontrol/"):
        model = load_official(file.path)
        refuse_misfit(file.name, (model.dims.obs, model.dims.action), {}, plant, plant.task)
        return model
    # Of the action masks, which older files lack, only this task's counts.
    model = load_official(file.path, [plant.action_dim] * len(MULTITASK))
    index = find_task(file.name, model, plant, plant.task)
    return single_task(model, index, plant.obs_dim, plant.action_dim)
