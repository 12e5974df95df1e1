"""Whether the sizes and the tick of a model are those of what it is to drive; needs neither model nor simulator."""

from collections.abc import Mapping
from typing import Any

from spec_control_ros.core.errors import MisfitError
from spec_control_ros.core.planner import is_same_period
from spec_control_ros.sim.plant import Driven


def refuse_misfit(
    name: str, lengths: tuple[int, int] | None, card: Mapping[str, Any], plant: Driven, task: str
) -> None:
    """Hold the sizes and the tick of a model against what it is to drive.

    Lengths are those of observation and action that the model was made for; None: not known. Name and task are for the
    message.

    Raises:
        MisfitError: sizes or the duration of a tick differ; says what was got and expected.
    """
    expected = plant.obs_dim, plant.action_dim
    if lengths is not None and lengths != expected:
        raise MisfitError(
            f"model {name}: made for observations of {lengths[0]} and actions of {lengths[1]}, expected {expected[0]} "
            f"and {expected[1]}, as {task} has; choose another model (command line: --model)"
        )
    period_s = float(card.get("control_period_s", 0.0))
    if period_s and not is_same_period(period_s, plant.control_period_s):
        raise MisfitError(
            f"model {name}: made for ticks of {period_s:g} s, expected {plant.control_period_s:g} s, as {task} has "
            "with this action_repeat; choose another model (command line: --model), or set action_repeat"
        )
