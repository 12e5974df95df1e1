"""The whole system, started as its users start it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "ros"))

from ros_support import (
    SMALL_SEARCH,
    TASK,
    Background,
    domain,
    make_model_folder,
    probe,
    start,
    write_parameters,
)

__all__ = ["domain", "probe", "start"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of ticks of 0.2 s, as an action repeat of 20 makes them."""
    return make_model_folder(tmp_path_factory.mktemp("models") / "small", correctors=True, period_s=0.2)


class Run(Background):
    """`spec-control run` under way."""

    def __init__(self, folder: Path, words: list[str]):
        self.json = folder / "report.json"
        command = [sys.executable, "-m", "spec_control_ros.cli.main", "run", *words, "--json", str(self.json)]
        super().__init__(command, folder / "run.log", {"HOME": str(folder), "COLUMNS": "100"})

    def report(self) -> dict[str, Any]:
        """What --json wrote."""
        return json.loads(self.json.read_text())

    def logs(self) -> dict[str, str]:
        """What each process wrote."""
        folder = self.log.parent
        return {path.stem: path.read_text() for path in folder.glob(".ros/log/spec_control_*/*.log")}


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Iterator[Callable[..., Run]]:
    """Starts `spec-control run` on a small task with small settings; ends it after the test.

    Words are added to the command line; nested settings of the nodes come as keywords. A robot file says all itself.
    """
    started: list[Run] = []

    def begin(
        *words: str,
        robot: str = TASK,
        planner: dict[str, Any] | None = None,
        executor: dict[str, Any] | None = None,
        sim_bridge: dict[str, Any] | None = None,
        **others: dict[str, Any],
    ) -> Run:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        search = {"queue_length": 4, "mppi": SMALL_SEARCH}
        nodes = {
            "planner": {"planner": search, **(planner or {})},
            "executor": executor or {},
            "sim_bridge": {"action_repeat": 20, **(sim_bridge or {})},
            **others,
        }
        in_any_namespace = {f"/**/{name}": settings for name, settings in nodes.items()}
        params = write_parameters(folder / "params.yaml", **in_any_namespace)
        has_all = robot.endswith(".yaml")
        small = [] if has_all else ["--model", str(model), "--params", str(params)]
        started.append(Run(folder, [robot, *small, *words]))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
