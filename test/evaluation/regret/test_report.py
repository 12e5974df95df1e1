"""What forked episodes come to: how far a measure could predict their regret at all."""

from dataclasses import replace

import numpy as np

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.evaluation.regret.record import ForkedTick, RegretEpisode
from spec_control_ros.evaluation.regret.report import Losses, by_disturbance, metric_rows, result_of
from spec_control_ros.evaluation.regret.statistics import auroc


def forked(noise: float, draws: int) -> Losses:
    """Regret of 0 or 1, by turns, under noise; a measure knows it."""
    rng, ticks = np.random.default_rng(0), []
    for i in range(400):
        regret = float(i % 2)
        own = {"replan": [10.0] * draws, "accept": list(10.0 - regret - noise * rng.standard_normal(draws))}
        returns = {name: float(np.mean(drawn)) for name, drawn in own.items()}
        ticks.append(ForkedTick(i, 1, int(DecisionKind.ACCEPT), returns, {"l2": regret}, own))
    episodes = tuple(RegretEpisode(seed, 1, 0, "", 10.0, 10, tuple(ticks[seed::4])) for seed in range(4))
    return Losses(episodes, 0.05)


def told(losses: Losses) -> dict[str, float]:
    return {row["name"]: row["auroc"] for row in metric_rows(losses)}


def test_other_draws_tell_how_much_of_the_regret_is_chance() -> None:
    assert told(forked(noise=0.0, draws=2))["other_draws"] == 1.0
    few, many = told(forked(noise=2.0, draws=2)), told(forked(noise=2.0, draws=16))
    assert few["other_draws"] < 0.7 < many["other_draws"] < 1.0
    assert few["l2"] < 0.9, "what knows the mean regret does not know the chance in it"


def test_other_draws_are_those_that_are_not_predicted() -> None:
    losses = forked(noise=1.0, draws=3)
    drawn = np.array([t.draws["accept"] for t in losses.ticks])
    first, others = 10.0 - drawn[:, 0], 10.0 - drawn[:, 1:].mean(1)
    expected = auroc(first, others > losses.least)
    assert expected is not None
    assert told(losses)["other_draws"] == round(expected, 4)


def test_a_single_draw_tells_nothing_of_chance() -> None:
    assert set(told(forked(noise=1.0, draws=1))) == {"l2"}


def test_returns_against_plans_are_those_of_one_condition() -> None:
    nominal = forked(noise=0.5, draws=1)
    pushed = [replace(e, disturbance="push:1", replan_return=4.0) for e in nominal.episodes]
    both = replace(nominal, episodes=(*nominal.episodes, *pushed))
    parts = by_disturbance(both)
    assert {name: part.replanning[0] for name, part in parts.items()} == {"": 10.0, "push:1": 4.0}
    assert result_of("any", "any", both)["oracle"] == result_of("any", "any", nominal)["oracle"]
