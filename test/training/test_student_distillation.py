"""A student of a planner that samples on a MuJoCo model: a cart that is to keep its speed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from cart_robot import write_robot

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.cli.distill import distill
from spec_control_ros.cli.model_options import DistillOptions
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.student import STUDENT, find_student, save_student
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sampling.cost import CostTerm
from spec_control_ros.sampling.format import SamplingFormat
from spec_control_ros.sampling.planner import SamplingSettings
from spec_control_ros.training.student_distillation import Lesson, TeachingSubject
from spec_control_ros.training.student_fit import fit_student
from spec_control_ros.training.student_settings import StudentSettings

X = 0  # component of the cart's state
SPEED = 0.8  # m/s that its planner is to reach, from rest


@pytest.fixture(scope="module")
def cart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The robot's file, with a distilled student in its model's folder."""
    robot = write_robot(tmp_path_factory.mktemp("cart"), time_limit_s=3.0)
    content = yaml.safe_load(robot.read_text())
    content["planner"]["planner"]["cost"]["speed"]["target"] = SPEED
    robot.write_text(yaml.safe_dump(content))
    options: dict[str, Any] = {
        "rounds": 2,
        "episodes": 2,
        "draws": 2,
        "updates": 400,
        "hidden": 16,
        "held_out": 1,
        "returns": 1,
    }
    distill(DistillOptions(str(robot.parent / "cart"), robot=str(robot), workers=1, **options))
    return robot


def test_student_does_what_the_planner_does_wherever_it_is(cart: Path) -> None:
    model = SamplingFormat().load_tick_model(cart.parent / "cart")
    assert model.policy is not None
    for x in (0.0, 50.0):  # which nothing depends on
        slow, right = (model.policy(model.encode(np.array([x, v], np.float32)))[0] for v in (0.2, SPEED))
        assert slow > 0.5
        assert abs(right) < 0.4


def test_card_tells_what_the_student_does(cart: Path) -> None:
    card = json.loads((cart.parent / "cart" / STUDENT).with_suffix(".json").read_text())
    assert card["training"]["ticks"] == 2 * 2 * 30
    assert card["evaluation"]["planner"]["seeds"] == [4_000_000, 4_000_001]
    assert len(card["evaluation"]["alone"]["returns"]) == 1
    assert card["held_out"]["distance"] < 0.5


def test_interrupted_measurement_leaves_the_card_of_the_new_student(
    cart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = shutil.copytree(cart.parent, tmp_path / "copy") / cart.name

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spec_control_ros.cli.distill._returns", interrupt)
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    options: dict[str, Any] = {"rounds": 1, "episodes": 1, "draws": 1, "updates": 5, "hidden": 8}
    with pytest.raises(KeyboardInterrupt):
        distill(
            DistillOptions(str(robot.parent / "cart"), robot=str(robot), workers=1, held_out=1, **options)
        )
    path = robot.parent / "cart" / STUDENT
    card = json.loads(path.with_suffix(".json").read_text())
    assert np.load(path)["b0"].shape == (8,)
    assert card["training"]["settings"]["hidden"] == 8
    assert "alone" not in card["evaluation"]
    assert threads[0] == 1, "its weights must not depend on how many other processes gather"


def test_student_does_not_learn_from_the_episodes_that_it_is_measured_on(cart: Path) -> None:
    options = DistillOptions(str(cart.parent / "cart"), robot=str(cart), workers=1, seed=5_999_990)
    with pytest.raises(SettingsError, match=r"seed: got 5999990, .* none of 6000000 to 6000011"):
        distill(options)


def test_executor_holds_by_it(cart: Path) -> None:
    folder = cart.parent / "cart"
    parts = SamplingFormat().load_parts(folder)
    law = make_executor(parts, corrector="policy", settings=ExecutorSettings(hold=HoldPolicy.STUDENT))
    assert law is not None
    (folder / "bare").mkdir()
    for name in ("planner.json", "cart.xml"):
        (folder / "bare" / name).write_bytes((folder / name).read_bytes())
    bare = SamplingFormat().load_parts(folder / "bare")
    with pytest.raises(
        CheckpointError, match=r"bare has no policy_student\.npz, which `spec-control distill` makes"
    ):
        make_executor(bare, settings=ExecutorSettings(hold=HoldPolicy.STUDENT))


def test_lessons_are_the_same_again_and_the_student_drives_later_ones(cart: Path) -> None:
    robot = find_robot(str(cart), cart.parent)
    controller = ControllerSettings.of(robot.parameters(), SamplingFormat.settings)
    teaching = TeachingSubject(robot.environment, cart.parent / "cart", controller, draws=1).runner()
    own, again = (teaching.run(Lesson(3)) for _ in range(2))
    np.testing.assert_array_equal(own.actions, again.actions)
    still = [(np.zeros((2, 1), np.float32), np.zeros(1, np.float32))]  # never moves the cart
    driven = teaching.run(Lesson(3, still))
    assert np.ptp(driven.latents, axis=0) == pytest.approx([0.0, 0.0])
    assert np.ptp(own.latents, axis=0)[X] > 0.0


def test_student_fits_and_comes_back_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal([5.0, 100.0], [0.01, 30.0], (500, 2)).astype(np.float32)
    actions = np.tanh(50.0 * (latents[:, :1] - 5.0)).astype(np.float32)
    layers = fit_student(latents, actions, StudentSettings(hidden=16, updates=600), unseen=[1])
    save_student(tmp_path / STUDENT, layers)
    policy = find_student(tmp_path, 2, 1)
    assert policy is not None
    assert np.abs(policy(latents) - actions).mean() < 0.05
    assert policy(np.array([5.01, 100.0], np.float32)) == pytest.approx(
        policy(np.array([5.01, -9.0], np.float32))
    )


@pytest.mark.parametrize(
    ("residual", "unseen"),
    [
        ("velocity cart x", [X]),
        ("control", [X]),
        ("position cart x", []),
        ("joint x", []),
        ("sensor place", []),
    ],
)
def test_a_student_sees_where_the_robot_is_if_the_cost_may_ask_for_it(
    cart: Path, residual: str, unseen: list[int]
) -> None:
    settings = SamplingSettings(cost={"term": CostTerm(residual)})
    assert list(SamplingFormat().unseen(cart.parent / "cart", settings)) == unseen


def test_a_queue_length_is_refused(cart: Path) -> None:
    with pytest.raises(SettingsError, match="queue_length: got 3, expected none: cart gets a student"):
        distill(DistillOptions(str(cart.parent / "cart"), robot=str(cart), queue_length=3))
