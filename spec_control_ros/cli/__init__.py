"""The commands. This here is what the process does before its imports."""

from spec_control_ros.bringup.missing_module import explain_missing_modules

explain_missing_modules()
