"""Which parameters each node has, for the commands that run none."""

from collections.abc import Mapping
from typing import Any

from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.node_settings import ExecutorNodeSettings, FleetSettings, PlannerNodeSettings
from spec_control_ros.core.settings import named_fields
from spec_control_ros.evaluation.plant_settings import (
    EmulatorSettings,
    HardwareBridgeSettings,
    SimBridgeSettings,
)

KINDS: Mapping[str, type] = {
    "planner": PlannerNodeSettings,
    "executor": ExecutorNodeSettings,
    "sim_bridge": SimBridgeSettings,
    "hardware_bridge": HardwareBridgeSettings,
    "hardware_emulator": EmulatorSettings,
}  # the settings of each node that a robot has parameters for
OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides.")  # that every node has


def refuse_unknown(parameters: Parameters) -> None:
    """Refuse a parameter that its node does not have, as the node itself would.

    What lies below `planner.` is left to the settings of that kind of planner.

    Raises:
        SettingsError: a name is unknown.
    """
    for node, kind in KINDS.items():
        known = named_fields(kind)
        names = _names(parameters.get(node, {}))
        if unknown := [name for name in names if name not in known and not _is_free(node, name)]:
            planner = ["planner.NAME", "fleets.NAME..."] if node == "planner" else []
            raise SettingsError(
                f"{node}: unknown parameter {unknown[0]}; expected one of {', '.join([*known, *planner])}"
            )


def _names(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted names of all values."""
    return [
        name
        for key, value in values.items()
        for name in (_names(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"])
    ]


def _is_free(node: str, name: str) -> bool:
    """Whether it is ROS's own, or has a name that the kind of planner or the user chose."""
    if name.startswith(OF_ROS):
        return True
    first, _, rest = name.partition(".")
    if node == "planner" and first == "fleets":
        _, _, rest = rest.partition(".")
        return rest in named_fields(FleetSettings) or rest.startswith("planner.")
    return node == "planner" and first == "planner" and bool(rest)
