"""The file that a run goes on from."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spec_control_ros.core.errors import CheckpointError, OutputError, SettingsError
from spec_control_ros.core.output import written
from spec_control_ros.evaluation.measurement_file import differing
from spec_control_ros.sim.environment import file_digests

FORMAT = 1

State = dict[str, Any]


def save_state(
    path: Path,
    settings: Any,
    state: State,
    files: Mapping[str, str] | None = None,
    contents: Mapping[str, str] | None = None,
) -> None:
    """Write the state of a run with these settings, a dataclass; an interruption leaves the old file or the new one.

    Args:
        path: Path of the file.
        settings: Settings of the run.
        state: What it goes on from.
        files: Digests of the environment's files when the run began, which may have changed since; None: as they are.
        contents: Digests of what lies behind its settings, as a data set, by their names; None: of nothing.

    Raises:
        CheckpointError: it could not be written; the old file is as it was.
    """
    try:
        with written(path) as part:
            torch.save(
                {"format": FORMAT, "settings": json.dumps(_told(settings, files, contents)), **state}, part
            )
    except (OutputError, RuntimeError) as error:  # torch raises what it likes
        raise CheckpointError(
            f"{path}: could not be written ({error}); make room; the same command continues from the last save"
        ) from None


def load_state(
    path: Path, settings: Any, free: Collection[str], contents: Mapping[str, str] | None = None
) -> State | None:
    """The state that was saved, on the CPU; None if there is none.

    Args:
        path: Path of the file.
        settings: Settings of the run to continue.
        free: Names of the settings that may differ from the saved run's.
        contents: Digests of what lies behind the settings, as `save_state` has them.

    Raises:
        CheckpointError: the file is damaged.
        SettingsError: the run that was saved had other settings, or learnt from something else; names them.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = json.loads(state["settings"])
    except Exception as error:  # torch and pickle raise whatever comes up in a damaged file
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(
            f"{path}: damaged ({told}); begin in another folder, from the best so far in {path.parent}"
        ) from None
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: got format {state.get('format')!r}, expected {FORMAT}; use another folder"
        )
    now = _told(settings, None, contents)
    if "contents" not in saved:  # of an older version
        now.pop("contents", None)
    refuse_other_run(path.parent, saved, now, free)
    return state


def refuse_other_run(folder: Path, was: Any, now: Any, free: Collection[str] = ()) -> None:
    """Hold what a folder's run was told against what this one is told, but for the names in `free`.

    Raises:
        SettingsError: names what differs.
    """
    if differences := [d for d in differing(was, now) if d[0] not in free]:
        told = "; ".join(f"{name}: was {was!r}, got {got!r}" for name, was, got in differences)
        raise SettingsError(
            f"{folder}: holds a run with other settings ({told}); give those, or use another folder"
        )


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Tells arrays, in the order given, from others."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return total.hexdigest()[:16]


def weights_digest(network: nn.Module) -> str:
    """Tells the weights of a network from others."""
    return digest(value.cpu().numpy() for value in network.state_dict().values())


def _told(settings: Any, files: Mapping[str, str] | None, contents: Mapping[str, str] | None) -> State:
    run = type(settings).__name__.removesuffix("Settings")  # what kind of run it is
    if files is None:
        files = file_digests(settings.task)  # other rewards would not fit what the run has seen
    digests = {name: of for name, of in {"files": files, "contents": contents}.items() if of}
    told = {"run": run, **asdict(settings), **digests}
    return json.loads(json.dumps(told, default=lambda kind: kind.value))
