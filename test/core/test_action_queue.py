import numpy as np
from fakes import plan
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from spec_control_ros.core.action_queue import ActionQueue

ticks = st.integers(0, 30)
lengths = st.integers(1, 8)


@given(start=ticks, rows=lengths, now=ticks)
def test_queue_takes_only_rows_for_ticks_to_come(start: int, rows: int, now: int) -> None:
    queue = ActionQueue()
    taken = queue.merge(plan(start, rows=rows), now)
    held = [t for t in range(60) if queue.at(t) is not None]
    assert held == list(range(max(start, now), start + rows))
    assert taken == len(held)


@given(start=ticks, rows=lengths)
def test_queue_addresses_rows_by_tick(start: int, rows: int) -> None:
    queue, made = ActionQueue(), plan(start, rows=rows)
    queue.merge(made, start)
    for i in range(rows):
        row = queue.at(start + i)
        assert row is not None
        assert row.steps_ahead == i
        assert row.plan is made
        np.testing.assert_array_equal(row.action, made.actions[i])
        np.testing.assert_array_equal(row.latent, made.latents[i])


def test_newer_plan_replaces_from_its_start_on_and_leaves_earlier_rows() -> None:
    queue = ActionQueue()
    queue.merge(plan(0, rows=6, plan_id=1), 0)
    queue.merge(plan(3, rows=2, plan_id=2, observation_tick=0), 0)
    assert [row.plan.plan_id if (row := queue.at(t)) else None for t in range(7)] == [
        *(1, 1, 1, 2, 2),
        *(None, None),  # the older plan's tail is not executed after the newer one
    ]


def test_plan_that_is_wholly_past_changes_nothing() -> None:
    queue = ActionQueue()
    queue.merge(plan(0, rows=6, plan_id=1), 0)
    assert queue.merge(plan(0, rows=3, plan_id=2), 3) == 0
    assert {row.plan.plan_id for t in range(6) if (row := queue.at(t))} == {1}


def test_ensemble_is_the_mean_of_all_plans_and_the_oldest_weighs_most() -> None:
    queue = ActionQueue(is_ensemble=True)
    for start in range(3):  # each plan's action for tick 2 is another one
        made = plan(start, rows=4)
        made.actions[:] = start
        queue.merge(made, start)
    row, newest = queue.at(2), queue.at(5)
    assert row is not None
    assert newest is not None
    weights = np.exp([0.0, -0.01, -0.02])
    np.testing.assert_allclose(row.action, (weights @ [0.0, 1.0, 2.0]) / weights.sum(), rtol=1e-6)
    assert (row.steps_ahead, row.plan.start_tick) == (0, 2)  # what is predicted is the newest plan's
    np.testing.assert_array_equal(newest.action, 2.0)


class QueueMachine(RuleBasedStateMachine):
    """Against a naive model: plans in a list, searched from the newest back."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = ActionQueue()
        self.expected: dict[int, tuple[int, int]] = {}
        self.now = 0
        self.plans = 0

    @rule(start=st.integers(-6, 6), rows=lengths)
    def merge(self, start: int, rows: int) -> None:
        self.plans += 1
        first = max(0, self.now + start)
        self.queue.merge(plan(first, rows=rows, plan_id=self.plans), self.now)
        coming = {first + i: (self.plans, i) for i in range(rows) if first + i >= self.now}
        if coming:
            self.expected = {t: r for t, r in self.expected.items() if t < min(coming)} | coming

    @rule(ticks=st.integers(1, 4))
    def pass_time(self, ticks: int) -> None:
        self.now += ticks
        self.queue.discard_before(self.now)
        self.expected = {t: r for t, r in self.expected.items() if t >= self.now}

    @rule()
    def clear(self) -> None:
        self.queue.clear()
        self.expected = {}

    @invariant()
    def holds_the_expected_rows(self) -> None:
        held = {
            t: (row.plan.plan_id, row.steps_ahead)
            for t in range(self.now + 20)
            if (row := self.queue.at(t)) is not None
        }
        assert held == self.expected
        assert self.queue.depth_after(self.now) == sum(t > self.now for t in self.expected)


TestQueueMachine = QueueMachine.TestCase
