"""Thresholds from nominal operation keep their promised rate, and reach the gate of the model."""

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import CheckpointError, SettingsError, SpecControlError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.gate import Gate, GateCalibration, GateMode, GateSettings, Metric
from spec_control_ros.evaluation.closed_loop import EpisodeResult
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.training import calibration_rollouts
from spec_control_ros.training.calibration_rollouts import (
    CalibrationRollouts,
    GatedEpisode,
    normal_episodes,
    open_gate,
)
from spec_control_ros.training.distillation import DistillSettings, new_corrector
from spec_control_ros.training.gate_calibrator import (
    CalibrationSettings,
    Verification,
    best_mode,
    conformal_quantile,
    fit,
    gather,
    verify,
)
from spec_control_ros.world_model.checkpoint import save_world_model, update_card
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.layers import SIMNORM_GROUP
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format
from spec_control_ros.world_model.two_hot import expected_value

TASK, REPEAT, TICKS, QUEUE = "cup-catch", 20, 50, 4
SETTINGS = ControllerSettings(
    action_repeat=REPEAT,
    planner=PlannerSettings(
        queue_length=QUEUE, mppi=MPPISettings(samples=16, prior_samples=4, elites=4, iterations=1)
    ),
)
WANTED = CalibrationSettings(false_alarm_rate=0.2, correction_rate=0.9)
FITTED, HELD_OUT = range(100, 104), range(200, 203)


@pytest.fixture(scope="module")
def plant() -> ControlPlant:
    return make_control_plant(TASK, REPEAT)


@pytest.fixture(scope="module")
def model(small_model: Callable[..., WorldModel], plant: ControlPlant) -> WorldModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return small_model(obs=plant.obs_dim, action=plant.action_dim)


@pytest.fixture(scope="module")
def folder(model: WorldModel, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model with a corrector that has learnt nothing, and so corrects by nothing."""
    folder = ModelFolder(tmp_path_factory.mktemp("models") / "cup")
    save_world_model(folder.path / WEIGHTS, model, {"task": TASK})
    corrector = new_corrector("two_tower", model.dims, DistillSettings(window=1, hidden=16))
    folder.save_corrector("two_tower", corrector, {})
    return folder


@pytest.fixture
def copied(folder: ModelFolder, tmp_path: Path) -> ModelFolder:
    """The same model, whose card may be changed."""
    return ModelFolder(Path(shutil.copytree(folder.path, tmp_path / "copied")))


@pytest.fixture(scope="module")
def operation(folder: ModelFolder, model: WorldModel, plant: ControlPlant) -> CalibrationRollouts:
    return CalibrationRollouts(folder, model, plant, SETTINGS)


@pytest.fixture(scope="module")
def episodes(operation: CalibrationRollouts) -> list[GatedEpisode]:
    return list(operation.run(open_gate(SETTINGS.gate), None, FITTED))


@pytest.fixture(scope="module")
def calibration(operation: CalibrationRollouts, episodes: list[GatedEpisode]) -> GateCalibration:
    return fit(operation, returning(episodes, 1.0), WANTED)


def returning(episodes: list[GatedEpisode], *returns: float) -> list[GatedEpisode]:
    """The episodes, had they returned that; the last of `returns` goes on."""
    given = [*returns, *[returns[-1]] * len(episodes)]
    return [
        dataclasses.replace(e, result=dataclasses.replace(e.result, episode_return=r))
        for e, r in zip(episodes, given, strict=False)
    ]


@given(st.integers(1, 500), st.floats(0.001, 0.999))
def test_threshold_promises_the_rate_and_no_less_than_it_must(values: int, rate: float) -> None:
    # A further value is equally likely to fall between any two of the values 1, 2, ... n, below or above them all.
    threshold = conformal_quantile(np.arange(1.0, values + 1.0), rate)
    if threshold == inf:
        assert 1.0 / (values + 1) > rate - 1e-9
        return
    above = values + 1 - threshold
    assert above / (values + 1) <= rate + 1e-9
    assert (above + 1) / (values + 1) > rate - 1e-9 or threshold == 1.0


def test_open_gate_is_shown_every_row_but_the_plans_first(episodes: list[GatedEpisode]) -> None:
    for episode in episodes:
        assert episode.result.planning_inferences == -(-TICKS // QUEUE)
        assert len(episode.judged) == TICKS - -(-TICKS // QUEUE)
        assert {tick.age for tick in episode.judged} == set(range(1, QUEUE))
        assert {tick.verdict.kind for tick in episode.judged} <= {DecisionKind.CORRECT, DecisionKind.ACCEPT}


def test_episode_that_a_fault_held_tells_nothing_of_nominal_operation(
    operation: CalibrationRollouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = calibration_rollouts.run_episode

    def held(*given: Any, **named: Any) -> EpisodeResult:
        return replace(run(*given, **named), fault="observation was NaN")

    monkeypatch.setattr(calibration_rollouts, "run_episode", held)
    with pytest.raises(
        SpecControlError, match=r"seed 100: the executor latched a fault .*: observation was NaN"
    ):
        list(operation.run(open_gate(SETTINGS.gate), None, FITTED))


def test_plans_made_ahead_of_time_show_older_predictions(operation: CalibrationRollouts) -> None:
    *_, ((first, second), _) = gather(operation, replace(WANTED, episodes=2, most_episodes=2), FITTED[0])
    assert {tick.age for tick in first.judged} == {1, 2, 3}
    assert {tick.age for tick in second.judged} == {1, 2, 3, 4, 5}


def test_nominal_operation_is_the_same_for_the_same_seeds(
    operation: CalibrationRollouts, episodes: list[GatedEpisode]
) -> None:
    (again,) = operation.run(open_gate(SETTINGS.gate), None, FITTED[:1])
    assert [t.verdict for t in again.judged] == [t.verdict for t in episodes[0].judged]


def test_stated_part_of_the_fitted_ticks_exceeds_each_threshold(
    calibration: GateCalibration, episodes: list[GatedEpisode]
) -> None:
    for age, threshold in enumerate(calibration.by_age(Metric.RELATIVE_L2, 0.2), start=1):
        mismatches = [t.verdict.mismatch for e in episodes for t in e.judged if t.age == age]
        assert np.mean(np.array(mismatches) > threshold * 1.001) <= 0.2
        assert np.mean(np.array(mismatches) > threshold * 0.999) >= 0.2 - 2 / len(mismatches)


def test_false_alarms_on_further_episodes_come_near_the_stated_rate(
    operation: CalibrationRollouts, calibration: GateCalibration
) -> None:
    gate = GateSettings(mode=GateMode.QUANTILE)
    verification = verify("quantile", returning(list(operation.run(gate, calibration, HELD_OUT)), 1.0))
    assert sum(verification.ticks) > 75
    assert 0.08 < verification.false_alarm_rate < 0.35  # 0.2; some 100 ticks, which hang together
    assert verification.false_alarm_rate + verification.correction_rate > 0.8


def test_episodes_in_which_something_went_wrong_do_not_count(episodes: list[GatedEpisode]) -> None:
    assert len(normal_episodes(returning(episodes, 100.0, 80.0, 100.0))) == len(episodes) - 1
    ticks = verify("open", returning(episodes, 0.1, 1.0)).ticks
    assert sum(ticks) == sum(len(e.judged) for e in episodes[1:])


def test_too_few_ticks_for_the_stated_rate_are_refused(
    operation: CalibrationRollouts, episodes: list[GatedEpisode]
) -> None:
    settings = CalibrationSettings(false_alarm_rate=0.001)
    with pytest.raises(
        SpecControlError,
        match=r"4 episodes give \d+ nominal ticks .* expected 5000 for a false-alarm rate of 0\.001; give a larger",
    ):
        fit(operation, returning(episodes, 1.0), settings)


def test_as_many_episodes_are_run_as_the_thresholds_take(operation: CalibrationRollouts) -> None:
    """Ages 1 to 3 come once in 4 ticks, 4 and 5 only where plans are made ahead of time."""
    settings = replace(WANTED, false_alarm_rate=0.06, episodes=2, most_episodes=30)  # 84 ticks of an age
    told = [(list(episodes), expected) for episodes, expected in gather(operation, settings, 300)]
    episodes, expected = told[-1]
    assert [len(so_far) for so_far, _ in told] == list(range(1, len(told) + 1))
    assert 4 < len(episodes) == expected < 30
    fit(operation, episodes, settings)
    with pytest.raises(SpecControlError, match="nominal ticks at some age"):
        fit(operation, episodes[:-1], settings)
    estimates = [expected for _, expected in told[len(told) // 2 :]]
    assert max(estimates) <= 1.5 * len(episodes)  # no surprise at the end


def test_it_gives_up_after_the_most_episodes(operation: CalibrationRollouts) -> None:
    settings = replace(WANTED, false_alarm_rate=0.001, episodes=2, most_episodes=4)
    assert [expected for _, expected in gather(operation, settings, 300)] == [4, 4, 4, 4]
    assert len(list(gather(operation, replace(settings, most_episodes=3), 300))) == 3


def test_returns_below_zero_leave_the_usual_episodes_nominal(episodes: list[GatedEpisode]) -> None:
    assert len(normal_episodes(returning(episodes, -100.0, -105.0, -150.0, -95.0))) == len(episodes) - 1


def test_plans_of_a_single_row_leave_nothing_to_calibrate(
    operation: CalibrationRollouts, episodes: list[GatedEpisode]
) -> None:
    with pytest.raises(SpecControlError, match=r"4 episodes give 0 nominal ticks .* plans of more rows"):
        fit(operation, [dataclasses.replace(e, judged=()) for e in episodes], WANTED)


def test_value_weights_are_those_of_the_values_slope(
    operation: CalibrationRollouts, episodes: list[GatedEpisode], model: WorldModel
) -> None:
    tick = episodes[0].judged[0]
    weights = operation.value_weights([tick])
    assert np.mean(weights**2) == pytest.approx(1.0)

    def value(z: torch.Tensor) -> torch.Tensor:
        return expected_value(model.q_logits(z, model.prior(z).mean)).mean(0)

    # One component more, its whole group as much less: what a simplex lets happen.
    groups = torch.eye(model.dims.latent).unflatten(-1, (-1, SIMNORM_GROUP))
    steps = 1e-2 * (groups - groups.mean(-1, keepdim=True) * (groups.amax(-1, keepdim=True) > 0)).flatten(-2)
    z = torch.from_numpy(tick.observed)
    slopes = (value(z + steps) - value(z - steps)).abs().numpy()
    assert weights == pytest.approx(slopes / np.sqrt(np.mean(slopes**2)), abs=0.02)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ((890.0, 910.0, 905.0), GateMode.ADAPTIVE),  # as good as 900, within chance
        ((893.0, 893.0, 893.0), GateMode.ADAPTIVE),  # less for certain, but by less than 1 %
        ((800.0, 810.0, 790.0), GateMode.QUANTILE),  # less for certain
        ((500.0, 950.0, 930.0), GateMode.ADAPTIVE),  # less, but no more than chance
    ],
)
def test_mode_with_fewer_plans_wins_unless_it_returns_less(
    calibration: GateCalibration, returns: tuple[float, ...], expected: GateMode
) -> None:
    steady = Verification("quantile", (900.0, 901.0, 899.0), (90, 90, 90), (), (), ())
    sparing = Verification("adaptive", returns, (80, 80, 80), (), (), ())
    assert best_mode(calibration, [steady, sparing]).mode is expected


def test_thresholds_of_the_card_reach_the_gate_of_the_model(
    copied: ModelFolder, model: WorldModel, calibration: GateCalibration, episodes: list[GatedEpisode]
) -> None:
    update_card(copied.path / WEIGHTS, "gate", calibration.as_card())
    policy = tick_model(model)
    tick = episodes[0].judged[1]
    assert tick.age == 2
    verdict = Gate(GateSettings(), copied.calibration(), policy).judge(tick.observed, tick.row)
    assert verdict.replan_threshold == pytest.approx(calibration.by_age(Metric.RELATIVE_L2, 0.2)[1])
    assert verdict.accept_threshold == pytest.approx(calibration.by_age(Metric.RELATIVE_L2, 0.9)[1])
    given = Gate(GateSettings(accept=0.1, replan=0.4), copied.calibration(), policy).judge(
        tick.observed, tick.row
    )
    assert (given.accept_threshold, given.replan_threshold) == (0.1, 0.4)
    assert (
        make_executor(SETTINGS.configured(TDMPC2Format().load_parts(copied.path))).gate.mode
        is GateMode.QUANTILE
    )


def test_thresholds_of_another_model_are_refused(
    copied: ModelFolder, model: WorldModel, calibration: GateCalibration
) -> None:
    other = dataclasses.replace(calibration, value_weights=(1.0, 1.0))
    update_card(copied.path / WEIGHTS, "gate", other.as_card())
    with pytest.raises(CheckpointError, match="has 2 value weights, expected 16"):
        copied.calibration()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"false_alarm_rate": 0.0}, "false_alarm_rate: got 0.0, expected more than 0.0"),
        ({"correction_rate": 0.1, "false_alarm_rate": 0.2}, "false_alarm_rate: got 0.2, expected at most"),
        ({"episodes": 0}, "episodes: got 0"),
    ],
)
def test_impossible_wishes_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        CalibrationSettings(**values)  # type: ignore[arg-type]
