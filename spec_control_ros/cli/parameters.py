"""`spec-control parameters`: what each node of a robot is given."""

from spec_control_ros.bringup.parameter_files import parameter_text
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.cli.run_options import ParametersOptions
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.node_parameters import refuse_unknown
from spec_control_ros.world_model.card import folder_card, model_folder


def parameters(options: ParametersOptions) -> None:
    """Print a parameter file of ROS.

    Raises:
        SettingsError: there is no such robot or mode, or a node does not have a parameter that its file sets.
    """
    if options.mode not in ("lockstep", "realtime"):
        raise SettingsError(f"mode: got {options.mode!r}, expected lockstep or realtime")
    robot = find_robot(options.robot)
    given = robot.parameters(options.mode, has_hardware=options.hardware)
    try:
        card = folder_card(model_folder(robot.model))
    except CheckpointError:  # another computer may have the model
        refuse_unknown(given)
    else:
        ControllerSettings.of(given, format_of(card).settings)
    print(parameter_text(given), end="")
