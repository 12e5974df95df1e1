"""A planner of somebody else's under the usual control law."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from constant_planner import QUEUE, ConstantFormat, ConstantPlanner, ConstantSettings
from short_plant import ShortPlant

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.planner_format import (
    BareSettings,
    PlannerResources,
    find_format,
    refuse_unheard_changes,
)
from spec_control_ros.core.settings import setting
from spec_control_ros.evaluation.closed_loop import run_episode


@dataclass(frozen=True, slots=True)
class LiveSettings(BareSettings):
    level: float = setting(0.5, "of every action", live=True)


def test_live_settings_whose_changes_it_would_not_hear_of_are_refused() -> None:
    planner = ConstantPlanner(ConstantSettings(), "mine")
    refuse_unheard_changes(planner, ConstantSettings())
    with pytest.raises(
        SettingsError,
        match=r"ConstantPlanner: got live settings \(level\) and no method `change\(settings\)`",
    ):
        refuse_unheard_changes(planner, LiveSettings())
    planner.change = lambda settings: None  # type: ignore[attr-defined]
    refuse_unheard_changes(planner, LiveSettings())


def test_its_plans_are_executed_until_they_end(tmp_path: Path) -> None:
    kind = ConstantFormat()
    planner = kind.load_planner(tmp_path, ConstantSettings(level=0.25), PlannerResources())
    result = run_episode(ShortPlant(), planner, make_executor(kind.load_parts(tmp_path)), seed=0, epoch=1)
    kinds = [decision.kind for decision in result.decisions]
    assert kinds == [
        DecisionKind.REPLAN,
        *[DecisionKind.ACCEPT] * (QUEUE - 1),
        DecisionKind.REPLAN,
        DecisionKind.ACCEPT,
    ]
    assert all((decision.action == np.float32(0.25)).all() for decision in result.decisions)


def test_a_corrector_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    parts = ConstantFormat().load_parts(tmp_path)
    with pytest.raises(CheckpointError, match=r"temporal\.safetensors: no such corrector"):
        make_executor(parts, corrector="temporal")
    with pytest.raises(SettingsError, match=r"corrector: got 'crystal_ball', expected one of .*two_tower"):
        make_executor(parts, corrector="crystal_ball")


def test_a_student_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    parts = ConstantFormat().load_parts(tmp_path)
    with pytest.raises(CheckpointError, match=r"hold: got student, but .* has no policy_student\.npz"):
        make_executor(parts, settings=ExecutorSettings(hold=HoldPolicy.STUDENT))


def test_gate_compares_with_the_policy_of_the_model_although_the_student_holds(tmp_path: Path) -> None:
    def prior(latent: np.ndarray) -> np.ndarray:
        return latent[:1]

    def student(latent: np.ndarray) -> np.ndarray:
        return -latent[:1]

    parts = replace(ConstantFormat().load_parts(tmp_path), load_student=lambda _: student)
    settings = ExecutorSettings(hold=HoldPolicy.STUDENT)
    without = make_executor(parts, settings=settings)
    assert without.gate.model.policy is without.model.policy is student
    of_model = make_executor(replace(parts, model=replace(parts.model, policy=prior)), settings=settings)
    assert of_model.gate.model.policy is prior
    assert of_model.model.policy is student


def test_a_kind_that_nobody_offers_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"planner format: got 'crystal_ball', expected one of .*tdmpc2"):
        find_format("crystal_ball")


def test_a_device_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="device: got 'cuda', expected cpu"):
        ConstantFormat().check_resources(PlannerResources("cuda"))
