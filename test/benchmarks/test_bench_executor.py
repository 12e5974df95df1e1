"""What the benchmark of the executor refuses before it starts anything, and what it shows."""

import io
from typing import Any

import pytest
from rich.console import Console

from benchmarks.executor.command import Bench, BenchExecutorOptions, bench_executor, parse_rates
from benchmarks.executor.report import show_latency, show_rates
from benchmarks.spread import spread
from spec_control_ros.core.errors import SettingsError


def options(**given: Any) -> BenchExecutorOptions:
    defaults = {
        "robot": "walker",
        "model": "",
        "rates": "",
        "seconds": 1.0,
        "ticks": 100,
        "soak": 0,
        "json": None,
    }
    return BenchExecutorOptions(**defaults | given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"robot": "dog"},
            "robot: got 'dog', expected one of cartpole_sampling, cheetah, cheetah_sampling, humanoid",
        ),
        ({"rates": "50,fast"}, "rates: got '50,fast', expected Hz from 1"),
        ({"rates": "0"}, "rates: got '0'"),
        ({"rates": "5000"}, "rates: got '5000', expected Hz from 1 to 2000"),
        ({"soak": 10}, "soak: got 10 ticks, expected at least"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        bench_executor(options(**given))


def test_rates_are_those_named() -> None:
    assert parse_rates("200") == [200]
    assert parse_rates("50,100") == [50, 100]
    assert parse_rates("") == []


def test_executor_is_the_robots_own_but_for_its_gate() -> None:
    bench = Bench.of(options())
    assert bench.folder.path.name == "walker-walk"
    assert bench.executor.parameters["gate.accept"] == 0.0
    assert [path.name for path in bench.executor.parameter_files] == ["walker.yaml"]


def test_echo_has_the_rights_of_the_executor() -> None:
    bench = Bench.of(options())
    echo = bench.echo(6)
    assert bench.real_time.priority > 0
    assert echo.parameters["real_time.priority"] == bench.real_time.priority
    assert echo.parameters["action_dim"] == 6


def row(**values: Any) -> dict[str, Any]:
    return {
        **{
            "rate_hz": 100,
            "seconds": 1.0,
            "ticks": 100,
            "missed": 0,
            "missed_by_echo": 0,
            "late_observations": 0,
        },
        **{"p50": 3e-4, "p95": 4e-4, "p99": 5e-4, "decisions": {"CORRECT": 100}, "is_held": True},
        **values,
    }


def shown(show: Any, what: Any) -> str:
    text = io.StringIO()
    show(what, Console(file=text, width=120))
    return " ".join(text.getvalue().split())


def test_highest_rate_is_that_of_the_last_row_without_a_miss() -> None:
    rows = [row(), row(rate_hz=200), row(rate_hz=300, missed=1, is_held=False)]
    assert "200 Hz without a miss, bar 200 Hz: met" in shown(show_rates, rows)
    assert "100 Hz without a miss, bar 200 Hz: missed" in shown(show_rates, [rows[0], rows[2]])


def test_latency_is_told_beside_the_echos() -> None:
    latency = {
        "rate_hz": 100.0,
        "executor": row(),
        "echo": row(p50=2e-4),
        "p50_of_executor": spread([3e-4, 4e-4]),
        "p50_of_echo": spread([2e-4]),
        "ratio_of_p50": spread([1.6, 1.5, 1.9]),
    }
    text = shown(show_latency, latency)
    assert "1.60 (1.50 to 1.90) of the echo's p50, bar 1.5; 100 CORRECT: missed" in text
    assert "350 (300 to 400) us" in text
