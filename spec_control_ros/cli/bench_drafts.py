"""`spec-control bench-drafts`: speculative decoding beside the same Transformer one row at a time."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.cli.bench_options import BenchDraftsOptions
from spec_control_ros.cli.options import whole_numbers
from spec_control_ros.cli.terminal import right, terminal, track, with_interval, write_json
from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.core.settings import settings_from
from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.fit import fitting_env
from spec_control_ros.evaluation.summary import interval
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.training.calibration_rollouts import open_gate
from spec_control_ros.transformer.draft_length import expected_length
from spec_control_ros.transformer.format import FORMAT, TransformerFormat
from spec_control_ros.transformer.planner import TransformerSettings
from spec_control_ros.transformer.verification import Rule
from spec_control_ros.world_model.card import folder_card, model_folder

TICKS = 500  # that passes are told for


class _Measured:
    """A planner, the time of its plans, and the returns of its episodes."""

    def __init__(self, folder: Path, settings: TransformerSettings, threads: int):
        planner = TransformerFormat().load_planner(folder, settings, PlannerResources(threads=threads))
        planner.warm_up()
        self._planner, self.spec, self.drafts = planner, planner.spec, planner.drafts
        self.times_s: list[float] = []
        self.returns: list[float] = []
        self.ticks = 0
        self.warm_up, self.reset, self.follow = planner.warm_up, planner.reset, planner.follow
        self.statistics = planner.statistics

    def plan(self, request: PlanRequest) -> Plan:
        """See `core.planner.Planner`."""
        began_s = time.perf_counter()
        plan = self._planner.plan(request)
        self.times_s.append(time.perf_counter() - began_s)
        return plan

    @property
    def passes(self) -> float:
        """Passes of the Transformer in `TICKS` ticks."""
        return self.drafts.passes * TICKS / self.ticks


def bench_drafts(options: BenchDraftsOptions) -> None:
    """Run the same seeds with and without drafts, every queued row executed, and print what the drafts save.

    Raises:
        SpecControlError: there is no such model or robot, it is no Transformer, or the two do not fit.
    """
    robot = find_robot(options.robot)
    folder, console = model_folder(options.model or robot.model), terminal()
    env = _env(robot, folder)
    lengths = whole_numbers("queue_lengths", options.queue_lengths, "numbers such as 6,12")
    rows: list[dict[str, Any]] = []
    headers = ("rows", "rule", "passes", "ms a plan", "return", "rows a pass", "expected", "acceptance")
    told = f"passes in {TICKS} ticks, time of a plan and return, with drafts / one row at a time"
    table = Table(*right(*headers), title=told)
    for length in lengths:
        for rule in (Rule.TOLERANCE, Rule.EXACT):
            settings = _settings(robot, options, length, rule)
            drafting = _Measured(folder, settings, options.threads)
            single = replace(settings, rule=Rule.NONE if rule is Rule.TOLERANCE else Rule.SAMPLE)
            alone = _Measured(folder, single, options.threads)
            title = f"{length} rows, {rule.value}"
            for seed in track(range(options.episodes), title, options.episodes, console=console):
                for planner in (drafting, alone):
                    _run(env, folder, planner, seed)
            rows.append(_row(length, rule, drafting, alone))
            table.add_row(*_cells(rows[-1], drafting))
    console.print(table)
    write_json(options.json, {"rows": rows})


def _env(robot: Robot, folder: Path) -> Plant:
    card = folder_card(folder)
    if card.get("format") != FORMAT:
        raise SettingsError(
            f"{folder.name}: got a model of format {card.get('format')!r}, expected {FORMAT}; name one with --model, "
            "`spec-control train-transformer` makes it"
        )
    return fitting_env(make_env, folder.name, card, robot.environment, robot.action_repeat)


def _settings(robot: Robot, options: BenchDraftsOptions, length: int, rule: Rule) -> TransformerSettings:
    """The robot's own where its model is a Transformer, else the defaults."""
    try:
        kind = folder_card(model_folder(robot.model)).get("format")
    except CheckpointError:
        kind = None  # a robot without a model of its own, for which one is given
    own = robot.parameters().get("planner", {}).get("planner", {}) if kind == FORMAT else {}
    given: dict[str, Any] = {"queue_length": length, "rule": rule.value, "draft_rows": options.draft_rows}
    told = {"tolerance": options.tolerance, "draft": options.draft}
    given |= {name: value for name, value in told.items() if value is not None}
    return settings_from(TransformerSettings, {**own, **given})


def _run(env: Plant, folder: Path, planner: _Measured, seed: int) -> None:
    """An episode whose every queued row is executed as it is."""
    executor = make_executor(
        TransformerFormat().load_parts(folder),
        queue_length=planner.spec.queue_length,
        corrector=NONE,
        gate=open_gate(GateSettings()),
        settings=ExecutorSettings(prefetch=False),
    )
    result = run_episode(env, planner, executor, seed=seed, epoch=seed + 1)
    planner.returns.append(result.episode_return)
    planner.ticks += len(result.decisions)


def _row(length: int, rule: Rule, drafting: _Measured, alone: _Measured) -> dict[str, Any]:
    return {
        "queue_length": length,
        "rule": rule.value,
        "passes": drafting.passes,
        "passes_one_by_one": alone.passes,
        "plan_time_s": float(np.median(drafting.times_s)),
        "plan_time_one_by_one_s": float(np.median(alone.times_s)),
        "return_mean": float(np.mean(drafting.returns)),
        "return_ci95": interval(drafting.returns),
        "return_one_by_one_mean": float(np.mean(alone.returns)),
        "accepted_length": drafting.drafts.rows / drafting.drafts.passes,
        "acceptance_by_position": drafting.drafts.by_position,
    }


def _cells(row: dict[str, Any], drafting: _Measured) -> Sequence[str]:
    drafts = drafting.drafts
    acceptance = float(drafts.accepted.sum() / drafts.examined.sum())
    expected = expected_length(acceptance, round(drafts.drafted / drafts.passes))
    return (
        str(row["queue_length"]),
        row["rule"],
        f"{row['passes']:.0f} / {row['passes_one_by_one']:.0f}",
        f"{1e3 * row['plan_time_s']:.2f} / {1e3 * row['plan_time_one_by_one_s']:.2f}",
        f"{with_interval(row['return_mean'], row['return_ci95'], '.0f')} / {row['return_one_by_one_mean']:.0f}",
        f"{row['accepted_length']:.2f}",
        f"{expected:.2f}",
        f"{acceptance:.0%}",
    )
