"""Faults of messages: what they are."""

from dataclasses import dataclass

from spec_control_ros.core.fault import Fault


@dataclass(frozen=True, slots=True)
class Loss(Fault):
    """Observations do not arrive."""


@dataclass(frozen=True, slots=True)
class Duplication(Fault):
    """Observations arrive twice."""


@dataclass(frozen=True, slots=True)
class Reordering(Fault):
    """Observations arrive after the ones that follow them."""


@dataclass(frozen=True, slots=True)
class CommandLoss(Fault):
    """Commands do not arrive."""
