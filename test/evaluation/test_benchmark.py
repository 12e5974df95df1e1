"""Modes against the plant: what each one does, and that nothing but its seed decides its episodes."""

from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from spec_control_ros.bringup.parameter_files import Parameters, merge, write_parameters
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import BenchmarkError, CheckpointError, MisfitError, SettingsError
from spec_control_ros.core.gate import GateMode
from spec_control_ros.evaluation.benchmark import (
    Backend,
    BenchmarkRun,
    benchmark_runs,
    digests,
    disturbed_rows,
    measured_with,
    mode_parameters,
    rows,
)
from spec_control_ros.evaluation.control_mode import ControlMode, find_modes
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.parallel import LocalEngine, Subject, Workers
from spec_control_ros.sampling.planner import SamplingSettings
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.disturbance import disturbance
from spec_control_ros.transformer.planner import TransformerSettings
from spec_control_ros.world_model.checkpoint import update_card
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder

CONFIG = Path(__file__).parents[2] / "config"
TASK, TICKS = "cartpole-balance", 50
PARAMETERS: Parameters = {
    "planner": {
        "planner": {
            "queue_length": 6,
            "mppi": {"samples": 16, "prior_samples": 4, "elites": 4, "iterations": 1},
        }
    },
    "executor": {"gate": {"mode": "fixed", "accept": 0.0, "replan": 100.0}},
    "sim_bridge": {"action_repeat": 20},
}


@pytest.fixture
def enter(model: Path, tmp_path: Path) -> Callable[..., list[BenchmarkRun]]:
    def enter(*names: str, seeds: tuple[int, ...] = (0,), folder: str = "results") -> list[BenchmarkRun]:
        modes = find_modes(names, CONFIG / "modes")
        params = tmp_path / "params.yaml"
        write_parameters(params, PARAMETERS)
        return benchmark_runs(
            Subject(TASK, model), modes, seeds, find_robot(TASK, CONFIG), tmp_path / folder, params=params
        )

    return enter


@pytest.fixture
def run(model: Path, enter: Callable[..., list[BenchmarkRun]]) -> Callable[..., list[BenchmarkRun]]:
    def run(*names: str, workers: int = 1, **options: object) -> list[BenchmarkRun]:
        entered = {c.mode.name: c for c in enter(*names, **options)}
        trials = [trial for c in entered.values() for trial in c.missing]
        for trial, measurement in Workers(LocalEngine(workers), print).run(Subject(TASK, model), trials):
            entered[trial.mode].file.add(measurement)
        return list(entered.values())

    return run


def test_replan_plans_at_every_tick(run: Callable[..., list[BenchmarkRun]]) -> None:
    (episode,) = run("replan")[0].measured
    assert episode.planning_inferences == episode.waited_inferences == TICKS
    assert set(episode.kinds) == {DecisionKind.REPLAN}


def test_prior_never_plans(run: Callable[..., list[BenchmarkRun]]) -> None:
    (episode,) = run("prior")[0].measured
    assert episode.planning_inferences == 0
    assert set(episode.kinds) == {DecisionKind.HOLD}


def test_student_acts_at_every_tick_without_any_plan(run: Callable[..., list[BenchmarkRun]]) -> None:
    prior, student = (mode.measured[0] for mode in run("prior", "student"))
    assert student.planning_inferences == 0
    assert set(student.kinds) == {DecisionKind.HOLD}
    assert student.episode_return != prior.episode_return


@pytest.mark.parametrize("queue", [2, 3, 6])
def test_open_loop_plans_once_a_queue_and_corrects_nothing(
    run: Callable[..., list[BenchmarkRun]], queue: int
) -> None:
    (episode,) = run(f"open_loop_{queue}")[0].measured
    planned = [tick for tick, kind in enumerate(episode.kinds) if kind == DecisionKind.REPLAN]
    assert planned == list(range(0, TICKS, queue))
    assert set(episode.kinds) == {DecisionKind.REPLAN, DecisionKind.ACCEPT}
    assert episode.steps_ahead[:queue] == tuple(range(queue))


@pytest.mark.parametrize(("delay", "held"), [(1, [0]), (4, [0, 1, 2, 3, 6, 7])])
def test_delayed_plans_are_waited_for_until_the_delay_is_known(
    run: Callable[..., list[BenchmarkRun]], delay: int, held: list[int]
) -> None:
    (episode,) = run(f"pipelined_d{delay}")[0].measured
    assert [tick for tick, kind in enumerate(episode.kinds) if kind == DecisionKind.HOLD] == held


@pytest.mark.parametrize("mode", ["two_tower", "temporal"])
def test_corrector_corrects_what_is_queued(run: Callable[..., list[BenchmarkRun]], mode: str) -> None:
    (episode,) = run(mode)[0].measured
    assert set(episode.kinds) == {DecisionKind.REPLAN, DecisionKind.CORRECT}
    assert episode.planning_inferences < TICKS / 2


def test_same_seeds_give_the_same_table_whatever_the_workers(run: Callable[..., list[BenchmarkRun]]) -> None:
    names, seeds = ("replan", "two_tower"), (3, 7)
    one, two = (run(*names, seeds=seeds, workers=w, folder=f"by_{w}") for w in (1, 2))
    timed = ("latency_s", "latency_percentiles_s", "relative_latency")
    tables = [[{k: v for k, v in row.items() if k not in timed} for row in rows(c)] for c in (one, two)]
    assert tables[0] == tables[1]
    returns = [row["returns"] for row in tables[0]]
    assert returns[0] != returns[1]
    assert returns[0][0] != returns[0][1]


def test_only_what_is_missing_is_run_again(run: Callable[..., list[BenchmarkRun]], enter: Callable) -> None:
    before = run("two_tower", seeds=(0, 1))[0].measured
    (continued,) = enter("two_tower", seeds=(0, 1, 2))
    assert [trial.seed for trial in continued.missing] == [2]
    assert [m.to_json() for m in continued.measured] == [m.to_json() for m in before]


@pytest.mark.parametrize("backend", [Backend.ROS, Backend.REALTIME])
def test_other_parameters_of_the_nodes_are_noticed(backend: Backend, model: Path, tmp_path: Path) -> None:
    def entered(ticks: int) -> BenchmarkRun:
        params = tmp_path / "params.yaml"
        write_parameters(params, PARAMETERS | {"sim_bridge": {"action_repeat": 20, "episode_ticks": ticks}})
        modes, robot = find_modes(["replan"], CONFIG / "modes"), find_robot(TASK, CONFIG)
        (entry,) = benchmark_runs(
            Subject(TASK, model), modes, (0,), robot, tmp_path / "results", backend=backend, params=params
        )
        return entry

    measured = Measurement(
        0, 1, 9.0, 1, 0, kinds=(2,), steps_ahead=(0,), mismatches=(nan,), latencies_s=(0.01,)
    )
    entered(30).file.add(measured)
    assert not entered(30).missing
    with pytest.raises(BenchmarkError, match="episode_ticks was 30, now 40"):
        entered(40)


def test_other_weights_are_noticed(
    run: Callable[..., list[BenchmarkRun]], enter: Callable, model: Path
) -> None:
    run("replan")
    weights = model / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    with pytest.raises(BenchmarkError, match="weights"):
        enter("replan")


def test_baseline_plans_from_what_is_observed_on_a_robot_that_asks_ahead_too() -> None:
    robot = find_robot("walker", CONFIG)
    asking = replace(robot, sections=merge(robot.sections, {"executor": {"executor": {"prefetch": True}}}))
    own = mode_parameters(asking, ControlMode.find("replan", CONFIG / "modes"), Backend.PROCESS)
    assert not ControllerSettings.of(own).executor.prefetch
    assert ControllerSettings.of(asking.parameters("lockstep")).executor.prefetch


def test_files_of_an_own_environment_and_what_auto_stands_for_are_noticed(
    model: Path, tmp_path: Path
) -> None:
    for name in ("two_link.xml", "own_body.py"):
        source = next(Path(__file__).parents[1].rglob(name))
        (tmp_path / name).write_bytes(source.read_bytes())
    task, settings = f"mjcf:{tmp_path}/two_link.xml@own_body:raise_links", ControllerSettings()
    told = measured_with(task, model, settings)
    assert told["environment"].keys() == {"two_link.xml", "own_body.py"}
    assert told["corrector"] == ModelFolder(model).best_corrector
    code = tmp_path / "own_body.py"
    code.write_text(code.read_text() + "\n")
    changed = measured_with(task, model, settings)
    assert changed["environment"]["own_body.py"] != told["environment"]["own_body.py"]
    assert "environment" not in measured_with(TASK, model, settings)


def test_thresholds_of_the_world_model_beneath_a_transformer_count() -> None:
    folder = CONFIG.with_name("models") / "walker-transformer"
    own = ControllerSettings.of(find_robot("walker_transformer", CONFIG).parameters(), TransformerSettings)
    assert measured_with("walker-walk", folder, own)["gate"]["thresholds"]


def test_thresholds_by_regret_count_where_they_take_part() -> None:
    folder = CONFIG.with_name("models") / "walker-walk"
    settings = ControllerSettings.of(find_robot("walker", CONFIG).parameters())

    def gate(mode: GateMode) -> set[str]:
        told = measured_with("walker-walk", folder, replace(settings, gate=settings.gate.in_mode(mode)))
        return set(told["gate"])

    by_regret = gate(GateMode.REGRET)
    assert by_regret - gate(GateMode.QUANTILE) == by_regret - gate(GateMode.AUTO) == {"regret"}


def test_weights_of_the_world_model_beneath_a_transformer_count() -> None:
    own = find_robot("walker_transformer", CONFIG).parameters()
    folder = CONFIG.with_name("models") / "walker-transformer"
    counted = digests(folder, ControllerSettings.of(own, TransformerSettings))
    own_files = {"planner.json", "planner.safetensors", "draft.safetensors"}
    assert own_files | {"world_model.safetensors"} == counted.keys()
    holding = merge(own, {"executor": {"executor": {"hold": "student"}}})
    counted = digests(folder, ControllerSettings.of(holding, TransformerSettings))
    assert own_files | {"world_model.safetensors", "policy_student.npz"} == counted.keys()


def test_missing_corrector_is_told_before_anything_runs(enter: Callable, model: Path) -> None:
    (model / "temporal.safetensors").unlink()
    (entered,) = enter("temporal")
    with pytest.raises(CheckpointError, match=r"temporal\.safetensors: no such corrector"):
        Subject(TASK, model).runner().check(entered.trials[0])


def test_missing_student_is_told_before_anything_runs(enter: Callable, model: Path) -> None:
    (model / "student.safetensors").unlink()
    (entered,) = enter("student")
    with pytest.raises(
        CheckpointError, match=r"small: no student; `spec-control distill small --student-only`"
    ):
        Subject(TASK, model).runner().check(entered.trials[0])


def test_model_of_another_task_is_refused(enter: Callable, model: Path) -> None:
    (entered,) = enter("replan")
    with pytest.raises(MisfitError, match="made for observations of 5 and actions of 1, expected 6 and 1"):
        Subject("acrobot-swingup", model).runner().check(entered.trials[0])


def test_model_of_another_task_of_the_same_sizes_is_refused(enter: Callable, model: Path) -> None:
    (entered,) = enter("replan")
    said = "model small: made for cartpole-balance, expected cartpole-swingup"
    with pytest.raises(MisfitError, match=said):
        Subject("cartpole-swingup", model).runner().check(entered.trials[0])


def test_model_of_another_tick_is_refused(enter: Callable, model: Path) -> None:
    update_card(model / WEIGHTS, "control_period_s", 0.05)
    (entered,) = enter("replan")
    said = "model small: made for ticks of 0.05 s, expected 0.2 s, as cartpole-balance has with this action_repeat"
    with pytest.raises(MisfitError, match=said):
        Subject(TASK, model).runner().check(entered.trials[0])


def test_wrong_parameter_is_refused_with_its_name(model: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    write_parameters(wrong, {"executor": {"gate": {"acept": 0.1}}})
    modes = find_modes(["replan"], CONFIG / "modes")
    robot = find_robot(TASK, CONFIG)
    with pytest.raises(SettingsError, match=r"gate\.acept: unknown"):
        benchmark_runs(Subject(TASK, model), modes, [0], robot, tmp_path, params=wrong)


def test_robots_own_parameters_count_and_delayed_plans_are_not_waited_for() -> None:
    robot = find_robot("walker-walk", CONFIG)
    mode, delayed = find_modes(["two_tower", "two_tower_d1"], CONFIG / "modes")
    own = find_robot("walker", CONFIG).parameters()["planner"]["planner"]
    assert mode_parameters(robot, mode, Backend.PROCESS)["planner"]["planner"] == own
    at_once, later, real = (
        mode_parameters(robot, m, backend)["executor"]
        for m, backend in ((mode, Backend.ROS), (delayed, Backend.PROCESS), (mode, Backend.REALTIME))
    )
    assert at_once["corrector"] == later["corrector"] == real["corrector"] == "two_tower"
    assert later["executor"]["plan_wait_s"] == real["executor"]["plan_wait_s"] < 0.05
    assert at_once["executor"]["plan_wait_s"] > 0.05


@pytest.mark.parametrize(
    ("name", "queue_length", "steps_ahead", "prefetch"),
    [
        ("naive_d0", 6, 0, False),  # then it replans at every tick
        ("naive_d3", 6, 50, True),
        ("naive_d20", 40, 50, True),
        ("ensembled_d20", 60, 59, True),
        ("verified_d3", 6, 50, True),
        ("verified_d4", 8, 50, True),  # the first four rows of each plan come too late
        ("pipelined_d5", 6, 50, True),
        ("pipelined_d6", 12, 50, True),
    ],
)
def test_queue_is_as_long_as_the_delay_needs(
    name: str, queue_length: int, steps_ahead: int, prefetch: bool
) -> None:
    (mode,) = find_modes([name], CONFIG / "modes")
    own = mode_parameters(find_robot("walker-walk", CONFIG), mode, Backend.PROCESS)
    sized = ControllerSettings.of(own).for_delay(mode.delay_ticks)
    assert sized.planner.queue_length == queue_length
    assert (sized.gate.max_steps_ahead, sized.executor.prefetch) == (steps_ahead, prefetch)


def test_search_that_is_too_short_for_a_queue_is_lengthened_with_it() -> None:
    (mode,) = find_modes(["pipelined_d12"], CONFIG / "modes")
    own = mode_parameters(find_robot("walker_sampling", CONFIG), mode, Backend.PROCESS)
    sized = ControllerSettings.of(own, SamplingSettings).for_delay(12)
    assert (sized.planner.queue_length, sized.planner.search.horizon) == (24, 24)


def test_law_that_would_wait_longer_than_a_tick_is_refused_before_anything_runs(
    model: Path, enter: Callable[..., list[BenchmarkRun]]
) -> None:
    (run,) = enter("pipelined_d2")
    slow = replace(run.trials[0].settings.executor, plan_wait_s=1.0)
    trial = replace(run.trials[0], settings=replace(run.trials[0].settings, executor=slow))
    with pytest.raises(SettingsError, match="plan_wait_s: got 1"):
        Subject(TASK, model).runner().check(trial)


def test_disturbed_runs_are_measured_beside_the_nominal_ones(
    model: Path, enter: Callable[..., list[BenchmarkRun]], tmp_path: Path
) -> None:
    plant = make_control_plant(TASK)
    nominal, modes = enter("replan", "open_loop_6", seeds=(0, 1)), find_modes(["replan"], CONFIG / "modes")
    robot, subject = find_robot(TASK, CONFIG), Subject(TASK, model)
    pushed = benchmark_runs(
        subject,
        modes,
        (0, 1),
        robot,
        tmp_path / "results",
        params=tmp_path / "params.yaml",
        disturbance=("push", 9.0),
        faults=disturbance("push", 9.0, plant),
    )
    runs = {run.name: run for run in [*nominal, *pushed]}
    assert list(runs) == ["replan", "open_loop_6", "replan, push 9"]
    for trial, measurement in Workers(LocalEngine(1), print).run(
        subject, [t for run in runs.values() for t in run.missing]
    ):
        runs[trial.mode].file.add(measurement)
    told = disturbed_rows(list(runs.values()))
    assert [(row["disturbance"], row["size"], row["mode"]) for row in told] == [
        ("push", 0.0, "replan"),
        ("push", 0.0, "open_loop_6"),
        ("push", 9.0, "replan"),
    ]
    assert told[0]["returns"] != told[2]["returns"]
    usual = told[0]["return_mean"]
    assert [row["fall_rate"] for row in told] == [
        sum(value < 0.5 * usual for value in row["returns"]) / 2 for row in told
    ]
    assert disturbed_rows(nominal) == []
