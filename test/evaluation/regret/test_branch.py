"""Forks: they go on as the episode does, bit for bit, and leave it alone."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.gate import Gate, GateMode, GateSettings
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.window import Window
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import EpisodeRunner, Trial
from spec_control_ros.evaluation.regret.branch import Branch, ForcedGate
from spec_control_ros.evaluation.regret.gather import RegretSubject, regret_trials
from spec_control_ros.evaluation.regret.record import RegretEpisode, RegretSettings
from spec_control_ros.evaluation.regret.report import Losses, result_of
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.body import Push
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule
from spec_control_ros.sim.faults.sensor import Freeze, Jitter, Noise

TASK = "cartpole-balance"
FAULTS = FaultSchedule(
    (
        Push(body="pole_1", when=Window(probability=0.3)),
        Noise(std=0.01),
        Jitter(when=Window(probability=0.5)),
        Freeze(when=Window(probability=0.2)),
    )
)
PARAMETERS: Parameters = {
    "planner": {
        "planner": {
            "queue_length": 4,
            "mppi": {"samples": 16, "prior_samples": 4, "elites": 4, "iterations": 1},
        }
    },
    "executor": {"corrector": "temporal", "gate": {"mode": "fixed", "accept": 0.9, "replan": 1.0}},
    "sim_bridge": {"action_repeat": 20},
}


@pytest.fixture
def begin(model: Path) -> Callable[[], Branch]:
    """An episode at its start, by a gate that decides in every way."""
    runner = EpisodeRunner(TASK, model)
    trial = Trial("", ControllerSettings.of(PARAMETERS), seed=3, epoch=1, faults=FAULTS)

    def begin() -> Branch:
        plant, executor, planner = runner.parts(trial)
        assert planner is not None
        planner.reset()
        return Branch(plant, executor, planner, plant.reset(trial.seed), trial.epoch)

    return begin


def lived(branch: Branch) -> list[tuple[int, bytes, float]]:
    """The ticks that are left, each with decision, action and reward."""
    ticks = []
    while not branch.is_over:
        decision, reward = branch.step()
        ticks.append((int(decision.kind), decision.action.tobytes(), reward))
    return ticks


def test_fork_goes_on_bit_for_bit_and_leaves_the_episode_alone(begin: Callable[[], Branch]) -> None:
    whole = lived(begin())
    assert {DecisionKind.ACCEPT, DecisionKind.CORRECT, DecisionKind.REPLAN} == {kind for kind, _, _ in whole}
    episode, ticks = begin(), []
    while not episode.is_over:
        forks = [episode.fork() for _ in range(episode.tick % 7 == 2)]
        forced = [episode.fork(kind) for kind in DecisionKind if kind is not DecisionKind.HOLD and forks]
        for fork in forced:
            fork.run(5)
        for fork in forks:
            assert ticks + lived(fork) == whole
        decision, reward = episode.step()
        ticks.append((int(decision.kind), decision.action.tobytes(), reward))
    assert ticks == whole


def test_forced_decision_of_the_episode_gives_its_tick_and_then_replans(begin: Callable[[], Branch]) -> None:
    episode = begin()
    while not episode.is_over:
        before = episode.fork()
        decision, reward = episode.step()
        branch = before.fork(decision.kind)
        same, own_reward = branch.step()
        assert (same.kind, same.action.tobytes(), own_reward) == (
            decision.kind,
            decision.action.tobytes(),
            reward,
        )
        if not branch.is_over:
            assert branch.step()[0].kind is DecisionKind.REPLAN


@pytest.mark.parametrize("task", ["walker-walk", "state:dm_control:walker-walk"])
def test_copied_plant_goes_on_bit_for_bit_in_contact(task: str) -> None:
    plant = make_control_plant(task)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (60, plant.action_dim)).astype(np.float32)
    plant.reset(1)
    for action in actions[:30]:
        plant.step(action)
    twin = copy.deepcopy(FaultyPlant(plant, NO_FAULTS))
    copied = [twin.step(action) for action in actions[30:]]
    own = [plant.step(action) for action in actions[30:]]
    assert [(s.obs.tobytes(), s.reward) for s in copied] == [(s.obs.tobytes(), s.reward) for s in own]


def test_other_noise_gives_another_plan_from_the_same_warm_start_and_leaves_the_episode_alone(
    begin: Callable[[], Branch],
) -> None:
    whole, episode, ticks = lived(begin()), begin(), []
    replanned = []
    while not episode.is_over:
        if episode.tick == 5:
            for seed in (None, 8, 9, 9):
                decision, _ = episode.fork(DecisionKind.REPLAN, seed=seed).step()
                replanned.append(decision.action.tobytes())
        decision, reward = episode.step()
        ticks.append((int(decision.kind), decision.action.tobytes(), reward))
    assert ticks == whole
    assert len(set(replanned[:3])) == 3
    assert replanned[2] == replanned[3]


@pytest.fixture
def forked(model: Path) -> Callable[[], RegretEpisode]:
    subject, settings = RegretSubject(TASK, model), RegretSettings(ticks=10, commit=2, horizon=4)

    def forked() -> RegretEpisode:
        (trial,) = regret_trials(subject, PARAMETERS, [5], {"": NO_FAULTS}, settings)
        return subject.runner().run(trial)

    return forked


def test_forked_ticks_follow_from_the_seed_and_survive_their_file(
    forked: Callable[[], RegretEpisode],
) -> None:
    first, second = forked(), forked()
    assert first.to_json() == second.to_json()
    assert RegretEpisode.from_json(first.to_json()) == first
    assert len(first.ticks) > 3
    for tick in first.ticks:
        assert set(tick.returns) == {"replan", "accept", "correct"}
        assert 1 <= tick.age < 4
        assert {"age", "l2", "relative_l2", "action", "disagreement", "corrector_norm"} <= set(tick.metrics)


def test_forced_gate_corrects_nothing_where_nothing_can() -> None:
    forced = ForcedGate(Gate(GateSettings()), DecisionKind.CORRECT)
    actions, latents = np.zeros((2, 1), np.float32), np.zeros((3, 4), np.float32)
    queued = QueuedAction(actions[1], latents[1], 1, Plan(1, 1, 0, 0, 0.05, actions, latents, 1))
    assert forced.judge(latents[1], queued, can_correct=True).kind is DecisionKind.CORRECT
    assert forced.judge(latents[1], queued, can_correct=False).kind is DecisionKind.ACCEPT


def test_forced_gate_corrects_what_is_too_old_to_be_accepted() -> None:
    def decided(row: QueuedAction) -> DecisionKind:
        gate = ForcedGate(Gate(GateSettings()), DecisionKind.ACCEPT, oldest_accepted=2)
        return gate.judge(row.latent, row, can_correct=True).kind

    made = Plan(1, 1, 0, 0, 0.05, np.zeros((6, 1), np.float32), np.ones((7, 2), np.float32), 1)
    rows = [QueuedAction(made.actions[i], made.latents[i], i, made) for i in range(6)]
    assert [decided(row) for row in rows] == [DecisionKind.ACCEPT] * 3 + [DecisionKind.CORRECT] * 3
    young = [replace(row, rolled_at=row.tick - 1) for row in rows[3:]]
    assert [decided(row) for row in young] == [DecisionKind.ACCEPT] * 3


def test_robot_s_own_decision_is_by_all_that_the_plan_has_used_up() -> None:
    own = Gate(GateSettings(mode=GateMode.ADAPTIVE, accept=0.5, replan=1.0, sensitivity=0.0))
    forced = ForcedGate(own, DecisionKind.ACCEPT)
    latents = np.array([[1.0, 0.0]] * 4, np.float32)
    plan = Plan(1, 1, 0, 0, 0.05, np.zeros((3, 1), np.float32), latents, 1)
    decided, off = [], np.array([1.0, 0.8], np.float32)
    for i in (1, 2):
        row = QueuedAction(plan.actions[i], latents[i], i, plan)
        assert forced.judge(off, row).kind is DecisionKind.ACCEPT
        assert forced.judged is not None
        decided.append((forced.judged[2], own.judge(off, row).kind))
    assert decided == [(DecisionKind.CORRECT,) * 2, (DecisionKind.REPLAN,) * 2]


def test_return_of_a_branch_is_the_mean_over_the_draws(model: Path) -> None:
    subject = RegretSubject(TASK, model)

    def returns(draws: int) -> list[float]:
        settings = RegretSettings(ticks=10, commit=1, horizon=4, draws=draws)
        (trial,) = regret_trials(subject, PARAMETERS, [5], {"": NO_FAULTS}, settings)
        return [value for tick in subject.runner().run(trial).ticks for value in tick.returns.values()]

    one, two, three = (np.array(returns(draws)) for draws in (1, 2, 3))
    second = 2.0 * two - one
    assert not np.allclose(second, one)
    assert not np.allclose(3.0 * three - 2.0 * two, second)  # every draw is another one


def test_result_has_the_documented_keys(forked: Callable[[], RegretEpisode]) -> None:
    result = result_of(TASK, "small", Losses((forked(),), tolerance=0.0))
    assert list(result) == ["task", "model", "ticks", "metrics", "oracle"]
    assert all(list(row) == ["name", "auroc", "auroc_ci95"] for row in result["metrics"])
    assert all(list(row) == ["plans", "return_mean"] for row in result["oracle"])
