"""`spec-control parameters`: what each node of a robot is given."""

from spec_control_ros.bringup.parameter_files import parameter_text
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.cli.run_options import ParametersOptions
from spec_control_ros.core.errors import SettingsError


def parameters(options: ParametersOptions) -> None:
    """Print a parameter file of ROS.

    Raises:
        SettingsError: there is no such robot or mode.
    """
    if options.mode not in ("lockstep", "realtime"):
        raise SettingsError(f"mode: got {options.mode!r}, expected lockstep or realtime")
    robot = find_robot(options.robot)
    print(parameter_text(robot.parameters(options.mode, has_hardware=options.hardware)), end="")
