"""What the gate knows of a model: the mismatch that is usual while nothing is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.gate.gate_settings import GateMode
from spec_control_ros.core.gate.metric import Metric

CARD_KEY = "gate"  # of a model's card
USUAL_RATE = 0.5  # the median is what the adaptive gate takes for usual


@dataclass(frozen=True, slots=True)
class RegretThresholds:
    """Thresholds below which executing a row costs little, for ages 1, 2, ...; a replan threshold of 0 ends a plan.

    Raises:
        SettingsError: they are not as many, not finite, or the accept threshold is the larger one.
    """

    metric: Metric
    accept: tuple[float, ...]
    replan: tuple[float, ...]
    propagate: bool = False  # whether corrections were carried on along the queue (`executor.propagate`)

    def __post_init__(self) -> None:
        pairs = tuple(zip(self.accept, self.replan, strict=False))
        is_whole = len(self.accept) == len(self.replan) > 0
        if not is_whole or not all(0.0 <= a <= r < float("inf") for a, r in pairs):
            raise SettingsError(
                f"regret: got accept {self.accept} and replan {self.replan}, expected a pair an age, 0 <= accept "
                "<= replan"
            )

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "RegretThresholds":
        """What the card's `gate.regret` says.

        Raises:
            SettingsError: see the class; or `propagate` is no truth value.
        """
        if not isinstance(is_rolled := content.get("propagate", False), bool):
            raise SettingsError(f"regret: got propagate {is_rolled!r}, expected true or false")
        return cls(Metric(content["metric"]), tuple(content["accept"]), tuple(content["replan"]), is_rolled)

    def as_card(self) -> dict[str, Any]:
        """What `of` reads back."""
        return {
            "metric": self.metric.value,
            "accept": list(self.accept),
            "replan": list(self.replan),
            "propagate": self.propagate,
        }


@dataclass(frozen=True, slots=True)
class GateCalibration:
    """Thresholds that nominal mismatch exceeds at stated rates, by the age of the prediction.

    A prediction's age is the number of ticks since the observation that it rests on: 1 for the first one.

    Raises:
        SettingsError: a table has the wrong size, is not finite, or grows where the rate grows; or so for the rest.
    """

    mode: GateMode  # the one that does best on this model
    false_alarm_rate: float  # of replans, unless the user says otherwise
    correction_rate: float  # of corrections, unless the user says otherwise
    rates: tuple[float, ...]  # growing
    thresholds: Mapping[Metric, tuple[tuple[float, ...], ...]]  # by metric; a row an age, a column a rate
    sensitivity: float  # the usual growth of errors in one tick of the model's dynamics
    value_weights: tuple[float, ...]  # of the latent's components, for `Metric.VALUE`
    regret: RegretThresholds | None = None  # for `GateMode.REGRET`

    def __post_init__(self) -> None:
        if not self.rates or list(self.rates) != sorted(set(self.rates)) or USUAL_RATE not in self.rates:
            raise SettingsError(f"rates: got {self.rates}, expected growing ones, {USUAL_RATE} among them")
        for metric, rows in self.thresholds.items():
            for age, row in enumerate(rows, start=1):
                if len(row) != len(self.rates) or not all(isfinite(t) and t >= 0.0 for t in row):
                    raise SettingsError(
                        f"{metric.value} at age {age}: got {row}, expected {len(self.rates)} thresholds"
                    )
                if list(row) != sorted(row, reverse=True):
                    raise SettingsError(
                        f"{metric.value} at age {age}: thresholds {row} must fall with the rate"
                    )
        if not all(isfinite(w) and w >= 0.0 for w in self.value_weights):
            raise SettingsError(f"value_weights: got {self.value_weights}, expected numbers of at least 0")
        if not (self.sensitivity > 0.0 and isfinite(self.sensitivity)):
            raise SettingsError(f"sensitivity: got {self.sensitivity}, expected a positive number")

    @classmethod
    def of(cls, card: Mapping[str, Any], model: str = "card") -> "GateCalibration | None":
        """What a model's card says; None where the model is not calibrated.

        Raises:
            CheckpointError: it says something else than a calibration.
        """
        if CARD_KEY not in card:
            return None
        content = card[CARD_KEY]
        try:
            return cls(
                mode=GateMode(content["mode"]),
                false_alarm_rate=float(content["false_alarm_rate"]),
                correction_rate=float(content["correction_rate"]),
                rates=tuple(content["rates"]),
                thresholds={
                    Metric(name): tuple(tuple(row) for row in rows)
                    for name, rows in content["thresholds"].items()
                },
                sensitivity=float(content["sensitivity"]),
                value_weights=tuple(content["value_weights"]),
                regret=RegretThresholds.of(content["regret"]) if "regret" in content else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{model}: `{CARD_KEY}` of its card is not a valid calibration ({error!r}); "
                "run `spec-control calibrate`"
            ) from None

    def as_card(self) -> dict[str, Any]:
        """What `of` reads back."""
        return {
            "mode": self.mode.value,
            "false_alarm_rate": self.false_alarm_rate,
            "correction_rate": self.correction_rate,
            "rates": list(self.rates),
            "thresholds": {
                metric.value: [list(row) for row in rows] for metric, rows in self.thresholds.items()
            },
            "sensitivity": self.sensitivity,
            "value_weights": list(self.value_weights),
            **({} if self.regret is None else {"regret": self.regret.as_card()}),
        }

    def by_age(self, metric: Metric, rate: float) -> tuple[float, ...]:
        """The threshold that nominal mismatch exceeds at `rate`, for ages 1, 2, ...

        Between two calibrated rates it is interpolated over the rate's logarithm.

        Raises:
            SettingsError: the rate is smaller than the data could tell, or the metric is not calibrated.
        """
        if not self.thresholds.get(metric):
            known = ", ".join(m.value for m in self.thresholds)
            raise SettingsError(f"metric: {metric.value} is not calibrated, expected one of {known}")
        if not self.rates[0] <= rate <= 1.0:
            raise SettingsError(
                f"rate of false alarms: got {rate}, expected {self.rates[0]} to 1; calibrate with more episodes "
                "for a smaller one"
            )
        # Any mismatch at all exceeds zero: that is rate 1.
        knots = np.log([*(r for r in self.rates if r < 1.0), 1.0])
        rows = [[*row[: len(knots) - 1], 0.0] for row in self.thresholds[metric]]
        return tuple(float(np.interp(np.log(rate), knots, row)) for row in rows)
