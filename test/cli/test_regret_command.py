"""`spec-control regret`: a run that is continued, and what it leaves behind."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from distilled_model import LATENT, model

from spec_control_ros.bringup.parameter_files import write_parameters
from spec_control_ros.cli.bench_options import RegretOptions
from spec_control_ros.cli.calibrate import calibrate
from spec_control_ros.cli.model_options import CalibrateOptions
from spec_control_ros.cli.regret import regret
from spec_control_ros.core.errors import BenchmarkError, SettingsError, SpecControlError
from spec_control_ros.core.gate import Gate, GateCalibration, GateMode, GateSettings, Metric
from spec_control_ros.evaluation.regret.gather import RegretRunner
from spec_control_ros.evaluation.regret.report import oracle_front
from spec_control_ros.world_model.checkpoint import update_card
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder

__all__ = ["model"]
CALIBRATION = GateCalibration(
    GateMode.QUANTILE, 0.5, 0.5, (0.5,), {Metric.RELATIVE_L2: ((0.1,),)}, 1.0, (1.0,) * LATENT
)


@pytest.fixture
def options(model: Path, tmp_path: Path) -> RegretOptions:
    params = tmp_path / "params.yaml"
    mppi = {"samples": 16, "prior_samples": 4, "elites": 4, "iterations": 1}
    write_parameters(
        params,
        {"planner": {"planner": {"queue_length": 4, "mppi": mppi}}, "sim_bridge": {"action_repeat": 20}},
    )
    return RegretOptions(
        robot="cartpole-balance",
        model=str(model),
        seeds="0:2",
        episodes=None,
        disturb="push:0.5",
        tolerance=0.01,
        queue_length=0,
        params=params,
        workers=1,
        ticks=8,
        horizon=3,
        report=tmp_path / "report",
        json=tmp_path / "result.json",
    )


def test_interrupted_run_continues_to_the_same_result(
    options: RegretOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert regret(options) == 0
    whole = json.loads((tmp_path / "result.json").read_text())
    assert list(whole) == ["task", "model", "ticks", "metrics", "oracle"]
    assert whole["task"] == "cartpole-balance"
    assert whole["ticks"] > 0
    assert {row["name"] for row in whole["metrics"]} >= {"age", "l2", "relative_l2", "action"}
    assert "base64" in (tmp_path / "report" / "regret.html").read_text()

    kept = tmp_path / "report" / "regret.jsonl"
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:-1]) + lines[-1][:20])  # cut off in the last of four episodes
    run, runs = RegretRunner.run, []
    monkeypatch.setattr(RegretRunner, "run", lambda self, trial: runs.append(trial) or run(self, trial))
    assert regret(options) == 0
    assert len(runs) == 1
    assert kept.read_text() == "".join(lines)
    assert json.loads((tmp_path / "result.json").read_text()) == whole
    with pytest.raises(BenchmarkError, match=r"forks\.horizon was 3, now 4"):
        regret(replace(options, horizon=4))


def test_rows_that_corrections_are_carried_on_to_get_thresholds_for_all_of_the_queue(
    options: RegretOptions, tmp_path: Path
) -> None:
    assert options.params is not None
    given = options.params.read_text()
    options.params.write_text(given + "executor:\n  ros__parameters:\n    executor:\n      propagate: true\n")
    regret(replace(options, ticks=24))
    folder, forked = ModelFolder(Path(options.model)), tmp_path / "report" / "regret.jsonl"
    update_card(folder.path / WEIGHTS, "gate", CALIBRATION.as_card())
    calibrate(
        CalibrateOptions(
            model=options.model,
            regret=forked,
            share=1.0,
            held_out=2,
            params=options.params,
            robot="cartpole-balance",
        )
    )
    calibration = folder.calibration()
    assert calibration is not None
    assert calibration.regret is not None
    assert calibration.regret.replan[-1] == calibration.regret.replan[-2] > 0.0
    assert calibration.regret.accept[-1] == 0.0
    options.params.write_text(given)
    with pytest.raises(BenchmarkError, match=r"forked with executor\.propagate true, expected false"):
        calibrate(
            CalibrateOptions(
                model=options.model, regret=forked, params=options.params, robot="cartpole-balance"
            )
        )


def test_model_is_loaded_once_and_every_front_computed_once(
    options: RegretOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, runners, fronts = RegretRunner.__init__, [], []
    monkeypatch.setattr(
        RegretRunner, "__init__", lambda self, *given: runners.append(given) or begin(self, *given)
    )
    for module in ("cli.regret", "evaluation.regret.report"):
        monkeypatch.setattr(
            f"spec_control_ros.{module}.oracle_front",
            lambda losses: fronts.append(losses) or oracle_front(losses),
        )
    assert regret(options) == 0
    assert len(runners) == 1
    assert len(fronts) == 2, "undisturbed and pushed"


@pytest.mark.parametrize(
    ("disturb", "message"), [("storm", "expected one of push"), ("push:x", "numbers from 0 on")]
)
def test_unknown_disturbance_is_refused(options: RegretOptions, disturb: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        regret(replace(options, disturb=disturb))


def test_thresholds_by_regret_reach_the_card_and_the_mode(
    options: RegretOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ModelFolder(Path(options.model))
    regret(replace(options, ticks=24))
    forked = tmp_path / "report" / "regret.jsonl"

    def chosen(share: float = 0.01) -> None:
        calibrate(
            CalibrateOptions(
                model=options.model,
                regret=forked,
                share=share,
                held_out=2,
                params=options.params,
                robot="cartpole-balance",
            )
        )

    with pytest.raises(SpecControlError, match="is not calibrated"):
        chosen()
    update_card(folder.path / WEIGHTS, "gate", CALIBRATION.as_card())
    chosen(1.0)
    calibration = folder.calibration()
    assert calibration is not None
    assert calibration.regret is not None
    assert calibration.regret.replan[-1] == 0.0
    assert Gate(GateSettings(mode=GateMode.REGRET), calibration).mode is GateMode.REGRET
    measured = folder.card()["gate"]["regret"]["measured"]
    assert all(
        len(measured[row]["disturbed"]["push:0.5"]["returns"]) == 2 for row in ("replanning", "chosen")
    )

    # Most rows need no correction here, and of all that may be accepted as well, the most are
    assert calibration.regret.accept[0] > 0.0

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("spec_control_ros.cli.calibrate.FIRST_HELD_OUT_SEED", 1)
        with pytest.raises(SpecControlError, match="forks of seed 1, expected none of the held-out seeds"):
            chosen(1.0)
    assert folder.card()["gate"]["regret"]["measured"] == measured

    monkeypatch.setattr("spec_control_ros.cli.calibrate.is_worse", lambda returns, replanning: True)
    with pytest.raises(
        SpecControlError, match=r"less than replanning under push:0\.5.*the card is as it was"
    ):
        chosen(1.0)
    assert folder.card()["gate"]["regret"]["measured"] == measured
    corrector = folder.path / "two_tower.safetensors"
    corrector.write_bytes(corrector.read_bytes() + b" ")
    with pytest.raises(BenchmarkError, match="run `spec-control regret` again"):
        chosen()
    corrector.write_bytes(corrector.read_bytes()[:-1])
    told, *episodes = forked.read_text().splitlines()
    first = json.loads(told)
    first["forks"]["commit"] = 4
    forked.write_text("\n".join([json.dumps(first), *episodes]))
    with pytest.raises(BenchmarkError, match="--commit 4, expected 1"):
        chosen()
