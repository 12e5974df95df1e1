"""What the commands that run a robot or replay it are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path

import typer

from spec_control_ros.bringup.system import RunArguments
from spec_control_ros.cli.options import (
    LARGEST,
    Bag,
    Json,
    Mode,
    Picture,
    RecordedNamespace,
    Robot,
    argument,
    option,
    real,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(RunArguments):
    """Run planner, executor and bridge as ROS 2 processes until the episodes are over."""

    robot: str = argument(
        "A shipped robot (such as humanoid or walker_sampling), a robot file, or an environment such as "
        "gymnasium:HalfCheetah-v5"
    )
    json: Json = None
    plot: Picture = None


@dataclass(frozen=True, slots=True)
class ParametersOptions:
    """Print what a robot's nodes are given, but for mode, episodes and seeds, as a ROS parameter file.

    It is for nodes that are started one by one.
    """

    robot: Robot
    mode: Mode = "realtime"
    hardware: bool = option(False, "Include what applies on hardware", "--hardware")


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Decide a recorded run again with other settings, such as --gate.accept 0.2 --corrector none."""

    settings: typer.Context  # its further words: settings that differ
    bag: Bag
    model: str = option("", "Model that drove the robot [default: the recorded one]")
    namespace: RecordedNamespace = None
    plan_again: bool = option(False, "Plan everything again; use no recorded plan", "--plan-again")
    sweep: str = option("", "Sweep one setting: NAME=FIRST:LAST:COUNT, such as gate.accept=0.05:0.5:10")
    json: Json = None
    plot: Path | None = option(None, "Picture of the sweep to write")


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """Publish the observations of a bag to a running executor, in place of the robot."""

    bag: Bag
    rate: str = option(
        "recorded", "When to publish: recorded (at the recorded times) or answered (after each answer)"
    )
    speed: float = real(1.0, "Factor on recorded time; 2 is twice as fast", low=0.001)
    first_epoch: int = option(
        0,
        "Number of the first epoch; an executor refuses epochs seen before [default: the recorded]",
        min=0,
        max=LARGEST,
        show_default=False,
    )
    namespace: RecordedNamespace = None
    to_namespace: str = option("", "Namespace of the executor")
    start_timeout: float = real(60.0, "Seconds to wait for an executor", low=0.0)
    answer_timeout: float = real(
        10.0, "Seconds to wait for an answer before the next observation is published", low=0.0
    )
