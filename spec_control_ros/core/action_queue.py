"""What is left to execute, addressed by tick."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.plan import Plan


@dataclass(frozen=True, slots=True)
class QueuedAction:
    """One row of a plan."""

    action: Float32[np.ndarray, "action"]
    latent: Float32[
        np.ndarray, "latent"
    ]  # predicted for the tick at which the action is due; empty: nothing is
    steps_ahead: int  # ticks after the plan's start
    plan: Plan

    @property
    def gain(self) -> Float32[np.ndarray, "action latent"] | None:
        """Of the feedback on the latent's error, if the plan has one."""
        return None if self.plan.gains is None else self.plan.gains[self.steps_ahead]

    @property
    def tick(self) -> int:
        """At which the row is due."""
        return self.plan.start_tick + self.steps_ahead


class ActionQueue:
    """Rows by tick. A newer plan replaces everything from its start on; what lies before that stays."""

    def __init__(self) -> None:
        self._rows: dict[int, QueuedAction] = {}

    def merge(self, plan: Plan, now_tick: int) -> int:
        """Take over the rows of `plan` for `now_tick` and later; returns how many that were."""
        first = max(plan.start_tick, now_tick)
        taken = {
            tick: QueuedAction(plan.actions[i], plan.latents[i], i, plan)
            for i in range(first - plan.start_tick, len(plan.actions))
            for tick in (plan.start_tick + i,)
        }
        if taken:
            self._rows = {tick: row for tick, row in self._rows.items() if tick < first} | taken
        return len(taken)

    def at(self, tick: int) -> QueuedAction | None:
        """The row for `tick`; None where there is none."""
        return self._rows.get(tick)

    def discard_before(self, tick: int) -> None:
        """Forget rows whose tick has passed."""
        self._rows = {t: row for t, row in self._rows.items() if t >= tick}

    def following(self, tick: int, max_steps_ahead: int) -> list[QueuedAction]:
        """The unbroken run of rows right after `tick`, up to the first one further from its plan's start than that."""
        rows: list[QueuedAction] = []
        while (row := self.at(tick + 1 + len(rows))) is not None and row.steps_ahead <= max_steps_ahead:
            rows.append(row)
        return rows

    def depth_after(self, tick: int) -> int:
        """Rows for ticks later than `tick`."""
        return sum(t > tick for t in self._rows)

    def clear(self) -> None:
        """Drop everything."""
        self._rows.clear()
