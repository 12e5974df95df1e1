"""Thresholds by the age of a prediction, before any tightening."""

from dataclasses import dataclass

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.gate.calibration import USUAL_RATE, GateCalibration
from spec_control_ros.core.gate.gate_settings import NOT_GIVEN, GateMode, GateSettings

ACCEPT, REPLAN = (
    0.05,
    0.6,
)  # of relative L2, where neither user nor card says anything; so nearly every row is corrected


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a mismatch is held against."""

    accept: float
    replan: float
    usual: float  # mismatch that is usual at this age; 0 where the model is not calibrated


def effective_mode(settings: GateSettings, calibration: GateCalibration | None) -> GateMode:
    """The mode that AUTO stands for; any other mode is itself."""
    if settings.mode is not GateMode.AUTO:
        return settings.mode
    return GateMode.FIXED if calibration is None or settings.replan >= 0.0 else calibration.mode


def thresholds_by_age(
    settings: GateSettings, calibration: GateCalibration | None, mode: GateMode
) -> tuple[Thresholds, ...]:
    """For predictions of age 1, 2, ...; the last one also counts for all that are older.

    A threshold that is given wins over the calibrated one, which wins over the default.

    Raises:
        SettingsError: the mode needs a calibration that there is not, or rates that it does not have.
        CheckpointError: the model's card has no thresholds by regret.
    """
    if mode is GateMode.QUANTILE and calibration is None:
        raise SettingsError(
            "mode: got quantile, but the model's card has no thresholds; expected fixed or adaptive, or "
            "`spec-control calibrate` first"
        )
    if mode in (GateMode.FIXED, GateMode.REGRET) or calibration is None:
        for name in ("correction_rate", "false_alarm_rate"):
            if (rate := getattr(settings, name)) != NOT_GIVEN:
                raise SettingsError(
                    f"{name}: got {rate}, but gate.mode {mode.value} has no rates; expected `accept` and `replan`, or "
                    "mode quantile"
                )
    if mode is GateMode.REGRET:
        return _by_regret(settings, calibration)
    if mode is GateMode.FIXED or calibration is None:
        accept, replan = (
            value if value >= 0.0 else default
            for value, default in ((settings.accept, ACCEPT), (settings.replan, REPLAN))
        )
        return (Thresholds(min(accept, replan), replan, 0.0),)
    metric = settings.metric
    usual = calibration.by_age(metric, USUAL_RATE)

    def chosen(given: float, rate: float, card_rate: float) -> tuple[float, ...]:
        if given >= 0.0:
            return (given,) * len(usual)
        return calibration.by_age(metric, rate if rate >= 0.0 else card_rate)

    accepts = chosen(settings.accept, settings.correction_rate, calibration.correction_rate)
    replans = chosen(settings.replan, settings.false_alarm_rate, calibration.false_alarm_rate)
    return tuple(Thresholds(min(a, r), r, u) for a, r, u in zip(accepts, replans, usual, strict=True))


def _by_regret(settings: GateSettings, calibration: GateCalibration | None) -> tuple[Thresholds, ...]:
    regret = None if calibration is None else calibration.regret
    if regret is None:
        raise CheckpointError(
            "mode: got regret, but the model's card has no thresholds by regret; expected another mode, or "
            "`spec-control regret` and `spec-control calibrate MODEL --regret FILE` first"
        )
    if settings.metric is not regret.metric:
        raise SettingsError(
            f"metric: got {settings.metric.value}, expected {regret.metric.value}, as the thresholds by regret"
        )
    pairs = zip(regret.accept, regret.replan, strict=True)
    given = (
        (settings.accept if settings.accept >= 0.0 else a, settings.replan if settings.replan >= 0.0 else r)
        for a, r in pairs
    )
    return tuple(Thresholds(min(accept, replan), replan, 0.0) for accept, replan in given)
