"""Where processes write their logs, as ROS has it."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

LOG_DIR, HOME = "ROS_LOG_DIR", "ROS_HOME"


def log_folder(environment: Mapping[str, str]) -> Path:
    """The folder that ROS logs to: $ROS_LOG_DIR, else `log` in $ROS_HOME, else ~/.ros/log; it may not exist yet."""
    if environment.get(LOG_DIR):
        return Path(os.path.expanduser(environment[LOG_DIR]))
    home = environment.get(HOME) or "~/.ros"
    return Path(os.path.expanduser(home)) / "log"


def ensure_log_folder() -> str:
    """See that there is a folder to log to, for this process and those that it starts.

    ROS does not start where it cannot write its logs, so they go to a temporary folder then. Returns a warning about
    that; empty where all is well.
    """
    wanted = log_folder(os.environ)
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return ""
    except OSError:
        instead = Path(tempfile.mkdtemp(prefix="ros_log_"))
    os.environ[LOG_DIR] = str(instead)
    return f"{wanted} cannot be written: logs go to {instead} ({LOG_DIR} names another folder)"
