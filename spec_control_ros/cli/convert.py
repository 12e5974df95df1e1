"""`spec-control convert`, `download`: an official checkpoint, of the user or of the hub, becomes a model folder."""

from hashlib import sha256
from pathlib import Path

from huggingface_hub import HfApi

from spec_control_ros.cli.model_options import ConvertOptions, DownloadOptions
from spec_control_ros.cli.options import whole_numbers
from spec_control_ros.cli.terminal import terminal
from spec_control_ros.core.errors import CheckpointError, MisfitError, SettingsError
from spec_control_ros.core.output import refuse_folder
from spec_control_ros.evaluation.misfit import refuse_misfit
from spec_control_ros.sim.environment import make_control_plant, make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.card import NO_TASK, Card
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.hub import MULTITASK, MULTITASK_SIZES, REPOSITORY, fetch, official_name
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, refuse_descendants
from spec_control_ros.world_model.official import load_official
from spec_control_ros.world_model.single_task import single_task


def convert(options: ConvertOptions) -> None:
    """Read the checkpoint, write the folder.

    Raises:
        TaskError: there is no such task.
        CheckpointError: the checkpoint cannot be read, or the folder not written, or it holds networks of others.
        MisfitError: the checkpoint is of another body than the task's.
        SettingsError: `action_dims` is not a list of whole numbers, or it is not known which of its tasks is meant.
    """
    refuse_folder(options.folder)
    refuse_descendants(options.folder, WEIGHTS)
    checkpoint = options.checkpoint
    words = options.action_dims
    dims = whole_numbers("action-dims", words, "whole numbers as in 6,6,2") if words else None
    plant = make_env(options.task)
    model = load_official(checkpoint, dims)
    source = {"file": checkpoint.name, "sha256": sha256(checkpoint.read_bytes()).hexdigest()}
    card: Card = {"control_period_s": options.control_period or plant.control_period_s, "source": source}
    if not model.dims.tasks and options.task_index != NO_TASK:
        raise SettingsError(
            f"task-index: got {options.task_index}, expected none for a single-task checkpoint"
        )
    index = _find_task(checkpoint.name, model, plant, options.task, options.task_index)
    if options.single_task and index != NO_TASK:
        model = single_task(model, index, plant.obs_dim, plant.action_dim)
    elif index != NO_TASK:
        card["multi_task"] = {"task_index": index, "obs": plant.obs_dim, "action": plant.action_dim}
    write_model(model, options.folder, options.task, card)


def _find_task(name: str, model: WorldModel, plant: Plant, task: str, task_index: int = NO_TASK) -> int:
    """Which task of a model the plant's is, that of the official order if it is not given; `NO_TASK`: the only one.

    Raises:
        SettingsError: it is not known, or there is no such task in the model.
        MisfitError: that task of the model has other sizes than the plant.
    """
    if not model.dims.tasks:
        refuse_misfit(name, (model.dims.obs, model.dims.action), {}, plant, task)
        return NO_TASK
    own, tasks = official_name(task), model.dims.tasks
    if task_index == NO_TASK and own in MULTITASK and tasks in MULTITASK_SIZES:
        task_index = MULTITASK.index(own)
    if not 0 <= task_index < tasks:
        raise SettingsError(
            f"task-index: got {'none' if task_index == NO_TASK else task_index} for {task}, expected 0 to "
            f"{tasks - 1}, which of the checkpoint's {tasks} tasks it is"
        )
    actions = int(model.action_masks[task_index].sum())
    if actions != plant.action_dim or plant.obs_dim > model.dims.obs:
        raise MisfitError(
            f"{name}: its task {task_index} has {actions} actions and at most {model.dims.obs} observations, expected "
            f"{plant.action_dim} and {plant.obs_dim}, as {task} has; give another --task or --task-index"
        )
    return task_index


def write_model(model: WorldModel, folder: Path, task: str, card: Card) -> None:
    """Write an official model and say so; `card` tells what is not in its tensors."""
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file, expected a folder to write")
    save_world_model(folder / WEIGHTS, model, {"task": task, "size": model.dims.size, **card})
    parameters = sum(p.numel() for p in model.parameters())
    terminal().print(f"{folder / WEIGHTS}: size {model.dims.size}, {parameters / 1e6:.1f} million parameters")


def download(options: DownloadOptions, hub: HfApi | None = None) -> None:
    """Fetch the checkpoint of a task, verify it and write a model folder; a multi-task model is reduced to the task.

    The hub is the public one where none is given.

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
    # Of the action masks of a multi-task model, which older files lack, only this task's counts.
    model = load_official(file.path, [plant.action_dim] * len(MULTITASK) if size else None)
    index = _find_task(file.name, model, plant, plant.task)
    if index != NO_TASK:
        model = single_task(model, index, plant.obs_dim, plant.action_dim)
    write_model(model, folder, task, card)
