"""All commands in one group: those of `spec-control`, and those of the repository that are not installed."""

from click import Group
from typer.main import get_command

from benchmarks.executor.__main__ import app as executor
from benchmarks.learner.__main__ import app as learner
from benchmarks.planner.__main__ import app as planner
from spec_control_ros.cli.main import app
from tools.expert.__main__ import app as expert

OTHERS = {"bench-executor": executor, "bench-learner": learner, "bench-planner": planner, "expert": expert}


def every_command() -> Group:
    """The group; its other commands are named as below `OTHERS`."""
    group = get_command(app)
    for name, other in OTHERS.items():
        group.add_command(get_command(other), name)
    return group
