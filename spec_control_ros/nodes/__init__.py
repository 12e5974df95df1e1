"""Thin rclpy shells, one node a file. This here is what a node's process does before its slow imports."""

import faulthandler
import signal
import sys
from pathlib import Path

from spec_control_ros.bringup.foreign_ros import leave_foreign_ros
from spec_control_ros.bringup.missing_module import explain_missing_modules
from spec_control_ros.bringup.parent_death import end_with_parent, leave_at_once

# Only where a node is what runs, as `python -m` or as an installed command; not where one is imported.
if sys.argv[0] == "-m" or Path(sys.argv[0]).parent.name == "spec_control_ros":
    faulthandler.enable()  # else a crash in a library ends a node without a word
    end_with_parent(signal.SIGTERM)
    explain_missing_modules()
    leave_foreign_ros()
    # Until `run_node` takes over there is nothing to finish, and to be told to end is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: leave_at_once())
