"""What the user may say about the gate."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate.metric import Metric
from spec_control_ros.core.settings import check, setting

NOT_GIVEN = -1.0  # a value that the model's card has, or a default where the model is not calibrated


class GateMode(str, Enum):
    """Where the thresholds come from."""

    AUTO = "auto"  # as the model's card says; fixed where it says nothing, or where `replan` is given
    FIXED = "fixed"  # the same at every tick
    QUANTILE = "quantile"  # calibrated: by the age of the prediction, for a stated rate of false alarms
    REGRET = "regret"  # calibrated: by age, for a stated loss of return with the fewest plans
    ADAPTIVE = "adaptive"  # these, or fixed ones, tightened while a plan goes wrong


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Up to the accept threshold execute, above the replan threshold replan, correct in between."""

    mode: GateMode = setting(GateMode.AUTO, "Source of the thresholds; auto: as the model's card says")
    metric: Metric = setting(Metric.RELATIVE_L2, "Distance between observed and predicted latent")
    accept: float = setting(
        NOT_GIVEN,
        "Largest mismatch at which the queued action is executed unchanged; -1: calibrated, else 0.05",
        low=NOT_GIVEN,
        live=True,
    )
    replan: float = setting(
        NOT_GIVEN,
        "Mismatch above which the queue is dropped; -1: calibrated, else 0.6",
        low=NOT_GIVEN,
        high=1e9,
        live=True,
    )
    correction_rate: float = setting(
        NOT_GIVEN,
        "Fraction of nominal ticks to correct, which determines the calibrated `accept`; -1: the card's",
        low=NOT_GIVEN,
        high=1.0,
        live=True,
    )
    false_alarm_rate: float = setting(
        NOT_GIVEN,
        "Fraction of nominal ticks that drop the queue, which determines the calibrated `replan`; -1: the card's",
        low=NOT_GIVEN,
        high=1.0,
        live=True,
    )
    accumulation: float = setting(
        0.5,
        "Adaptive mode: tightening per tolerance that the mismatch of a plan has used up",
        low=0.0,
        high=1e6,
    )
    sensitivity: float = setting(
        0.5, "Adaptive mode: tightening where errors grow twice as fast as usual", low=0.0, high=1e6
    )
    max_steps_ahead: int = setting(
        50, "Actions further from the start of their plan are stale (ticks)", low=0, high=100_000
    )

    def in_mode(self, mode: GateMode) -> "GateSettings":
        """The same in another mode, with neither thresholds nor rates given."""
        given: dict[str, Any] = dict.fromkeys(
            ("accept", "replan", "correction_rate", "false_alarm_rate"), NOT_GIVEN
        )
        return replace(self, mode=mode, **given)

    def __post_init__(self) -> None:
        check(self)
        for name in ("accept", "replan", "correction_rate", "false_alarm_rate"):
            value = getattr(self, name)
            if value < 0.0 and value != NOT_GIVEN:
                raise SettingsError(
                    f"{name}: got {value}, expected at least 0.0, or -1 for the calibrated one"
                )
        if 0.0 <= self.replan < self.accept:
            raise SettingsError(f"accept: got {self.accept}, expected at most replan = {self.replan}")
        if 0.0 <= self.correction_rate < self.false_alarm_rate:
            raise SettingsError(
                f"false_alarm_rate: got {self.false_alarm_rate}, expected at most correction_rate = "
                f"{self.correction_rate}"
            )
