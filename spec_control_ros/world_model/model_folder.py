"""A model as it is shipped: one folder a task, with the world model and its correctors.

models/walker-walk/world_model.safetensors   and world_model.json
models/walker-walk/two_tower.safetensors     and two_tower.json
models/walker-walk/temporal.safetensors      and temporal.json
models/walker-walk/student.safetensors       and student.json
"""

from contextlib import suppress
from dataclasses import asdict
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spec_control_ros.core import registry
from spec_control_ros.core.corrector import AUTO, GROUP, NONE, Corrector, load_corrector
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.gate import GateCalibration
from spec_control_ros.core.tick_model import Policy, TickModel
from spec_control_ros.correctors.dimensions import STUDENT, CorrectorDimensions
from spec_control_ros.world_model.card import NO_TASK, Card, load_card, model_folder, sizes
from spec_control_ros.world_model.dimensions import dimensions_of
from spec_control_ros.world_model.named_weights import NamedWeights
from spec_control_ros.world_model.native_library import NativeLibraryError
from spec_control_ros.world_model.tick_networks import NativeCorrector, native_residual, native_tick_model

if TYPE_CHECKING:  # the executor loads a model without PyTorch, whose import takes longer than all the rest
    import torch

    from spec_control_ros.correctors.learned_corrector import LearnedCorrector
    from spec_control_ros.world_model.model import WorldModel

WEIGHTS = "world_model.safetensors"
PLANNERS_OWN = ("reward_head.", "q_head.", "termination_head.")  # weights that a tick needs not
NETWORKS = (".safetensors", ".npz")  # endings of their files
UNMEASURED = (-inf, 0.0)


class ModelFolder:
    """Reads and writes what one folder under `models/` holds."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def find(cls, name: str) -> "ModelFolder":
        """A model by the name under which it is shipped, or by its path.

        Raises:
            CheckpointError: there is none.
        """
        return cls(model_folder(name))

    def world_model(
        self, device: "torch.device | str" = "cpu", task_index: int | None = None
    ) -> "tuple[WorldModel, Card]":
        """The world model of one task in inference mode, and its card.

        Of a multi-task model it is the part for that task, with the task's own sizes.

        Args:
            device: Device for the weights.
            task_index: Task of a multi-task model; None: the one that the card names.

        Raises:
            CheckpointError: see `checkpoint.load_world_model`.
            SettingsError: a multi-task model does not say for which task, or a single-task one was asked for one.
        """
        from spec_control_ros.world_model.checkpoint import load_world_model
        from spec_control_ros.world_model.single_task import single_task

        model, card = load_world_model(self.path / WEIGHTS)
        tasks = model.dims.tasks
        if not tasks and task_index is None:
            return model.to(device), card
        own = card.get("multi_task", {})
        index = own.get("task_index", NO_TASK) if task_index is None else task_index
        if not 0 <= index < tasks:
            allowed = f"0 to {tasks - 1}" if tasks else "none: it is a single-task model"
            got = "none" if index == NO_TASK else index
            raise SettingsError(f"{self.path.name}: task_index: got {got}, expected {allowed}")
        # Only of the card's own task; another's observations are taken as long as padded
        known = sizes(card, index)
        obs = model.dims.obs if known is None else known[0]
        return single_task(model, index, obs, int(model.action_masks[index].sum())).to(device), card

    def tick_model(self, task_index: int | None = None) -> TickModel:
        """What the executor needs of the world model; PyTorch only has a part in it where it must.

        Args:
            task_index: Task of a multi-task model; None: the one that the card names.

        Raises:
            CheckpointError: see `checkpoint.load_world_model`; what the planner alone needs is not looked at.
            SettingsError: a multi-task model does not say for which task, or a single-task one was asked for one.
        """
        path = self.path / WEIGHTS
        dims = dimensions_of(self.card(), str(path.with_suffix(".json")))
        if not dims.tasks and task_index is None and (weights := NamedWeights.of_file(path)) is not None:
            with suppress(NativeLibraryError):
                if (native := native_tick_model(dims, weights)) is not None:
                    weights.refuse_others(*PLANNERS_OWN)
                    return native
        from spec_control_ros.world_model.latent_tick_model import tick_model

        _use_one_thread()
        return tick_model(self.world_model(task_index=task_index)[0])

    def card(self) -> Card:
        """The world model's card."""
        return load_card(self.path / WEIGHTS)

    @property
    def correctors(self) -> list[str]:
        """Names of the correctors that there are, the quickest first: that with the least weights."""
        known = (name for name in registry.offered(GROUP) if self.weights_of(name).exists())
        return sorted(known, key=lambda name: self.weights_of(name).stat().st_size)

    @property
    def best_corrector(self) -> str:
        """The quickest of those that return as much as any in closed loop, the bare queue (`NONE`) among them.

        The cards tell the returns. As much is what lies above the lower end of the highest return's 95 % interval; that
        of a single episode is boundless.

        Raises:
            CheckpointError: a card cannot be read.
        """
        returns = self._closed_loop_returns()
        mean, ci95 = max(returns.values(), default=(-inf, 0.0))
        as_good = (
            name for name in (NONE, *self.correctors) if returns.get(name, (nan, 0.0))[0] >= mean - ci95
        )
        return next(as_good, NONE)

    def _closed_loop_returns(self) -> dict[str, tuple[float, float]]:
        """Mean and half of its 95 % interval, by corrector; no return is lower than one that was not measured.

        The bare queue was run beside every corrector, and is there only if one of the cards tells what it returned.
        """
        cards = {kind: load_card(self.weights_of(kind)).get("evaluation", {}) for kind in self.correctors}
        returns = {
            kind: _return(card["corrected"]) if "corrected" in card else UNMEASURED
            for kind, card in cards.items()
        }
        bare = [_return(card["open_loop"]) for card in cards.values() if "open_loop" in card]
        return returns | ({NONE: max(bare)} if bare else {})

    def weights_of(self, kind: str) -> Path:
        """File of a corrector's weights, whether or not there is one."""
        return self.path / f"{kind}.safetensors"

    def corrector(self, name: str, model: TickModel) -> Corrector | None:
        """A corrector that fits `model`; None for the name `NONE`, or for `AUTO` where none is best.

        Raises:
            CheckpointError: there is none of that name, or it does not fit.
            SettingsError: nobody offers correctors of that name.
        """
        return load_corrector(self.best_corrector if name == AUTO else name, self.path, model)

    def named_corrector(self, kind: str, model: TickModel) -> Corrector:
        """One that `distill` made, for the control loop: as a native program where that is possible.

        Raises:
            CheckpointError: there is none of that name, or it does not fit.
        """
        dims, weights = self._corrector_dimensions(kind, model), NamedWeights.of_file(self.weights_of(kind))
        residual = None
        if weights is not None:
            with suppress(NativeLibraryError):
                residual = native_residual(kind, dims, weights)
        if residual is None:
            _use_one_thread()
            corrector: Corrector = self.learned_corrector(kind, model)
        else:
            corrector = NativeCorrector(kind, dims, residual)
        corrector.residual(dims.first_history())  # which costs more than others
        return corrector

    def learned_corrector(self, kind: str, model: TickModel) -> "LearnedCorrector":
        """One of the networks in `correctors.kinds.DISTILLED`.

        Raises:
            CheckpointError: there is none of that name, or it does not fit.
        """
        from spec_control_ros.correctors.kinds import DISTILLED
        from spec_control_ros.world_model.checkpoint import load_network

        path, dims = self.weights_of(kind), self._corrector_dimensions(kind, model)
        make = partial(DISTILLED[kind], dims)
        return load_network(path, make, f"{path.with_suffix('.json')}: dimensions make no corrector")

    def _corrector_dimensions(self, kind: str, model: TickModel) -> CorrectorDimensions:
        path = self.weights_of(kind)
        if not path.exists():
            raise CheckpointError(
                f"{path}: no such corrector; expected one of {', '.join([NONE, *self.correctors])} for this model"
            )
        try:
            dims = CorrectorDimensions(**load_card(path)["dimensions"])
        except (KeyError, TypeError, SettingsError) as error:
            raise CheckpointError(
                f"{path.with_suffix('.json')}: dimensions make no corrector ({error})"
            ) from None
        if (dims.latent, dims.action) != (model.latent_dim, model.action_dim):
            raise CheckpointError(
                f"{path}: made for latent {dims.latent} and action {dims.action}, expected "
                f"{model.latent_dim} and {model.action_dim} of the world model beside it"
            )
        return dims

    def student(self, model: TickModel) -> Policy:
        """The policy that was distilled with the correctors.

        Raises:
            CheckpointError: there is none, or it does not fit.
        """
        if not self.weights_of(STUDENT).exists():
            raise CheckpointError(
                f"{self.path.name}: no student; `spec-control distill {self.path.name} --student-only` makes one"
            )
        from spec_control_ros.correctors.student import Student

        _use_one_thread()
        student = self.learned_corrector(STUDENT, model)
        assert isinstance(student, Student)
        student.action(np.zeros(model.latent_dim, np.float32))  # the first one costs more than others
        return student.action

    def calibration(self) -> GateCalibration | None:
        """Thresholds of the gate, as the model's card has them; None where it has none.

        Raises:
            CheckpointError: they cannot be read, or are another model's.
        """
        card = self.card()
        calibration, latent_dim = GateCalibration.of(card, self.path.name), card["dimensions"]["latent"]
        if calibration is not None and len(calibration.value_weights) != latent_dim:
            raise CheckpointError(
                f"{self.path.name}: its card has {len(calibration.value_weights)} value weights, expected "
                f"{latent_dim}; `spec-control calibrate` it again"
            )
        return calibration

    def save_corrector(self, kind: str, corrector: "LearnedCorrector", card: Card) -> None:
        """Write a corrector and its card."""
        from spec_control_ros.world_model.checkpoint import save_weights

        card = {"format": kind, "dimensions": asdict(corrector.dims), **card}
        save_weights(self.weights_of(kind), corrector, card)


def refuse_descendants(folder: Path | None, weights: str) -> None:
    """Look whether a file of new weights may go into a model's folder, which may be missing; None: they go nowhere.

    Raises:
        CheckpointError: it holds other networks, as correctors and a student: they have learnt from other weights.
    """
    files = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
    if others := [file.name for file in files if file.suffix in NETWORKS and file.name != weights]:
        raise CheckpointError(
            f"{folder}: holds {', '.join(others)}, which belong to other weights than those to be written; remove "
            "them, or choose another folder"
        )


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # one observation at a time: threads would only add latency


def _return(measured: Card) -> tuple[float, float]:
    half = measured["return_ci95"]
    return float(measured["return_mean"]), inf if half is None else float(half)


def _load(kind: str, folder: Path, model: TickModel) -> Corrector:
    return ModelFolder(folder).named_corrector(kind, model)


load_two_tower, load_temporal = partial(_load, "two_tower"), partial(_load, "temporal")  # entry points
