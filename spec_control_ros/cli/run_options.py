"""What `run` is asked; the docstring of the class is the help of its command."""

from dataclasses import dataclass
from typing import Annotated

import typer

from spec_control_ros.cli.options import Corrector, Json, Mode, Model, Picture, number


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Run planner, executor and bridge as ROS 2 processes until the episodes are over."""

    robot: Annotated[
        str,
        typer.Argument(
            help="A shipped robot (humanoid, walker, cheetah), a robot file, or an environment such as "
            "gymnasium:HalfCheetah-v5"
        ),
    ]
    model: Model = ""
    mode: Mode = "lockstep"
    episodes: Annotated[int, number("Number of episodes (0: until stopped)")] = 1
    seed: Annotated[int, number("Seed of the first episode and of the planner")] = 0
    corrector: Corrector = "auto"
    planner: Annotated[
        str,
        typer.Option(
            help="Planner of the robot: own (started with the run) or elsewhere (it runs already, for a fleet)"
        ),
    ] = "own"
    device: Annotated[
        str, typer.Option(help="Torch device of the planner [default: the robot's, or cpu]")
    ] = ""
    record: Annotated[str, typer.Option(help="Folder to record a bag to (true: named by the time)")] = ""
    topics: Annotated[str, typer.Option(help="Further topics to record, separated by commas")] = ""
    storage: Annotated[str, typer.Option(help="Storage format of the bag: mcap or sqlite3")] = "mcap"
    reserve_mb: Annotated[
        int,
        typer.Option(
            help="Disk space to leave free, in MB; with less, the bag ends and the run goes on", min=0
        ),
    ] = 100
    headless: Annotated[bool, typer.Option(help="Run without MuJoCo's window")] = True
    video: Annotated[str, typer.Option(help="Video to render the episodes to (.mp4, .webp, ...)")] = ""
    respawn_planner: Annotated[bool, typer.Option(help="Restart a planner that died")] = False
    faults: Annotated[str, typer.Option(help="Fault file, or the name of a shipped one")] = ""
    hardware: Annotated[
        str,
        typer.Option(
            help="Hardware behind the bridge: none, emulator (a simulated robot behind a robot's topics) or robot"
        ),
    ] = "none"
    params: Annotated[str, typer.Option(help="Further parameter file, which overrides the robot's")] = ""
    namespace: Annotated[
        str, typer.Option(help="ROS namespace of all nodes, so that several robots share a domain")
    ] = ""
    use_sim_time: Annotated[
        bool, typer.Option("--use-sim-time", help="Stamp messages with the time of the clock topic")
    ] = False
    log_level: Annotated[
        str, typer.Option(help="Lowest level that nodes log: debug, info, warn, error or fatal")
    ] = "info"
    json: Json = None
    plot: Picture = None
