"""`spec-control parameters`: what each node of a robot is given."""

from spec_control_ros.bringup.parameter_files import parameter_text
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.errors import SettingsError


def print_parameters(robot: str, mode: str, *, has_hardware: bool) -> None:
    """Print a parameter file of ROS.

    Raises:
        SettingsError: there is no such robot or mode.
    """
    if mode not in ("lockstep", "realtime"):
        raise SettingsError(f"mode: got {mode!r}, expected lockstep or realtime")
    print(parameter_text(find_robot(robot).parameters(mode, has_hardware=has_hardware)), end="")
