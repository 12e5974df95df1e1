"""`spec-control calibrate`: thresholds of the gate for a model, from nominal operation."""

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from spec_control_ros.bringup.parameter_files import merge
from spec_control_ros.bringup.robot import Robot
from spec_control_ros.cli.given_model import parameters_of, refuse_other_kind, robot_of
from spec_control_ros.cli.model_options import CalibrateOptions
from spec_control_ros.cli.terminal import given_command, progress, right, terminal, track, with_interval
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.core.gate import GateCalibration, GateMode, Metric
from spec_control_ros.core.gate.calibration import CARD_KEY
from spec_control_ros.core.gate.gate_settings import NOT_GIVEN
from spec_control_ros.core.output import refuse_folder
from spec_control_ros.evaluation.benchmark import digests
from spec_control_ros.evaluation.closed_loop import EpisodeResult
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.evaluation.regret.gather import read_episodes
from spec_control_ros.evaluation.regret.record import NOMINAL
from spec_control_ros.evaluation.regret.report import Losses
from spec_control_ros.evaluation.regret.thresholds import (
    ENOUGH,
    affordable,
    candidates,
    is_worse,
    single_thresholds,
    with_accepted,
)
from spec_control_ros.evaluation.summary import interval, told_returns
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.disturbance import disturbance, parse_disturbance
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule
from spec_control_ros.training.calibration_rollouts import CalibrationRollouts, GatedEpisode, open_gate
from spec_control_ros.training.gate_calibrator import (
    CalibrationSettings,
    Verification,
    best_mode,
    fit,
    gather,
    verify,
)
from spec_control_ros.world_model.checkpoint import update_card
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder

FIRST_SEED, FIRST_HELD_OUT_SEED = 2_000_000, 7_000_000  # of nobody else's episodes
MODES = (GateMode.QUANTILE, GateMode.ADAPTIVE)
EPISODES, SHARE = 24, 0.02  # unless the options say otherwise
OPEN = "open"  # the reference: never drops the queue for its mismatch


def calibrate(options: CalibrateOptions) -> None:
    """Fit thresholds to a model under its robot's configuration, verify them and write them into its card.

    Raises:
        SpecControlError: there is no such model, or its episodes tell too little; the card is as it was.
    """
    if options.regret is not None:
        names = ("false_alarm_rate", "correction_rate", "episodes", "most_episodes")
        given = [f.name for f in fields(options) if f.name in names and getattr(options, f.name) != f.default]
        if given:
            raise SettingsError(f"{given[0]}: got one, expected none with --regret, which has no use for it")
        _calibrate_by_regret(options, options.regret)
        return
    if options.share is not None:
        raise SettingsError(f"share: got {options.share}, expected it with --regret only")
    fewest = min(EPISODES, options.most_episodes) if options.episodes is None else options.episodes
    if fewest > options.most_episodes:
        raise SettingsError(
            f"episodes: got {fewest}, expected at most the {options.most_episodes} of --most-episodes"
        )
    wanted = {f.name: getattr(options, f.name) for f in fields(CalibrationSettings)} | {"episodes": fewest}
    settings = CalibrationSettings(**{name: value for name, value in wanted.items() if value is not None})
    started_s, console = time.monotonic(), terminal()
    folder, robot, controller = _opened(options)
    operation = CalibrationRollouts(folder, *controller.model_and_env(folder, robot.environment), controller)
    episodes = _gather(operation, settings, folder.path.name, console)
    calibration = fit(operation, episodes, settings)
    held_out = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + settings.held_out)
    verifications = _verify(operation, calibration, held_out, console)
    calibration = best_mode(calibration, verifications[1:])
    fitted, metric = verify(OPEN, episodes), controller.gate.metric
    console.print(_thresholds(calibration, metric, fitted.ticks), _modes(verifications))
    measured = {
        "command": given_command(),
        "wall_time_s": round(time.monotonic() - started_s),
        "hardware": hardware_info(),
        "queue_length": controller.planner.queue_length,
        "corrector": controller.corrector,
        "metric": metric.value,  # that the modes were verified with
        "fitted": {
            "seeds": [FIRST_SEED, FIRST_SEED + len(episodes) - 1],
            "returns": list(fitted.returns),
            "ticks_by_age": list(fitted.ticks),
        },
        "verified": [_verified(v, held_out) for v in verifications],
    }
    weights = (folder.path / WEIGHTS).resolve()  # an installed model is a link to the one in the repository
    regret = _kept_regret(folder, console)
    update_card(weights, CARD_KEY, calibration.as_card() | {"calibration": measured} | regret)
    console.print(f"mode {calibration.mode.value}, in {weights.with_suffix('.json')}")


def _kept_regret(folder: ModelFolder, console: Console) -> dict[str, Any]:
    """The thresholds by regret that the card has, as a part of it; none where they are of other value weights."""
    name = GateMode.REGRET.value
    found = (folder.card().get(CARD_KEY) or {}).get(name)
    if found is None:
        return {}
    again = f"`spec-control calibrate {folder.path.name} --regret FILE` makes new ones"
    if found.get("metric") == Metric.VALUE.value:
        console.print(
            f"thresholds by regret are gone: their metric has new weights now; {again}", style="yellow"
        )
        return {}
    console.print(f"thresholds by regret are kept as they were; {again}")
    return {name: found}


def _calibrate_by_regret(options: CalibrateOptions, file: Path) -> None:
    """Choose the thresholds of `gate.mode: regret` from what `spec-control regret` has kept of the episodes.

    Candidates come from forked ticks. Each of them is tried on whole episodes. Of those that are shown to keep enough
    of the return, and are not shown to return less than replanning where the forked episodes were disturbed, the one
    with the fewest plans is taken.

    Raises:
        SpecControlError: there is no such model or file, it tells too little, or no candidate keeps enough; the card
            is as it was.
    """
    share = SHARE if options.share is None else options.share
    folder, robot, controller = _opened(options)
    if (calibration := folder.calibration()) is None:
        raise SpecControlError(
            f"{options.model}: is not calibrated; expected `spec-control calibrate {options.model}` first"
        )
    is_rolled = controller.executor.propagate
    losses = Losses(read_episodes(file, digests(folder.path, controller), propagate=is_rolled), 0.0)
    held_out = ENOUGH if options.held_out is None else options.held_out
    seeds, console = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + held_out), terminal()
    if shared := sorted({e.seed for e in losses.episodes} & set(seeds)):
        raise SpecControlError(
            f"regret: got forks of seed {shared[0]}, expected none of the held-out seeds from {seeds[0]} to "
            f"{seeds[-1]}, which candidates are tried on; run `spec-control regret` with other --seeds"
        )
    disturbances = sorted({e.disturbance for e in losses.episodes} - {NOMINAL})
    faults = {NOMINAL: NO_FAULTS} | _faults(disturbances, robot.environment)
    metric = controller.gate.metric
    found = [f for make in (candidates, single_thresholds) for f in make(losses, metric, is_rolled=is_rolled)]
    if not is_rolled:  # rows of ages 0 and up; older ones than were forked are replanned
        length = len(found[0].replan)
        controller = replace(controller, planner=replace(controller.planner, queue_length=length))
    operation = CalibrationRollouts(folder, *controller.model_and_env(folder, robot.environment), controller)
    gate = operation.settings.gate.in_mode(GateMode.REGRET)
    always = replace(gate, mode=GateMode.FIXED, max_steps_ahead=0)

    def tried(i: int, disturbed: str = NOMINAL) -> dict[str, Any]:
        """What episodes come to under a candidate, counted from 1, or that replan at every tick (0)."""
        name = f"candidate {i} of {len(found)}" if i else "replanning"
        by = (gate, replace(calibration, regret=found[i - 1])) if i else (always, calibration)
        run = operation.run(*by, seeds, faults=faults[disturbed])
        name = f"{name}, {disturbed}" if disturbed else name
        return _row([e.result for e in track(run, name, len(seeds), console=console)])

    def is_fit(i: int) -> bool:
        """Whether a candidate is not shown to return less than replanning under any disturbance."""
        own[i] = {name: tried(i, name) for name in disturbances}
        for name in disturbances:
            mean, usual = own[i][name]["return_mean"], replanning[name]["return_mean"]
            console.print(f"{name}: candidate {i} returns {mean}, replanning {usual}")
        return not any(
            is_worse(own[i][name]["returns"], replanning[name]["returns"]) for name in disturbances
        )

    rows, own = [tried(i) for i in range(len(found) + 1)], dict[int, dict[str, Any]]()
    table = Table("candidate", "return", "plans", "accepted", "corrected", title="tried on whole episodes")
    for i, row in enumerate(rows):
        returned = with_interval(row["return_mean"], interval(row["returns"]))
        told = (row["planning_inferences_mean"], row["accepted"], row["corrected"])
        table.add_row(str(i) if i else "replanning", returned, *map(str, told))
    console.print(table)
    replanning = {name: tried(0, name) for name in disturbances}
    if (best := next(filter(is_fit, affordable(rows, share)), None)) is None:
        raise SpecControlError(
            f"regret: got candidates that return less than replanning under {', '.join(disturbances)}, expected one "
            "that does not; fork more --ticks; the card is as it was"
        )
    for thresholds in with_accepted(found[best - 1]):
        found.append(thresholds)
        rows.append(tried(len(found)))
        row = rows[-1]
        console.print(
            f"candidate {len(found)}, {best} with accept {thresholds.accept[0]:g}: returns {row['return_mean']} with "
            f"{row['planning_inferences_mean']} plans, {row['accepted']:.0%} accepted"
        )
        if len(found) in affordable(rows, share) and is_fit(len(found)):
            best = len(found)
            break
    measured = {
        "command": given_command(),
        "hardware": hardware_info(),
        "forked_seeds": sorted({e.seed for e in losses.episodes}),
        "seeds": [seeds.start, seeds.stop - 1],
        "share": share,
        "replanning": rows[0] | {"disturbed": replanning},
        "chosen": rows[best] | {"disturbed": own[best]},
    }
    weights = (folder.path / WEIGHTS).resolve()
    update_card(weights, f"{CARD_KEY}.regret", found[best - 1].as_card() | {"measured": measured})
    console.print(f"candidate {best}, in {weights.with_suffix('.json')}")


def _faults(disturbances: Sequence[str], environment: str) -> dict[str, FaultSchedule]:
    """The faults of disturbances that `spec-control regret` has named, as `push:0.3`."""
    if not disturbances:
        return {}
    plant = make_control_plant(environment)
    parsed = {text: parse_disturbance(text) for text in disturbances}
    return {text: disturbance(name, size, plant) for text, (name, (size,)) in parsed.items()}


def _row(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    kinds = np.array([d.kind for r in results for d in r.decisions])
    return {
        "returns": [round(r.episode_return, 1) for r in results],
        "return_mean": round(float(np.mean([r.episode_return for r in results])), 1),
        "planning_inferences_mean": round(float(np.mean([r.planning_inferences for r in results])), 1),
        "accepted": round(float(np.mean(kinds == DecisionKind.ACCEPT)), 3),
        "corrected": round(float(np.mean(kinds == DecisionKind.CORRECT)), 3),
    }


def _gather(
    operation: CalibrationRollouts, settings: CalibrationSettings, name: str, console: Console
) -> list[GatedEpisode]:
    """The episodes that the thresholds are fitted to, with a bar as long as it will likely take."""
    episodes: list[GatedEpisode] = []
    with progress(console) as bar:
        row = bar.add_task(f"{name}: nominal operation", total=settings.episodes)
        for episodes, expected in gather(operation, settings, FIRST_SEED):
            bar.update(row, completed=len(episodes), total=expected)
    return episodes


def _opened(options: CalibrateOptions) -> tuple[ModelFolder, Robot, ControllerSettings]:
    """The model, its robot, and the controller as it is configured."""
    torch.set_num_threads(1)
    folder = ModelFolder.find(options.model)
    refuse_folder(folder.path)
    refuse_other_kind(folder)
    robot = robot_of(folder, options.robot)
    given = {"executor": {"corrector": options.corrector}} if options.corrector else {}
    return folder, robot, ControllerSettings.of(merge(parameters_of(robot, options.params), given))


def _verify(
    operation: CalibrationRollouts, calibration: GateCalibration, seeds: range, console: Console
) -> list[Verification]:
    """How the gate does on further episodes: open, and in every mode that has thresholds."""
    base = operation.settings.gate
    gates = {OPEN: open_gate(base)} | {
        mode.value: replace(base, mode=mode, accept=NOT_GIVEN, replan=NOT_GIVEN) for mode in MODES
    }
    return [
        verify(mode, list(track(operation.run(gate, calibration, seeds), mode, len(seeds), console=console)))
        for mode, gate in gates.items()
    ]


def _verified(v: Verification, seeds: range) -> dict[str, Any]:
    return {
        "mode": v.mode,
        "seeds": [seeds.start, seeds.stop - 1],
        **told_returns(v.returns),
        "planning_inferences_mean": round(float(np.mean(v.planning_inferences)), 1),
        "false_alarm_rate": round(v.false_alarm_rate, 4),
        "correction_rate": round(v.correction_rate, 4),
        "ticks_by_age": list(v.ticks),
        "false_alarms_by_age": list(v.false_alarms),
    }


def _thresholds(calibration: GateCalibration, metric: Metric, ticks: Sequence[int]) -> Table:
    headers = right("age", "nominal ticks", "usual", "accept up to", "replan above")
    table = Table(*headers, title=f"thresholds of {metric.value}, by the age of the prediction")
    columns = (
        calibration.by_age(metric, rate)
        for rate in (0.5, calibration.correction_rate, calibration.false_alarm_rate)
    )
    for age, values in enumerate(zip(*columns, strict=True), start=1):
        table.add_row(str(age), str(ticks[age - 1]), *(f"{value:.3f}" for value in values))
    return table


def _modes(verifications: Sequence[Verification]) -> Table:
    headers = right("mode", "return", "plans", "false alarms", "corrected", "false alarms by age")
    table = Table(*headers, title=f"verified on {len(verifications[0].returns)} further episodes")
    for v in verifications:
        table.add_row(
            v.mode,
            with_interval(float(np.mean(v.returns)), interval(v.returns)),
            f"{np.mean(v.planning_inferences):.1f}",
            f"{v.false_alarm_rate:.2%}",
            f"{v.correction_rate:.1%}",
            " ".join(f"{n}/{of}" for n, of in zip(v.false_alarms, v.ticks, strict=True)),
        )
    return table
