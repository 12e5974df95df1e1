"""Faults of messages: what they are."""

from dataclasses import dataclass

from spec_control_ros.core.fault import Fault


@dataclass(frozen=True, slots=True)
class _TrafficFault(Fault):
    """Something happens to messages between plant and executor."""


@dataclass(frozen=True, slots=True)
class Loss(_TrafficFault):
    """Observations do not arrive."""


@dataclass(frozen=True, slots=True)
class Duplication(_TrafficFault):
    """Observations arrive twice."""


@dataclass(frozen=True, slots=True)
class Reordering(_TrafficFault):
    """Observations arrive after the ones that follow them."""


@dataclass(frozen=True, slots=True)
class CommandLoss(_TrafficFault):
    """Commands do not arrive."""
