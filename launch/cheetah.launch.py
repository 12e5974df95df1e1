"""Runs the planner, the executor and the MuJoCo bridge for the cheetah; see `ros2 launch -s` for the arguments."""

from launch import LaunchDescription
from spec_control_ros.bringup.ros_launch import launch_description


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` calls."""
    return launch_description(robot="cheetah")
