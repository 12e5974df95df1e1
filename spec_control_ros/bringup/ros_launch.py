"""The system as launch actions; the only module that needs ROS's launch packages."""

import importlib.util
import os
import re
import shutil
import signal
import sys
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch.utilities.signal_management import AsyncSafeSignalManager
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, logging
from spec_control_ros.bringup.identity import new_system, system_lock
from spec_control_ros.bringup.middleware import discovery_environment
from spec_control_ros.bringup.missing_module import require_messages
from spec_control_ros.bringup.parent_death import GRACE_S, parent_environment
from spec_control_ros.bringup.process_faults import PROCESS_FAULTS, kinds_in
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.system import (
    ARGUMENTS,
    Process,
    absolute_topics,
    as_text,
    bag_folder,
    fault_file,
    heard,
    namespace_of,
    processes,
    recorded_topics,
    recorder,
)
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.errors import SettingsError, SpecControlError

PACKAGE = "spec_control_ros"
REFUSED = 2  # exit code of a node whose settings are wrong
_locks: list[ExitStack] = []  # of the systems that this process has launched, until it ends
# SIGTERM does nothing that SIGINT has not done
TIMEOUTS = {"sigterm_timeout": str(GRACE_S), "sigkill_timeout": "5"}


def launch_description(**defaults: str) -> LaunchDescription:
    """Declares the arguments, starts a robot's processes, and ends with the first of them.

    `ros2 launch` exits with 0 when the bridge is done, and with 1 when any process failed. Arguments may get other
    defaults; without one for `robot` it must be given.
    """
    robot = DeclareLaunchArgument(
        "robot",
        default_value=defaults.pop("robot", None),
        description="A shipped robot (such as humanoid or walker_sampling), a robot file, or an environment",
    )
    declared = [
        DeclareLaunchArgument(
            a.name,
            default_value=defaults.get(a.name, as_text(a.default)),
            description=a.metadata["description"],
            choices=a.metadata["choices"] or None,
        )
        for a in ARGUMENTS
    ]
    return LaunchDescription([robot, *declared, OpaqueFunction(function=_start)])


def hil_description() -> LaunchDescription:
    """Declares `scenario` and `report`, and runs `spec-control hil`, which starts the processes itself.

    `ros2 launch` exits with 0 when all scenarios have passed, else with 1.
    """
    command = [sys.executable, "-m", f"{PACKAGE}.cli.main", "hil"]
    words = [LaunchConfiguration("scenario"), "--report", LaunchConfiguration("report")]
    run = ExecuteProcess(cmd=[*command, *words], name="hil", output="screen", **TIMEOUTS)
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "scenario", default_value="all", description="file, folder, shipped one, or all"
            ),
            DeclareLaunchArgument(
                "report", default_value="results/hil", description="folder for the reports"
            ),
            OpaqueFunction(function=_shut_down_at_sigterm),
            run,
            RegisterEventHandler(OnProcessExit(target_action=run, on_exit=_end)),
        ]
    )


def _start(context: LaunchContext) -> list[Action]:
    require_messages()
    _shut_down_at_sigterm(context)
    robot = find_robot(LaunchConfiguration("robot").perform(context))
    given = {a.name: LaunchConfiguration(a.name).perform(context) for a in ARGUMENTS}
    if of_processes := sorted(kinds_in(fault_file(given["faults"], robot.config)) & PROCESS_FAULTS.keys()):
        raise SettingsError(
            f"faults: got {given['faults']}, which has {', '.join(of_processes)}: launch does not disturb processes; "
            "expected other faults, or `spec-control run`"
        )
    if not given["namespace"].startswith("/"):  # that of PushRosNamespace comes before
        pushed = context.launch_configurations.get("ros_namespace", "")
        given["namespace"] = "/".join(part for part in (pushed, given["namespace"]) if part)
    _locks.append(system_lock(namespace_of(given["namespace"])))
    folder = bag_folder(given["record"])
    recorders = (
        [] if folder is None else ["rosbag2_recorder" if _has_rosbag2(given["storage"]) else "recorder"]
    )
    is_respawned = given["respawn_planner"] == "true"
    environment = {**parent_environment(), **new_system(), **discovery_environment(os.environ, robot.config)}
    nodes = {
        process.executable: _node(
            process, environment, respawn=is_respawned and process.executable == "planner"
        )
        for process in heard(processes(robot, given, Path(logging.launch_config.log_dir)), *recorders)
    }
    ending: list[Action] = [node for name, node in nodes.items() if not (is_respawned and name == "planner")]
    started: list[Action] = [*nodes.values()]
    handlers = [OnProcessExit(target_action=node, on_exit=_end) for node in ending]
    if folder is not None:
        started.insert(0, _recording(folder, given, environment))
        handlers.append(OnProcessExit(target_action=started[0], on_exit=_go_on_unrecorded))
    return [*_misspelt(context), *started, *map(RegisterEventHandler, handlers)]


def _misspelt(context: LaunchContext) -> list[Action]:
    """A warning for every argument that is nearly one of ours: launch ignores it, unless an including file has it."""
    known = {"robot", *(a.name for a in ARGUMENTS)}
    given = dict.fromkeys(word.partition(":=")[0] for word in context.argv)
    close = {name: get_close_matches(name, known, n=1) for name in given if name not in known}
    return [
        LogInfo(msg=f"WARNING: {name} is no argument here, and changes nothing; did you mean {match[0]}?")
        for name, match in close.items()
        if match
    ]


def _shut_down_at_sigterm(context: LaunchContext) -> None:
    """Let SIGTERM end the launch as Ctrl-C does: by itself launch dies of it, and does not wait for its processes.

    In a container, where launch is often the first process, that would kill them in the middle of what they do.
    """
    manager = getattr(AsyncSafeSignalManager, "_AsyncSafeSignalManager__current", None)
    if manager is not None:
        manager.handle(signal.SIGTERM, lambda _: context.emit_event_sync(Shutdown(reason="SIGTERM received")))
        signal.signal(signal.SIGTERM, lambda *_: None)  # so that the manager hears of it


def _node(process: Process, environment: dict[str, str], *, respawn: bool) -> Node:
    return Node(
        package=PACKAGE,
        executable=process.executable,
        name=process.executable,
        namespace=process.namespace or None,
        output="screen",
        respawn=respawn,
        respawn_delay=1.0,
        additional_env=environment,
        **TIMEOUTS,
        remappings=process.remappings,
        parameters=[*map(str, process.parameter_files), process.parameters],
        ros_arguments=["--log-level", process.log_level],
    )


def _recording(folder: Path, given: dict[str, str], environment: dict[str, str]) -> Action:
    """`ros2 bag record` where it is installed, else our own recorder."""
    if not _has_rosbag2(given["storage"]):
        return _node(recorder(folder, given), environment, respawn=False)
    further = [name for name in re.split(r"[\s,]+", recorded_topics(given)) if name]
    topics = absolute_topics((*TOPICS, *further), given)
    bag = ["ros2", "bag", "record", "--storage", given["storage"], "--output", str(folder)]
    return ExecuteProcess(
        cmd=[*bag, "--disable-keyboard-controls", "--topics", *topics],
        output="screen",
        additional_env=environment,
    )


def _has_rosbag2(storage: str) -> bool:
    try:
        get_package_prefix(f"rosbag2_storage_{storage}")
    except PackageNotFoundError:
        return False
    return shutil.which("ros2") is not None and importlib.util.find_spec("ros2bag") is not None


def _end(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """Ends the launch with a process; raising is the one way to make `ros2 launch` exit with 1."""
    if event.returncode and not context.is_shutdown:
        raise SpecControlError(f"{event.process_name} died with exit code {event.returncode}")
    return [EmitEvent(event=Shutdown(reason=f"{event.process_name} is done"))]


def _go_on_unrecorded(event: ProcessExited, context: LaunchContext) -> list[Action]:
    """A robot does not stop because nobody records it; a recorder that refuses its settings ends the launch."""
    if event.returncode == REFUSED:
        return _end(event, context)
    if context.is_shutdown:
        return []
    return [
        LogInfo(
            msg=f"ERROR: recording has ended with exit code {event.returncode}; the run goes on without it"
        )
    ]
