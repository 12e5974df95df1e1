"""`spec-control regret`: a run that is continued, and what it leaves behind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distilled_model import LATENT, model

from spec_control_ros.bringup.parameter_files import write_parameters
from spec_control_ros.cli.bench_options import RegretOptions
from spec_control_ros.cli.calibrate import calibrate, cheapest
from spec_control_ros.cli.model_options import CalibrateOptions
from spec_control_ros.cli.regret import regret
from spec_control_ros.core.errors import BenchmarkError, SettingsError, SpecControlError
from spec_control_ros.core.gate import Gate, GateCalibration, GateMode, GateSettings, Metric
from spec_control_ros.evaluation.regret.gather import RegretRunner
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


@pytest.mark.parametrize(
    ("disturb", "message"), [("storm", "expected one of push"), ("push:x", "numbers from 0 on")]
)
def test_unknown_disturbance_is_refused(options: RegretOptions, disturb: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        regret(replace(options, disturb=disturb))


def rows(*given: tuple[float, tuple[float, ...]]) -> list[dict[str, Any]]:
    return [{"planning_inferences_mean": plans, "returns": list(returns)} for plans, returns in given]


def test_candidate_with_the_fewest_plans_that_is_shown_to_return_enough_is_taken() -> None:
    tried = rows(
        (500.0, (100.0, 101.0, 99.0, 100.0)),
        (40.0, (99.0, 100.0, 98.0, 99.0)),
        (30.0, (99.0, 100.0, 98.0, 95.0)),  # loses 2 in the mean, and up to 5.2 with 95 % confidence
        (20.0, (94.0, 95.0, 93.0, 94.0)),
    )
    assert [cheapest(tried, share) for share in (0.01, 0.03, 0.052, 0.1)] == [1, 1, 2, 3]
    with pytest.raises(
        SpecControlError, match=r"a loss of up to 1\.0 .* expected at most 0\.5; give more --held-out"
    ):
        cheapest(tried, 0.005)


def test_fall_of_replanning_is_nobodys_allowance() -> None:
    tried = rows(
        (500.0, (100.0, 100.0, 0.0, 100.0)),
        (60.0, (98.0, 99.0, 98.0, 97.0)),
        (20.0, (90.0, 91.0, 90.0, 89.0)),  # more than replanning, and 8 % less than what can be had
    )
    assert cheapest(tried, 0.05) == 1


def test_single_episode_shows_nothing_but_the_best() -> None:
    assert cheapest(rows((500.0, (99.0,)), (40.0, (100.0,)), (20.0, (99.9,))), 1.0) == 1


def test_thresholds_by_regret_reach_the_card_and_the_mode(options: RegretOptions, tmp_path: Path) -> None:
    folder = ModelFolder(Path(options.model))
    many = replace(options, disturb="", seeds="0:3")
    regret(replace(many, ticks=30))
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
