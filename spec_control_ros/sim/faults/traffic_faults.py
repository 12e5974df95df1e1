"""Faults of messages: what they are."""

from dataclasses import dataclass

from spec_control_ros.core.fault import Fault


@dataclass(frozen=True, slots=True)
class TrafficFault(Fault):
    """Something happens to messages between plant and executor."""


@dataclass(frozen=True, slots=True)
class Loss(TrafficFault):
    """Observations do not arrive."""


@dataclass(frozen=True, slots=True)
class Duplication(TrafficFault):
    """Observations arrive twice."""


@dataclass(frozen=True, slots=True)
class Reordering(TrafficFault):
    """Observations arrive after the ones that follow them."""


@dataclass(frozen=True, slots=True)
class CommandLoss(TrafficFault):
    """Commands do not arrive."""
