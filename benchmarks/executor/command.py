"""`python -m benchmarks.executor`: what the executor takes of a tick, and what is left of it over DDS."""

import json
import multiprocessing
import os
import shlex
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.executor.executor_processes import driven
from benchmarks.executor.executor_speed import ALWAYS_CORRECT, computing_times_s, correcting
from benchmarks.executor.latency_driver import Answers, LatencyDriver
from benchmarks.executor.memory_growth import MemoryGrowth, MemorySample
from benchmarks.executor.report import show_compute, show_latency, show_rates, show_soak
from benchmarks.executor.synthetic_planner import SyntheticPlanner
from benchmarks.spread import spread
from spec_control_ros.analysis.run_log import distribution
from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.bringup.parent_death import parent_environment
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.bringup.system import Process, processes
from spec_control_ros.cli.system import new_log_folder
from spec_control_ros.cli.terminal import terminal
from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import BenchmarkError, SettingsError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.node_settings import RealTimeSettings
from spec_control_ros.core.output import write_text
from spec_control_ros.core.settings import settings_from
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.ros.real_time import enter_real_time
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

RATE_HZ = 100.0  # of latencies and computing times
BLOCK = 100  # ticks of the executor, then as many of the echo
PARTS = 10  # of the computing times, each with a median of its own
SETTLE_TICKS = 100  # before anything counts
LADDER_HZ = (50, 100, 200, 300, 400, 500, 600, 800, 1000)
MAX_RATE_HZ = 2000
SOAK_SAMPLES = 30
MIN_SOAK = 3000
SOAK_TIMEOUT_S = 5.0  # of a command


@dataclass(frozen=True, slots=True)
class BenchExecutorOptions:
    """What the user asks for."""

    robot: str
    model: str  # empty: the robot's
    rates: str  # Hz, with commas; empty: the ladder
    seconds: float  # at every rate
    ticks: int  # of computing times and of latencies, each
    soak: int  # ticks; 0: measure speed instead
    json: Path | None


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, as the nodes would find it."""

    folder: ModelFolder
    parameters: Parameters  # of the robot in realtime mode
    executor: Process
    real_time: RealTimeSettings

    @classmethod
    def of(cls, options: BenchExecutorOptions) -> "Bench":
        """Find everything.

        Raises:
            SpecControlError: there is no such robot or model, or the parameter files are damaged.
        """
        config = share_folder() / "config"
        robot = find_robot(options.robot, config)
        given = {"mode": "realtime", "model": options.model}
        executor = next(p for p in processes(robot, given, new_log_folder()) if p.executable == "executor")
        parameters = robot.parameters("realtime")
        real_time = settings_from(RealTimeSettings, parameters.get("executor", {}).get("real_time", {}))
        folder = ModelFolder.find(options.model or robot.model)
        # Refuses a model that does not fit
        ControllerSettings.of(parameters).model_and_env(folder, robot.environment)
        gate = {f"gate.{k}": v for k, v in asdict(ALWAYS_CORRECT).items()}
        over = {**gate, "executor.sensor_timeout_s": 3600.0}  # the echo has its turns
        return cls(folder, parameters, replace(executor, parameters=executor.parameters | over), real_time)

    def synthetic(self) -> SyntheticPlanner:
        """Observations and plans of the model's sizes."""
        settings = ControllerSettings.of(self.parameters)
        return SyntheticPlanner(self.folder.tick_model(), settings.planner.queue_length)

    def echo(self, action_dim: int) -> Process:
        """The bare echo, with the same rights as the executor."""
        rights = {f"real_time.{name}": value for name, value in asdict(self.real_time).items()}
        return Process("echo", (), {"action_dim": action_dim, **rights}, package="benchmarks.executor")


def bench_executor(options: BenchExecutorOptions) -> int:
    """Measure and report; returns the exit code, 1 where memory grows.

    Raises:
        SpecControlError: an argument is wrong, a model is missing or a process died.
    """
    rates_hz = parse_rates(options.rates)
    if 0 < options.soak < MIN_SOAK:
        raise SettingsError(
            f"soak: got {options.soak} ticks, expected at least {MIN_SOAK}: buffers fill up first"
        )
    bench, console = Bench.of(options), terminal()
    result: dict[str, Any] = {
        "robot": options.robot,
        "model": bench.folder.path.name,
        "command": shlex.join(["python", "-m", "benchmarks.executor", *sys.argv[1:]]),
        "machine": hardware_info(),
        "load_average": os.getloadavg()[0],
    }
    console.print(f"{result['machine']}; load average {result['load_average']:.1f}")
    if options.soak:
        is_good = _soak(bench, options, result, console)
    else:
        _speed(bench, options, rates_hz, result, console)
        is_good = True
    if options.json is not None:
        write_text(options.json, json.dumps(result, indent=1, allow_nan=False) + "\n")
    return 0 if is_good else 1


def parse_rates(text: str) -> list[int]:
    """Rates of the words `50,200`, in Hz; empty: none, which stands for the ladder.

    Raises:
        SettingsError: they are no such words.
    """
    try:
        rates_hz = [int(word) for word in text.split(",")] if text else []
    except ValueError:
        rates_hz = [0]
    if not all(1 <= rate_hz <= MAX_RATE_HZ for rate_hz in rates_hz):
        raise SettingsError(f"rates: got {text!r}, expected Hz from 1 to {MAX_RATE_HZ}, as in 50,200")
    return rates_hz


def _speed(
    bench: Bench, options: BenchExecutorOptions, rates_hz: list[int], result: dict[str, Any], console: Console
) -> None:
    result["compute"] = [_compute_row(bench, kind, options.ticks) for kind in _correctors(bench)]
    show_compute(result["compute"], console)
    synthetic = bench.synthetic()
    with driven([bench.executor, bench.echo(synthetic.action_dim)], synthetic, bench.real_time) as driver:
        result["latency"] = _latency(driver, options.ticks)
        show_latency(result["latency"], console)
        result["rates"] = _rates(driver, rates_hz, options.seconds)
        show_rates(result["rates"], console)


def _correctors(bench: Bench) -> list[str]:
    return [NONE, *bench.folder.correctors]


def _compute_row(bench: Bench, kind: str, ticks: int) -> dict[str, Any]:
    # A process of its own, as the executor is; its rights end with it.
    os.environ |= {"OMP_NUM_THREADS": "1", **parent_environment()}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        times_s = pool.submit(computed, bench, kind, ticks).result()
    p50s_s = [float(np.median(part)) for part in np.array_split(times_s, PARTS)]
    return {"corrector": kind, "ticks": len(times_s), **distribution(times_s), "p50_of_parts": spread(p50s_s)}


def computed(bench: Bench, kind: str, ticks: int) -> list[float]:
    """Computing times of the control law in this process; seconds."""
    settings = replace(correcting(ControllerSettings.of(bench.parameters)), corrector=kind)
    law = make_executor(settings.configured(TDMPC2Format().load_parts(bench.folder.path)))
    enter_real_time(replace(bench.real_time, freeze_garbage=False))
    return computing_times_s(law, bench.synthetic(), ticks, 1.0 / RATE_HZ)


def _latency(driver: LatencyDriver, ticks: int) -> dict[str, Any]:
    by_peer = {"executor": (driver.tested, Answers()), "echo": (driver.echo, Answers())}
    for peer, _ in by_peer.values():
        driver.pace(peer, SETTLE_TICKS, 1.0 / RATE_HZ)
    p50s_s: dict[str, list[float]] = {name: [] for name in by_peer}  # block by block
    for _ in range(0, ticks, BLOCK):
        for name, (peer, answers) in by_peer.items():
            block = driver.pace(peer, BLOCK, 1.0 / RATE_HZ)
            p50s_s[name].append(distribution(block.latencies_s)["p50"] or nan)
            answers += block
    rows = {name: _row(answers) for name, (_, answers) in by_peer.items()}
    ratios = np.divide(p50s_s["executor"], p50s_s["echo"])
    if not np.isfinite(ratios).all():
        raise BenchmarkError("latency: no command came in time; is the machine overloaded?")
    of_blocks = {f"p50_of_{name}": spread(values) for name, values in p50s_s.items()}
    return {"rate_hz": RATE_HZ, **rows, **of_blocks, "ratio_of_p50": spread(ratios)}


def _rates(driver: LatencyDriver, rates_hz: list[int], seconds: float) -> list[dict[str, Any]]:
    """These rates, or the ladder's up to the second in a row that is not held.

    What the echo misses at a rate is the machine's doing.
    """
    rows: list[dict[str, Any]] = []
    for rate_hz in rates_hz or LADDER_HZ:
        answers, bare = (
            driver.pace(peer, round(seconds * rate_hz), 1.0 / rate_hz)
            for peer in (driver.tested, driver.echo)
        )
        rows.append({"rate_hz": rate_hz, "seconds": seconds, **_row(answers), "missed_by_echo": bare.missed})
        if not rates_hz and len(rows) > 1 and not any(row["is_held"] for row in rows[-2:]):
            break
    return rows


def _row(answers: Answers) -> dict[str, Any]:
    decisions = {kind.name: answers.decisions.count(kind) for kind in DecisionKind}
    return {
        **distribution(answers.latencies_s),
        "ticks": len(answers.latencies_s),
        "missed": answers.missed,
        "late_observations": answers.late_observations,
        "decisions": {name: count for name, count in decisions.items() if count},
        "is_held": not answers.missed and not answers.held and not answers.late_observations,
    }


def _soak(bench: Bench, options: BenchExecutorOptions, result: dict[str, Any], console: Console) -> bool:
    synthetic = bench.synthetic()
    with driven([bench.executor, bench.echo(synthetic.action_dim)], synthetic, bench.real_time) as driver:
        samples = _memory(driver, options.soak)
    growth = MemoryGrowth.of(samples)
    result["soak"] = {
        "ticks": options.soak,
        "samples": [asdict(sample) for sample in samples],
        "growth": asdict(growth),
        "is_flat": growth.is_flat,
    }
    show_soak(samples, growth, console)
    return growth.is_flat


def _memory(driver: LatencyDriver, ticks: int) -> list[MemorySample]:
    """What the executor holds as it ticks as fast as it can.

    Raises:
        BenchmarkError: it has stopped ticking.
    """
    samples: list[MemorySample] = []
    for i in range(SOAK_SAMPLES):
        part = (i + 1) * ticks // SOAK_SAMPLES - i * ticks // SOAK_SAMPLES
        missed = driver.chase(driver.tested, part, SOAK_TIMEOUT_S).missed
        told = driver.next_diagnostics(SOAK_TIMEOUT_S)
        if missed or not told:
            raise BenchmarkError(
                f"soak: {missed} observations without a command, or no diagnostics, in {part} ticks"
            )
        samples.append(
            MemorySample(
                (i + 1) * ticks // SOAK_SAMPLES, int(told["resident_bytes"]), int(told["python_blocks"])
            )
        )
    return samples
