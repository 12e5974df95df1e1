"""Says in one line what to do when a Python module or a ROS package is not there."""

import sys
from importlib.util import find_spec
from types import TracebackType

from spec_control_ros.core.errors import SpecControlError

MESSAGES = "spec_control_interfaces"
ROS = (
    "rclpy",
    "ament_index_python",
    "launch",
    "launch_ros",
    "builtin_interfaces",
    "rcl_interfaces",
    "lifecycle_msgs",
)


def advice(module: str) -> str:
    """What is missing, for whom, and what to do about it."""
    name = module.split(".")[0]
    if name == MESSAGES:
        return (
            f"the messages, {MESSAGES}, are not built, or their workspace is not sourced. In the workspace: "
            f"ln -s spec_control_ros/{MESSAGES} src/; colcon build; source install/setup.bash"
        )
    if name in ROS:
        return (
            f"this needs ROS 2, but {sys.executable} finds no {name}: source setup.bash of a workspace that has this "
            "package, or take scripts/setup.sh of the repository, which brings ROS 2 along. What runs no nodes "
            "(train, distill, calibrate, convert, download, analyze, replay, bench) needs no ROS"
        )
    return (
        f"{sys.executable} finds no module {name}. If it is part of ROS 2: rosdep install it, and source setup.bash. "
        "Else install requirements.txt for this Python, or in the repository pip install '.[all]'; in a virtual "
        "environment, build with: python -m colcon build"
    )


def require_messages() -> None:
    """Refuses to go on without our messages.

    Raises:
        SpecControlError: they are not there.
    """
    if find_spec(MESSAGES) is None:
        raise SpecControlError(advice(MESSAGES))


def explain_missing_modules() -> None:
    """From now on, a module that is not there ends this process with one line and exit code 1."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if name and name.split(".")[0] != "spec_control_ros":
            print(f"error: {advice(name)}", file=sys.stderr, flush=True)
        else:
            before(kind, error, trace)

    sys.excepthook = hook
