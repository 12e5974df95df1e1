"""The table's numbers, held against ones worked out by hand."""

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest

from spec_control_ros.evaluation.control_mode import SEARCHLESS
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.summary import gain_kept, interval, summarise, told_returns, verdict

Make = Callable[..., Measurement]


def test_interval_is_students() -> None:
    assert interval([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / 3**0.5)
    assert interval([1.0]) is None


def test_returns_are_told_with_an_interval_where_there_is_one() -> None:
    assert told_returns([1.0, 2.0, 3.06]) == {
        "returns": [1.0, 2.0, 3.1],
        "return_mean": 2.0,
        "return_ci95": 2.6,
    }
    assert told_returns([1.234], digits=2) == {"returns": [1.23], "return_mean": 1.23, "return_ci95": None}


def test_row_is_set_beside_replanning_every_tick(measurement: Make) -> None:
    baseline = [
        measurement(seed=s, episode_return=r, planning_inferences=3) for s, r in ((0, 10.0), (1, 20.0))
    ]
    own = [
        measurement(seed=s, episode_return=r, latencies_s=(0.0, 0.0, 0.011)) for s, r in ((0, 6.0), (1, 18.0))
    ]
    _, row = summarise({"replan": baseline, "two_tower": own})
    assert (row["mode"], row["episodes"]) == ("two_tower", 2)
    assert (row["return_mean"], row["relative_return"]) == (12.0, 0.8)
    assert row["return_ci95"] == pytest.approx(12.706205 * 6.0)
    assert row["return_difference_ci95"] == pytest.approx(12.706205 * 1.0)  # of -4 and -2
    assert (row["planning_inferences_mean"], row["waited_inferences_mean"]) == (2.0, 1.0)
    assert row["relative_planning_inferences"] == pytest.approx(2 / 3)
    assert row["relative_latency"] == pytest.approx(1 / 3)
    assert row["decisions"] == {"accept": 1.0, "correct": 1.0, "replan": 1.0, "hold": 0.0}


def test_returns_below_zero_are_not_divided(measurement: Make) -> None:
    worse, better = measurement(episode_return=-160.0), measurement(episode_return=-150.0)
    rows = summarise({"replan": [worse], "two_tower": [better]})
    assert [row["relative_return"] for row in rows] == [None, None]


def test_latency_is_over_all_ticks_of_all_episodes(measurement: Make) -> None:
    episodes = [
        measurement(latencies_s=(0.001, 0.001, 0.001)),
        measurement(latencies_s=(0.001, 0.001, 0.007)),
    ]
    (row,) = summarise({"replan": episodes})
    assert row["latency_s"]["mean"] == pytest.approx(0.002)
    assert row["latency_s"]["p50"] == pytest.approx(0.001)
    assert row["latency_s"]["p99"] == pytest.approx(0.0067)
    assert row["latency_percentiles_s"][100] == pytest.approx(0.007)


def test_without_the_baseline_nothing_is_relative(measurement: Make) -> None:
    (row,) = summarise({"two_tower": [measurement()]})
    assert row["relative_return"] is None
    assert row["return_ci95"] is None
    assert "relative_latency" not in row


def test_mismatch_is_told_by_steps_ahead(measurement: Make) -> None:
    (row,) = summarise({"two_tower": [measurement(), measurement(mismatches=(float("nan"), 0.3, 0.2))]})
    assert [(m["steps_ahead"], m["ticks"]) for m in row["mismatch_by_steps_ahead"]] == [(1, 2), (2, 2)]
    assert row["mismatch_by_steps_ahead"][0]["p50"] == pytest.approx(0.2)


def test_mismatch_that_dropped_a_plan_counts_for_that_plan_s_next_step(measurement: Make) -> None:
    dropped = measurement(kinds=(2, 1, 2), steps_ahead=(0, 1, 0), mismatches=(float("nan"), 0.1, 0.9))
    (row,) = summarise({"two_tower": [dropped]})
    assert [(m["steps_ahead"], m["p50"]) for m in row["mismatch_by_steps_ahead"]] == [(1, 0.1), (2, 0.9)]


def test_gain_kept_is_a_ratio_of_means_over_the_same_seeds() -> None:
    # Planning gains 8, 10 and 12; the mode keeps 4, 5 and 9 of it.
    kept = gain_kept([104.0, 105.0, 109.0], [108.0, 110.0, 112.0], [100.0] * 3)
    assert kept is not None
    assert kept["value"] == pytest.approx(0.6)
    assert kept["ci95"] == pytest.approx(interval([-0.08, -0.1, 0.18]))


def test_plans_without_a_search_need_none_whatever_their_mode_is_called(measurement: Make) -> None:
    returns = {"replan": (100.0, 101.0, 99.0), "prior": (50.0, 51.0, 48.0)}
    own = {"prior_queue_corrected_d0": (100.0, 101.0, 99.0)}
    rows = modes(measurement, searchless={"prior", *own}, **returns, **own)
    told = verdict(rows)
    assert told is not None
    assert (told["cheapest_mode"], told["is_planner_needed"]) == (*own, False)


def test_gain_within_its_interval_is_no_gain_to_keep() -> None:
    assert gain_kept([1.0, 2.0, 3.0], [90.0, 110.0, 100.0], [100.0] * 3) is None
    assert gain_kept([1.0], [110.0], [100.0]) is None


def modes(
    measurement: Make,
    repeats: int = 2,
    searchless: Collection[str] = SEARCHLESS,
    **returns: tuple[float, ...],
) -> list[dict]:
    plans = {"prior": 0, "student": 0, "replan": 500, "eager": 500}
    return summarise(
        {
            mode: [
                measurement(seed=seed, episode_return=value, planning_inferences=plans.get(mode, 86))
                for seed, value in enumerate(values * repeats)
            ]
            for mode, values in returns.items()
        },
        searchless,
    )


@pytest.mark.parametrize(
    ("prior", "queue", "corrected", "cheapest", "needed"),
    [
        (100.0, 50.0, 100.0, "prior", False),  # a plan gains nothing
        (50.0, 100.0, 100.0, "prior_queue", False),  # a plan does, but a search does not
        (50.0, 50.0, 100.0, "two_tower", True),  # a search does, and need not be made at every tick
        (50.0, 50.0, 50.0, "replan", True),
    ],
)
def test_verdict_names_the_cheapest_mode_that_loses_nothing(
    measurement: Make, prior: float, queue: float, corrected: float, cheapest: str, needed: bool
) -> None:
    rows = modes(
        measurement,
        replan=(100.0, 101.0, 99.0),
        prior=(prior, prior + 1.0, prior - 2.0),
        prior_queue=(queue, queue + 1.0, queue - 2.0),
        two_tower=(corrected, corrected + 2.0, corrected - 2.0),
    )
    told = verdict(rows)
    assert told is not None
    assert (told["cheapest_mode"], told["is_planner_needed"]) == (cheapest, needed)
    assert told["text"].startswith("No other mode" if cheapest == "replan" else cheapest)
    assert (rows[0]["gain_kept"] is None) == (prior == 100.0)


def test_a_mode_that_does_as_well_and_costs_as_much_is_not_denied(measurement: Make) -> None:
    returns = (100.0, 101.0, 99.0)
    told = verdict(modes(measurement, replan=returns, prior=(50.0, 51.0, 49.0), eager=returns))
    assert told is not None
    assert told["text"].startswith("replan is the cheapest mode that is shown to lose less than 2 %")


def test_a_single_fall_makes_neither_an_equal_nor_a_loser(measurement: Make) -> None:
    """A wide interval reaches 0 as well, which says little: the student that falls once in six is no equal."""
    returns = {"replan": (100.0, 101.0, 99.0), "prior": (50.0, 51.0, 49.0)}
    rows = modes(measurement, **returns, student=(100.0, 101.0, 99.0))
    fallen = modes(measurement, 1, replan=(100.0,) * 6, prior=(50.0,) * 6, student=(99.0,) * 5 + (10.0,))
    assert verdict(rows)["cheapest_mode"] == "student"
    told = verdict(fallen)
    assert (told["cheapest_mode"], told["is_planner_needed"]) == ("replan", None)
    assert told["text"].endswith("Too wide an interval to tell: student.")


def test_a_small_loss_that_is_certain_is_within_the_margin(measurement: Make) -> None:
    told = verdict(modes(measurement, replan=(100.0, 101.0, 99.0), prior=(99.0, 100.1, 97.9)))
    assert (told["cheapest_mode"], told["is_planner_needed"]) == ("prior", False)


def test_two_seeds_tell_nothing(measurement: Make) -> None:
    """The interval of two differences is so wide that a mode which loses a fifth of the gain would pass."""
    rows = modes(measurement, 1, replan=(100.0, 101.0), prior=(50.0, 51.0), two_tower=(85.0, 95.0))
    told = verdict(rows)
    assert told is not None
    assert told["cheapest_mode"] is told["is_planner_needed"] is None
    assert "Too few seeds" in told["text"]


def test_verdict_knows_the_student_and_says_where_there_is_none(measurement: Make) -> None:
    returns = {"replan": (100.0, 101.0, 99.0), "prior": (50.0, 51.0, 49.0)}
    without = verdict(modes(measurement, **returns))
    assert without is not None
    assert "The student was not there" in without["text"]
    told = verdict(modes(measurement, **returns, student=(100.0, 102.0, 98.0)))
    assert told is not None
    assert (told["cheapest_mode"], told["is_planner_needed"]) == ("student", False)
    assert "not there" not in told["text"]


def test_no_verdict_without_what_it_compares(measurement: Make) -> None:
    assert verdict(modes(measurement, replan=(1.0, 2.0, 3.0), two_tower=(1.0, 2.0, 3.0))) is None
    assert verdict(modes(measurement, prior=(1.0, 2.0, 3.0))) is None


def test_a_loss_that_may_lie_within_the_margin_is_undecided(measurement: Make) -> None:
    """As certain a loss as this one of 1.5 % shows no need of a search; fewer seeds must not turn that round."""
    loss = (0.0, 3.0) * 6
    rows = modes(measurement, 1, replan=(100.0,) * 12, prior=tuple(100.0 - each for each in loss))
    assert rows[1]["return_mean"] + rows[1]["return_difference_ci95"] < 100.0, "the loss itself is shown"
    told = verdict(rows)
    assert told is not None
    assert (told["cheapest_mode"], told["is_planner_needed"]) == ("replan", None)
    assert "Too wide an interval to tell: prior." in told["text"]


def test_verdict_does_not_depend_on_measured_times_or_the_order_of_modes(measurement: Make) -> None:
    same = [measurement(seed=s, episode_return=100.0 + s % 3, planning_inferences=0) for s in range(6)]
    slow, quick = (
        [replace(m, latencies_s=(latency_s,) * len(m.kinds)) for m in same] for latency_s in (0.01, 0.001)
    )
    plans = {"replan": [replace(m, planning_inferences=500) for m in same]}
    for measured in (
        plans | {"prior": slow, "student": quick},
        plans | {"student": quick, "prior": slow},
        plans | {"prior": quick, "student": slow},
    ):
        told = verdict(summarise(measured))
        assert told is not None
        assert told["cheapest_mode"] == "prior"
