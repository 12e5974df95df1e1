"""What is left to execute, addressed by tick."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.plan import Plan

ENSEMBLE_DECAY = 0.01  # of a plan's weight, from each plan to the next newer one


@dataclass(frozen=True, slots=True)
class QueuedAction:
    """One row of a plan."""

    action: Float32[np.ndarray, "action"]
    latent: Float32[
        np.ndarray, "latent"
    ]  # predicted for the tick at which the action is due; empty: nothing is
    steps_ahead: int  # ticks after the plan's start
    plan: Plan
    plans: int = 1  # that its action is the mean of
    # The tick whose real latent it was rolled from again; None: it is the plan's own
    rolled_at: int | None = None

    @property
    def gain(self) -> Float32[np.ndarray, "action latent"] | None:
        """Of the feedback on the latent's error, if the plan has one."""
        return None if self.plan.gains is None else self.plan.gains[self.steps_ahead]

    @property
    def tick(self) -> int:
        """At which the row is due."""
        return self.plan.start_tick + self.steps_ahead

    @property
    def age(self) -> int:
        """Ticks since the observation that its latent rests on."""
        return self.tick - (self.plan.observation_tick if self.rolled_at is None else self.rolled_at)

    @property
    def steps_predicted(self) -> int:
        """Steps of the dynamics from where its prediction starts."""
        return self.steps_ahead if self.rolled_at is None else self.age


class ActionQueue:
    """Rows by tick. A newer plan replaces everything from its start on; what lies before that stays.

    Args:
        is_ensemble: Whether an action is the mean of all plans' for its tick (ACT, arXiv 2304.13705, algorithm 2).
    """

    def __init__(self, *, is_ensemble: bool = False) -> None:
        self._rows: dict[int, QueuedAction] = {}
        self._is_ensemble = is_ensemble

    def merge(self, plan: Plan, now_tick: int) -> int:
        """Take over the rows of `plan` for `now_tick` and later; returns how many that were."""
        first = max(plan.start_tick, now_tick)
        taken = {
            tick: QueuedAction(plan.actions[i], plan.latents[i], i, plan)
            for i in range(first - plan.start_tick, len(plan.actions))
            for tick in (plan.start_tick + i,)
        }
        if self._is_ensemble:
            taken = {tick: _mean(self._rows.get(tick), row) for tick, row in taken.items()}
        if taken:
            self._rows = {tick: row for tick, row in self._rows.items() if tick < first} | taken
        return len(taken)

    def at(self, tick: int) -> QueuedAction | None:
        """The row for `tick`; None where there is none."""
        return self._rows.get(tick)

    def discard_before(self, tick: int) -> None:
        """Forget rows whose tick has passed."""
        self._rows = {t: row for t, row in self._rows.items() if t >= tick}

    def discard_unpredicted(self) -> None:
        """Forget rows of plans that predict nothing."""
        self._rows = {t: row for t, row in self._rows.items() if row.plan.predicts}

    def following(self, tick: int, max_steps_ahead: int) -> list[QueuedAction]:
        """The unbroken run of rows right after `tick`, up to the first one further from its plan's start than that."""
        rows: list[QueuedAction] = []
        while (row := self.at(tick + 1 + len(rows))) is not None and row.steps_ahead <= max_steps_ahead:
            rows.append(row)
        return rows

    def replace(self, rows: Iterable[QueuedAction]) -> None:
        """Put rows in the place of those for their ticks."""
        self._rows |= {row.tick: row for row in rows}

    def depth_after(self, tick: int) -> int:
        """Rows for ticks later than `tick`."""
        return sum(t > tick for t in self._rows)

    def clear(self) -> None:
        """Drop everything."""
        self._rows.clear()


def _mean(older: QueuedAction | None, row: QueuedAction) -> QueuedAction:
    """The row with the mean action of all plans so far; the i-th oldest one weighs exp(-i * ENSEMBLE_DECAY)."""
    if older is None:
        return row
    weights = np.exp(-ENSEMBLE_DECAY * np.arange(older.plans + 1))
    share = np.float32(weights[-1] / weights.sum())
    return replace(row, action=older.action + share * (row.action - older.action), plans=older.plans + 1)
