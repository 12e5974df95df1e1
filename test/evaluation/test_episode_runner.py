"""Episodes of any controller, with one model for all of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from constant_planner import ConstantFormat, ConstantPlanner, ConstantSettings
from short_plant import ShortPlant

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.plan import Plan
from spec_control_ros.evaluation import episode_runner
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import PLANNERS, EpisodeRunner, Trial


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EpisodeRunner:
    monkeypatch.setattr(episode_runner, "folder_card", lambda _: {})
    monkeypatch.setattr(episode_runner, "format_of", lambda _: ConstantFormat())
    monkeypatch.setattr(episode_runner, "make_env", lambda *_: ShortPlant())
    return EpisodeRunner("any", tmp_path)


@pytest.fixture
def trial() -> Callable[..., Trial]:
    def make(level: float = 0.5, seed: int = 3) -> Trial:
        return Trial("gated", ControllerSettings(planner=ConstantSettings(level=level)), seed, epoch=1)

    return make


def test_a_sweep_keeps_a_few_planners_only(
    runner: EpisodeRunner, trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    load = ConstantFormat.load_planner
    monkeypatch.setattr(
        ConstantFormat, "load_planner", lambda *given: loaded.append(given[2]) or load(*given)
    )
    levels = [0.1 * n for n in range(PLANNERS + 1)]
    for level in levels:
        runner.check(trial(level))
    for level in (levels[-1], levels[0]):
        for seed in (0, 1):
            runner.run(trial(level, seed))
    assert [settings.level for settings in loaded] == [*levels, levels[0]]


def test_plan_that_makes_no_sense_is_told_with_mode_and_seed(
    runner: EpisodeRunner, trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ConstantPlanner.plan

    def late(self: ConstantPlanner, request: PlanRequest) -> Plan:
        return replace(plan(self, request), start_tick=request.start_tick + 1)

    monkeypatch.setattr(ConstantPlanner, "plan", late)
    with pytest.raises(PlanningError, match=r"^gated, seed 3: .* plan starts at tick 1"):
        runner.run(trial())
