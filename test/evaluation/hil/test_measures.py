"""Numbers of a run."""

import pytest
from hil_fakes import PERIOD_S, Run

from spec_control_ros.bringup.process_faults import Crash
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.window import Window
from spec_control_ros.evaluation.hil.measures import EpisodeMeasures, measure_episode, summarise
from spec_control_ros.sim.faults.schedule import Loss

FAULT = Loss(Window(start_tick=20, duration_ticks=5))


def measured(run: Run, *, is_lockstep: bool = True, fault: Fault = FAULT) -> EpisodeMeasures:
    (trace,) = run.trace.traces
    return measure_episode(trace, [fault], size=1.0, period_s=PERIOD_S, is_lockstep=is_lockstep)


def test_calm_episode_is_told_as_it_was() -> None:
    m = measured(Run().episode("c" * 60))
    assert (m.seed, m.ticks, m.is_done, m.is_fallen) == (11, 60, True, False)
    assert (m.held_ticks, m.missed_ticks, m.stale_commands) == (0, 0, 0)
    assert m.longest_command_gap_s == pytest.approx(PERIOD_S)
    assert m.time_to_hold_s is None
    assert m.time_to_recover_s == 0.0
    assert m.episode_return == pytest.approx(60 * 1.5)


@pytest.mark.parametrize(
    ("ticks", "is_fallen"),
    [
        ("C" * 10 + "c" * 30, False),  # starts on the ground and gets up
        ("c" * 20 + "C" * 9 + "c" * 20, False),  # stumbles
        ("c" * 20 + "C" * 10 + "c" * 20, True),
        ("c" * 19 + "C" * 30 + "c" * 20, False),  # lay before the fault came
        ("C" * 60, True),  # never gets up
        ("c" * 9 + "C" * 60, True),  # flies before it lies
    ],
)
def test_fall_is_being_down_for_a_while_after_having_been_up(ticks: str, is_fallen: bool) -> None:
    assert measured(Run().episode(ticks)).is_fallen is is_fallen


@pytest.mark.parametrize(("ticks", "gap"), [("cmmmcc", 4), ("cmcmmc", 3), ("mmc", 3), ("chhc", 1)])
def test_gap_is_the_time_between_ticks_with_commands_of_their_own(ticks: str, gap: int) -> None:
    assert measured(Run().episode(ticks)).longest_command_gap_s == pytest.approx(gap * PERIOD_S)


def test_time_to_hold_counts_from_the_beginning_of_the_fault() -> None:
    assert measured(
        Run().episode("c" * 5 + "h" + "c" * 17 + "h" * 4 + "c" * 20)
    ).time_to_hold_s == pytest.approx(0.15)


def test_hold_long_after_the_fault_is_none_of_its_consequences() -> None:
    assert measured(Run().episode("c" * 50 + "h" * 5)).time_to_hold_s is None


@pytest.mark.parametrize(("kind", "hold_s"), [(Loss, 30 * PERIOD_S), (Crash, None)])
def test_fault_without_an_end_has_consequences_as_long_as_it_lasts(
    kind: type[Fault], hold_s: float | None
) -> None:
    got = measured(Run().episode("c" * 50 + "h" * 5), fault=kind(Window(start_tick=20))).time_to_hold_s
    assert got == (None if hold_s is None else pytest.approx(hold_s))


def test_hold_between_ticks_is_timed_by_the_clock_in_realtime() -> None:
    run = Run().episode("c" * 20 + "m" * 4, is_done=False)
    run.now_s += 0.02
    run.decide(19, DecisionKind.HOLD, reason=Reason.SENSOR_SILENT)  # stamped with the last observation
    assert measured(run, is_lockstep=False).time_to_hold_s == pytest.approx(4 * PERIOD_S + 0.02)


@pytest.mark.parametrize(
    ("after", "recovered_s"),
    [
        ("c" * 20, 0.0),
        ("hhh" + "c" * 20, 0.15),
        ("cchcc" + "C" * 3 + "c" * 20, 0.4),
        ("mh" * 10, None),
        ("c" * 9, None),
    ],
)
def test_recovered_is_up_and_in_control_for_a_while(after: str, recovered_s: float | None) -> None:
    got = measured(Run().episode("c" * 25 + after)).time_to_recover_s
    assert got == (None if recovered_s is None else pytest.approx(recovered_s))


def test_episode_without_faults_has_nothing_to_hold_or_recover_from() -> None:
    (trace,) = Run().episode("c" * 5).trace.traces
    calm = [
        measure_episode(trace, faults, size=size, period_s=PERIOD_S, is_lockstep=True)
        for faults, size in (([], 1.0), ([FAULT], 0.0))
    ]
    held = measured(Run().episode("c" * 20 + "h" + "c" * 30))
    m = summarise([*calm, held], Run().trace, asked=3)
    assert (m.time_to_hold_s, m.time_to_recover_s) == (0.0, 0.0)
    never = measured(Run().episode("c" * 60))
    assert summarise([never, held], Run().trace, asked=2).time_to_hold_s is None


def test_recovery_may_take_until_a_later_episode() -> None:
    run = Run().episode("c" * 25 + "h" * 15).episode("hh" + "c" * 20, epoch=2)
    first, second = run.trace.traces
    m = measure_episode(first, [FAULT], size=1.0, period_s=PERIOD_S, is_lockstep=True, later=[second])
    assert m.time_to_recover_s == pytest.approx(17 * PERIOD_S)


def test_command_that_nobody_decided_for_this_epoch_is_a_stale_one() -> None:
    run = Run()
    run.episode("c" * 10).episode("c" * 10, epoch=2, unheard=(3, 4))
    measures = [
        measure_episode(t, [FAULT], size=1.0, period_s=PERIOD_S, is_lockstep=True) for t in run.trace.traces
    ]
    assert [m.stale_commands for m in measures] == [0, 2]


def test_scenario_is_as_bad_as_its_worst_episode_says() -> None:
    good = measured(Run().episode("c" * 60))
    bad = measured(Run().episode("c" * 20 + "hmmm" + "C" * 36, is_done=False))
    run = Run()
    for _ in range(3):
        run.command(2.0)
    run.trace.restarts = 1
    m = summarise([good, bad], run.trace, asked=3).as_dict()
    assert m["return"] == pytest.approx((good.episode_return + bad.episode_return) / 2)
    assert m["worst_return"] == bad.episode_return
    assert (m["fall_rate"], m["time_to_recover_s"], m["time_to_hold_s"]) == (0.5, None, None)
    assert m["longest_command_gap_s"] == pytest.approx(4 * PERIOD_S)
    assert m["missed_rate"] == pytest.approx(3 / 120)
    assert (m["bad_commands"], m["unfinished_episodes"], m["planner_restarts"]) == (3, 2, 1)


@pytest.mark.parametrize("action", [(), (float("nan"), 0.0), (1.5, 0.0), (float("-inf"),)])
def test_command_out_of_range_is_noted(action: tuple[float, ...]) -> None:
    run = Run()
    run.command(1.0, -1.0)
    run.command(*action)
    assert (run.trace.commands, run.trace.bad_commands) == (2, 1)


def test_period_and_place_are_what_the_plant_tells() -> None:
    run = Run()
    assert (run.trace.period_s, run.trace.place) == (None, None)
    run.episode("c")
    run.episode("c" * 50, epoch=2)
    assert run.trace.period_s == PERIOD_S
    assert run.trace.place == (1, 50, PERIOD_S)
