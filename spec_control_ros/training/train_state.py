"""The file that a run goes on from."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.training.trainer_settings import TrainerSettings

FREE = {"updates", "evaluate_every"}  # may differ from the saved run's
FORMAT = 1

State = dict[str, Any]


def save_state(path: Path, settings: TrainerSettings, state: State) -> None:
    """Write the state; an interruption leaves either the old file or the new one.

    Raises:
        CheckpointError: it could not be written; the old file is as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        torch.save({"format": FORMAT, "settings": json.dumps(asdict(settings)), **state}, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch raises either
        part.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path}: could not be written ({error}); make room; the same command goes on from the last save"
        ) from None


def load_state(path: Path, settings: TrainerSettings) -> State | None:
    """The state that was saved, on the CPU; None if there is none.

    Raises:
        CheckpointError: the file is damaged.
        SettingsError: the run that was saved had other settings; names them.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = json.loads(state["settings"])
    except Exception as error:  # torch and pickle raise whatever comes up in a damaged file
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(
            f"{path}: damaged ({told}); begin in another folder, from the best weights in {path.parent / 'best'}"
        ) from None
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: got format {state.get('format')!r}, expected {FORMAT}; use another folder"
        )
    now = json.loads(json.dumps(asdict(settings)))
    if differences := list(_differences(saved, now)):
        raise SettingsError(
            f"{path.parent}: holds a run with other settings ({'; '.join(differences)}); "
            "give those, or use another folder"
        )
    return state


def _differences(saved: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name in sorted(saved.keys() | now.keys()):
        was, is_ = saved.get(name), now.get(name)
        if isinstance(was, Mapping) and isinstance(is_, Mapping):
            yield from _differences(was, is_, f"{prefix}{name}.")
        elif was != is_ and prefix + name not in FREE:
            yield f"{prefix}{name}: was {was!r}, got {is_!r}"
