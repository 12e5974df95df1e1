"""Runs scenarios with faults and judges them: `scenario:=all`, `report:=FOLDER`; the exit code tells the verdict."""

from launch import LaunchDescription
from spec_control_ros.bringup.ros_launch import hil_description


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` calls."""
    return hil_description()
