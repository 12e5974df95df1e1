"""Thin rclpy shells, one node a file. This here is what a node's process does before its slow imports."""

import signal
import sys
from pathlib import Path

from spec_control_ros.bringup.lifeline import end_with_parent

# Only where a node is what runs, as `python -m` or as an installed command; not where one is imported.
if sys.argv[0] == "-m" or Path(sys.argv[0]).parent.name == "spec_control_ros":
    end_with_parent()
    # Until `run_node` takes over, Ctrl-C ends the process at once and without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
