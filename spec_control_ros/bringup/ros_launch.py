"""The system as launch actions; the only module that needs ROS's launch packages."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from spec_control_ros.bringup.lifeline import lifeline
from spec_control_ros.bringup.system import Process, arguments, processes
from spec_control_ros.core.errors import ProcessError

PACKAGE = "spec_control_ros"
GRACE_S = 60  # the bridge may have a video to finish


def launch_description(robot: str) -> LaunchDescription:
    """Declares the robot's arguments, starts its processes, and ends with the first of them.

    `ros2 launch` exits with 0 when the bridge is done, and with 1 when any process failed.
    """
    declared = [
        DeclareLaunchArgument(
            a.name, default_value=a.default, description=a.description, choices=a.choices or None
        )
        for a in arguments(robot)
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start, args=[robot])])


def _start(context: LaunchContext, robot: str) -> list[Action]:
    given = {a.name: LaunchConfiguration(a.name).perform(context) for a in arguments(robot)}
    config = Path(get_package_share_directory(PACKAGE)) / "config"
    is_respawned = given["respawn_planner"] == "true"
    nodes = [
        _node(process, respawn=is_respawned and process.executable == "planner")
        for process in processes(robot, given, config)
    ]
    actions: list[Action] = [*nodes]
    if given["record"]:
        topics = [
            "observation",
            "plan",
            "command",
            "status",
            "episode",
            "joint_states",
            "clock",
            "diagnostics",
        ]
        bag = ["ros2", "bag", "record", "-s", "mcap", "-o", given["record"], *(f"/{t}" for t in topics)]
        actions.append(ExecuteProcess(cmd=bag, output="screen"))
    ending = [node for node in nodes if not (is_respawned and node.node_executable == "planner")]
    return [*actions, *(RegisterEventHandler(OnProcessExit(target_action=n, on_exit=_end)) for n in ending)]


def _node(process: Process, *, respawn: bool) -> Node:
    return Node(
        package=PACKAGE,
        executable=process.executable,
        name=process.executable,
        output="screen",
        respawn=respawn,
        respawn_delay=1.0,
        additional_env=lifeline(),
        sigkill_timeout=str(GRACE_S),
        parameters=[*map(str, process.parameter_files), process.parameters],
    )


def _end(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """Ends the launch with a process; raising is the one way to make `ros2 launch` exit with 1."""
    if event.returncode and not context.is_shutdown:
        raise ProcessError(f"{event.process_name} died with exit code {event.returncode}")
    return [EmitEvent(event=Shutdown(reason=f"{event.process_name} is done"))]
