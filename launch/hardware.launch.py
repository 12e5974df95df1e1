"""Runs a robot under ros2_control in real time, or its emulator: `robot:=walker`, `hardware:=emulator`."""

from launch import LaunchDescription
from spec_control_ros.bringup.ros_launch import launch_description


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` calls."""
    return launch_description(robot="humanoid", hardware="robot", mode="realtime")
