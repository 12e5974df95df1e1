"""What the commands that measure are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path

from spec_control_ros.cli.options import (
    MAX_PROCESSES,
    Json,
    Model,
    On,
    Params,
    Picture,
    QueueLength,
    RecordedNamespace,
    Robot,
    Seeds,
    Threads,
    Workers,
    argument,
    file_to_write,
    folder_to_write,
    number,
    option,
    real,
    setting_of,
)
from spec_control_ros.evaluation.regret.record import RegretSettings


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Compare control modes on the same model and seeds; an interrupted benchmark continues."""

    robot: Robot
    model: Model = ""
    episodes: int | None = number(
        None, "Number of episodes of each mode [default: one for each seed, or 20]", low=1
    )
    seeds: Seeds = ""
    modes: str = option(
        "",
        "Modes in config/modes, separated by commas; _dN delays plans by N ticks [default: all but those that only "
        "--delays compares, and pipelined_d1 to _d6]",
    )
    delays: str = option(
        "",
        "Numbers of ticks that plans take, as 0,2,6: every mode is measured with each of them; queues are as "
        "long as that needs. Without --modes, these are the published ways to deal with delays [default: none]",
    )
    params: Params = None
    device: str = option("cpu", "Torch device of the planner")
    workers: Workers = 0
    on: On = "local"
    report: Path | None = folder_to_write("Folder for page and results [default: results/bench-ROBOT]")
    json: Json = None
    csv: Path | None = file_to_write("CSV file to write")
    disturb: str = option(
        "",
        "Disturbance to measure every mode under as well, with sizes if need be: push, push:0.3,1, payload, "
        "friction, weak_actuators, noise, latency or all [default: none]",
    )
    ros: bool = option(False, "Run through the ROS nodes as well, in lockstep", "--ros")
    realtime: bool = option(False, "Run through the ROS nodes, in real time", "--realtime")
    card: bool = option(False, "Write the returns into the model's card", "--card")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions(BenchOptions):
    """Compare all combinations of settings on the same model and seeds; an interrupted sweep continues."""

    set: list[str] = option(
        ...,
        "Setting with its values, as planner.queue_length=6,12 or gate.accept=0.05:0.5:10; several options make a grid",
    )
    modes: str = option("replan", "Modes in config/modes to run beside the grid, separated by commas")
    delays: str = option(
        "",
        "Numbers of ticks that plans of --modes take, as 0,2,6; those of the grid take none [default: none]",
    )
    report: Path | None = folder_to_write("Folder for page and results [default: results/sweep-ROBOT]")


@dataclass(frozen=True, slots=True)
class BenchDraftsOptions:
    """Compare speculative decoding with the same Transformer one row at a time."""

    robot: Robot
    model: Model = ""
    episodes: int = number(10, "Number of episodes of each row", low=1)
    queue_lengths: str = option("6,12", "Queue lengths K, separated by commas")
    draft_rows: int = number(0, "Rows drafted for a pass (0: by the measured acceptance)")
    tolerance: float | None = real(
        None, "Standard deviations up to which a draft is accepted [default: as configured]", low=0.0
    )
    draft: str | None = option(None, "What drafts: prior or network [default: as configured]")
    threads: Threads = 1
    json: Json = None


@dataclass(frozen=True, slots=True)
class RegretOptions:
    """Measure what each decision costs, by living through ticks again; an interrupted run continues."""

    robot: Robot
    model: Model = ""
    episodes: int | None = number(None, "Number of seeds [default: one for each seed, or 4]", low=1)
    seeds: Seeds = ""
    ticks: int = setting_of(RegretSettings, "ticks")
    commit: int = setting_of(RegretSettings, "commit")
    horizon: int = setting_of(RegretSettings, "horizon")
    draws: int = setting_of(RegretSettings, "draws")
    tolerance: float = real(
        0.01, "Regret that is tolerated, as a fraction of what replanning returns over the horizon", low=0.0
    )
    disturb: str = option(
        "", "Disturbance of further episodes, with sizes if need be, as push or push:0.3,1 [default: none]"
    )
    queue_length: QueueLength = 0
    params: Params = None
    workers: Workers = 0
    on: On = "local"
    report: Path | None = folder_to_write("Folder for page and results [default: results/regret-ROBOT]")
    json: Json = None


@dataclass(frozen=True, slots=True)
class BenchFleetOptions:
    """Measure how many robots one planner serves: time from request to plan, and throughput of batches."""

    robot: str = argument("Shipped robot or robot file whose planner serves all", "walker")
    robots: str = option("1,2,4,8,16,32", "Numbers of robots to serve, such as 1,2,4")
    queue_length: QueueLength = 12
    precision: str = option("auto", "Precision of the search's matrix products: auto, float32 or bfloat16")
    batch: int = option(8, "Largest number of requests that are planned together", min=1, max=256)
    threads: int = option(0, "Number of CPU threads (0: half of the CPUs)", min=0, max=MAX_PROCESSES)
    seconds: float = real(20.0, "Simulated seconds for each number of robots", low=0.1)
    rounds: int = number(11, "Rounds in which batches and single requests take turns", low=1)
    json: Json = None
    plot: Picture = None


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """Report what happened in a recorded bag, or compare two bags; damaged bags are read as far as possible."""

    bags: list[Path] = argument("Folder of a bag, or its .mcap or .db3 file; give two to compare them")
    html: Path | None = file_to_write("HTML page to write; it opens offline")
    json: Json = None
    csv: Path | None = folder_to_write("Folder to write epochs.csv and ticks.csv to")
    namespace: RecordedNamespace = None


@dataclass(frozen=True, slots=True)
class HilOptions:
    """Run pass/fail scenarios with injected faults; exit code 0: all passed, 1: a failure, 2: wrong usage."""

    scenarios: list[str] = argument(
        "Scenario files, folders with scenario files, names of shipped scenarios, or all"
    )
    report: Path = option(Path("results/hil"), "Folder for the reports hil.html, hil.json and hil.xml")
    html: Path | None = option(None, "HTML page to write [default: in the report folder]")
    json: Path | None = option(None, "JSON file to write [default: in the report folder]")
    junit: Path | None = option(None, "JUnit XML file to write [default: in the report folder]")
    namespace: str = option("", "ROS namespace of all nodes, so that several systems share a domain")
    on: On = "local"
