"""The one place where a `PlanExecutor` is made of a model and settings."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spec_control_ros.core.corrector import AUTO, NONE, Corrector, load_corrector
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.gate import Gate, GateCalibration, GateSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import Planner, check_planner
from spec_control_ros.core.tick_model import Policy, TickModel


def no_student(model: TickModel) -> Policy:
    """For planners that are not loaded from a folder.

    Raises:
        CheckpointError: always.
    """
    raise CheckpointError("hold: got student, but this planner has no student; choose another hold action")


@dataclass(frozen=True, slots=True)
class ExecutorParts:
    """What an executor takes from a model, and how it is configured unless its user says otherwise."""

    model: TickModel
    calibration: GateCalibration | None = None  # of the gate
    folder: Path | None = None  # of the model, where its correctors lie
    best_corrector: str = NONE  # the name that `auto` stands for
    load_student: Callable[[TickModel], Policy] = no_student  # for `hold: student`
    corrector: str = AUTO
    gate: GateSettings = field(default_factory=GateSettings)
    settings: ExecutorSettings = field(default_factory=ExecutorSettings)

    def corrector_named(self, name: str) -> str:
        """The corrector that a name stands for."""
        return self.best_corrector if name == AUTO else name


def make_executor(
    planner: Planner | ExecutorParts,
    *,
    queue_length: int | None = None,
    corrector: str | Corrector | None = None,
    gate: GateSettings | None = None,
    settings: ExecutorSettings | None = None,
    tick_model: TickModel | None = None,
    control_period_s: float = 0.0,
) -> PlanExecutor:
    """The control law for the plans of a planner.

    Args:
        planner: Planner of the plans. Its attribute `parts`, an `ExecutorParts`, tells what the executor needs of
            the model, as those of `load_planner` do. Without it, the executor compares observations with the states
            that plans predict, if they predict any, and executes queued actions as they are.
        queue_length: Number of a plan's rows that are executed before the next plan is needed; None: as `gate` says.
        corrector: The corrector's name, or an object of your own; None: as configured.
        gate: Settings of the gate; None: as configured.
        settings: Settings of the law itself; None: as configured.
        tick_model: Encoder, policy and dynamics in place of the model's own.
        control_period_s: Duration of a tick; plans for another one are refused. 0: as planner or tick model say.

    Raises:
        CheckpointError: the model lacks the corrector, or a part of it does not fit.
        SettingsError: the gate needs what the model does not have, or plans are shorter than `queue_length`.
        TypeError: an argument is something else than is said above.
    """
    if isinstance(planner, (str, Path)):
        raise TypeError(
            f"planner: got the name {str(planner)!r}, expected a planner: load_planner({str(planner)!r})"
        )
    _check_type("gate", gate, GateSettings)
    _check_type("settings", settings, ExecutorSettings)
    _check_type("tick_model", tick_model, TickModel)
    _check_type("queue_length", queue_length, int)
    _check_type("corrector", corrector, str, Corrector)
    parts = planner if isinstance(planner, ExecutorParts) else _parts_of(planner, queue_length)
    model, gate = tick_model or parts.model, gate or parts.gate
    if not isinstance(planner, ExecutorParts):
        control_period_s = control_period_s or planner.spec.control_period_s
    model = replace(model, control_period_s=control_period_s or model.control_period_s)
    if queue_length is not None:
        gate = replace(gate, max_steps_ahead=queue_length - 1)
    corrector = parts.corrector if corrector is None else corrector
    if isinstance(corrector, str):
        corrector = _load(parts.corrector_named(corrector), parts.folder, model)
    settings, judging = settings or parts.settings, model
    if settings.hold is HoldPolicy.STUDENT:
        model = replace(model, policy=parts.load_student(model))
        if judging.policy is None:  # else the gate compares with the policy that it was calibrated with
            judging = model
    made = Gate(gate, parts.calibration, judging)
    if made.propagates:
        settings = replace(settings, propagate=True)
    return PlanExecutor(model, made, corrector, settings)


def _check_type(name: str, value: Any, *kinds: type) -> None:
    if value is not None and not isinstance(value, kinds):
        expected = " or ".join(f"a {kind.__name__}" for kind in kinds)
        raise TypeError(f"{name}: got {value!r}, a {type(value).__name__}, expected {expected}, or None")


def _parts_of(planner: Planner, queue_length: int | None) -> ExecutorParts:
    check_planner(planner)
    longest = planner.spec.queue_length
    if queue_length is not None and not 1 <= queue_length <= longest:
        raise SettingsError(
            f"queue_length: got {queue_length}, expected 1 to {longest}, the rows of a plan of {planner.spec.name}"
        )
    parts = getattr(planner, "parts", None)
    return (
        parts if isinstance(parts, ExecutorParts) else ExecutorParts(TickModel.of_observations(planner.spec))
    )


def _load(name: str, folder: Path | None, model: TickModel) -> Corrector | None:
    if folder is None and name != NONE:
        raise SettingsError(
            f"corrector: got {name!r}, but there is no model's folder to load it from; expected {NONE}, or a corrector "
            "of your own"
        )
    return load_corrector(name, folder or Path(), model)
