"""`spec-control replay` on a bag of an imagined run."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from spec_control_ros.cli.main import app
from spec_control_ros.cli.replay import given_settings
from spec_control_ros.core.errors import MisfitError, SettingsError, SpecControlError
from spec_control_ros.evaluation.replay.comparison import SAME_ACTION
from spec_control_ros.evaluation.replay.session import ReplaySession
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS

sys.path += [
    str(Path(__file__).resolve().parents[1] / folder) for folder in ("analysis", "evaluation/replay")
]

from imagined_run import ImaginedRun

TICKS = 12
SEARCH = {
    "planner.queue_length": 4,
    "planner.mppi.horizon": 2,
    "planner.mppi.iterations": 1,
    "planner.mppi.samples": 8,
    "planner.mppi.prior_samples": 2,
    "planner.mppi.elites": 4,
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, small_model: Callable[..., WorldModel]) -> Path:
    """A lockstep run of two epochs that never rejects a plan."""
    folder = tmp_path_factory.mktemp("recorded")
    torch.manual_seed(0)
    save_world_model(folder / "small" / WEIGHTS, small_model(), {"task": "walker-walk"})
    law = {"gate.accept": 50.0, "gate.replan": 100.0, "executor.plan_wait_s": 10.0, "executor.hold": "last"}
    parameters = {
        "executor": {"model": str(folder / "small"), **law},
        "planner": {"model": str(folder / "small"), **SEARCH},
        "sim_bridge": {"mode": "lockstep"},
    }
    return ImaginedRun(folder / "small", parameters).epochs(2, TICKS).bag(folder / "bag")


def replay(bag: Path, *words: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, ["replay", str(bag), *words], env={"COLUMNS": "150"})
    if isinstance(result.exception, SpecControlError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def report(bag: Path, tmp_path: Path, *words: str) -> dict[str, Any]:
    file = tmp_path / "report.json"
    replay(bag, *words, "--json", str(file))
    return json.loads(file.read_text())


def test_own_settings_change_nothing(recorded: Path, tmp_path: Path) -> None:
    told = report(recorded, tmp_path)
    assert (told["reproduced"], told["settings"], told["mode"]) == (True, {}, "lockstep")
    assert [(e["epoch"], e["ticks"], e["first_divergence_tick"]) for e in told["epochs"]] == [
        (epoch, TICKS, None) for epoch in (1, 2)
    ]
    assert "bit by bit" in replay(recorded)
    assert "would have moved differently" not in replay(recorded)


def test_planning_again_gives_the_recorded_plans(recorded: Path, tmp_path: Path) -> None:
    epochs = report(recorded, tmp_path, "--plan-again")["epochs"]
    assert [e["new_plans"] for e in epochs] == [TICKS // 4] * 2
    assert max(e["largest_command_change"] for e in epochs) <= SAME_ACTION


def test_stricter_gate_replans_more_from_its_first_difference_on(recorded: Path, tmp_path: Path) -> None:
    words = ("--gate.accept", "0.0", "--gate.replan=0.0")
    first, second = (report(recorded, tmp_path, *words) for _ in range(2))
    assert first == second
    assert (tmp_path / "report.json").read_text() == json.dumps(second, indent=2) + "\n"
    assert first["reproduced"]
    for epoch in first["epochs"]:
        assert (epoch["planning_inferences"], epoch["recorded_planning_inferences"]) == (TICKS, TICKS // 4)
        assert epoch["first_divergence_tick"] == 1  # tick 0 plans in both
        assert epoch["decisions_changed"] == TICKS - TICKS // 4
        assert epoch["new_plans"] == TICKS - TICKS // 4
    printed = replay(recorded, *words)
    assert "the plant would have moved differently" in printed.replace("\n", " ")


def test_sweep_tells_and_draws_every_value(recorded: Path, tmp_path: Path) -> None:
    plot = tmp_path / "sweep.png"
    words = ("--gate.accept", "0", "--sweep", "gate.replan=0:100:3", "--plot", str(plot))
    sweep = report(recorded, tmp_path, *words)["sweep"]
    assert [point["value"] for point in sweep["points"]] == ["0", "50", "100"]
    plans = [point["planning_inferences"] for point in sweep["points"]]
    assert plans == [2 * TICKS, 2 * TICKS // 4, 2 * TICKS // 4]
    assert [point["decision_agreement"] for point in sweep["points"]] == [0.25, 1.0, 1.0]
    assert plot.stat().st_size > 5000


def test_sweep_plans_again_as_well(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans_again: list[bool] = []

    class Spy(ReplaySession):
        def run(self, *settings: Any, **how: Any) -> Any:
            plans_again.append(how.get("plans_again", False))
            return super().run(*settings, **how)

    monkeypatch.setattr("spec_control_ros.cli.replay.ReplaySession", Spy)
    replay(recorded, "--plan-again", "--sweep", "gate.accept=10:20:2")
    assert plans_again[-3:] == [True] * 3  # one without the sweep, one for each value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gate.acept", "1"], "gate.acept: unknown, expected one of corrector, planner.queue_length"),
        (["--gate.accept", "much"], "gate.accept: got 'much', expected at least -1.0"),
        (["--gate.accept"], "--gate.accept: got no value"),
        (["gate.accept", "1"], "got 'gate.accept', expected settings by name"),
        (["--corrector", "oracle"], "corrector: got 'oracle', expected one of auto"),
        (["--sweep", "gate.accept=1:2"], "sweep: got 'gate.accept=1:2'"),
        (["--sweep", "gate.acept=1:2:3"], "gate.acept: unknown"),
        (["--plot", "x.png"], "got a file without --sweep"),
        (["--json", "/nowhere/x.json"], "/nowhere/x.json: its folder does not exist"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_wrong_argument_is_refused(recorded: Path, words: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        replay(recorded, *words)
    assert said in str(refusal.value)


def test_model_of_another_body_is_refused(
    recorded: Path, small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    save_world_model(tmp_path / "other" / WEIGHTS, small_model(obs=3), {"task": "cup-catch"})
    with pytest.raises(
        MisfitError, match=r"model other: made for observations of 3, expected \d+, as was recorded"
    ):
        replay(recorded, "--model", str(tmp_path / "other"))


def test_bag_of_another_robot_is_refused(recorded: Path) -> None:
    with pytest.raises(SpecControlError, match=r"no messages of observation.*in /left.*/observation"):
        replay(recorded, "--namespace", "/left")


def test_settings_come_with_and_without_equals_sign() -> None:
    assert given_settings(["--a.b", "1", "--c=2", "--d", "--e"]) == {"a.b": "1", "c": "2", "d": "--e"}
