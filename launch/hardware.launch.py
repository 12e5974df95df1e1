"""Runs planner, executor and hardware bridge for a robot under ros2_control, or for its emulator.

Arguments are `robot:=walker`, `hardware:=emulator`, and those of the robot's own launch file.
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from spec_control_ros.bringup.system import ROBOTS


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` calls."""
    own = [FindPackageShare("spec_control_ros"), "/launch/", LaunchConfiguration("robot"), ".launch.py"]
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "robot",
                default_value="humanoid",
                description="The robot, whose launch file is included",
                choices=list(ROBOTS),
            ),
            DeclareLaunchArgument(
                "hardware",
                default_value="robot",
                description="What is behind the bridge: a real robot, or a simulation behind a robot's topics",
                choices=["robot", "emulator"],
            ),
            DeclareLaunchArgument(
                "mode",
                default_value="realtime",
                description="realtime: the robot never waits for a command; lockstep: it waits for every command",
                choices=["realtime", "lockstep"],
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(own)),
        ]
    )
