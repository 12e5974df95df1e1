"""Runs that were never run."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.evaluation.hil.trace import Trace

PERIOD_S = 0.05
UP, DOWN = 1.5, 0.05


class Run:
    """A run that is told tick by tick: `c` commanded, `h` held, `m` missed; capitals: while it lies on the ground."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.trace = Trace(lambda: self.now_s)

    def episode(
        self, ticks: str, *, epoch: int = 1, is_done: bool = True, unheard: Sequence[int] = ()
    ) -> "Run":
        counts = {"c": 0, "h": 0, "m": 0}
        total = 0.0
        self._episode(epoch, 0, 0.0, total, counts, done=False)
        for tick, letter in enumerate(ticks):
            kind = letter.lower()
            if kind != "m" and tick not in unheard:
                self.decide(tick, DecisionKind.HOLD if kind == "h" else DecisionKind.ACCEPT, epoch=epoch)
            counts[kind] += 1
            reward = DOWN if letter.isupper() else UP
            total += reward
            self.now_s += PERIOD_S
            self._episode(epoch, tick + 1, reward, total, counts, done=is_done and tick == len(ticks) - 1)
        return self

    def decide(self, tick: int, kind: DecisionKind, *, epoch: int = 1, reason: Reason = Reason.NONE) -> None:
        numbers = dict.fromkeys(
            (
                *(
                    "accept_threshold",
                    "replan_threshold",
                    "correction_norm",
                    "queue_depth",
                    "steps_ahead",
                    "plan_id",
                ),
                *("plan_age", "planning_inferences", "waited_inferences", "missed_ticks", "dropped"),
            ),
            0,
        )
        self.trace.add_status(
            SimpleNamespace(
                epoch=epoch,
                tick=tick,
                decision=int(kind),
                reason=int(reason),
                mismatch=float("nan"),
                latency=0.01,
                **numbers,
            )
        )

    def command(self, *action: float) -> None:
        self.trace.add_command(SimpleNamespace(action=list(action)))

    def _episode(
        self, epoch: int, tick: int, reward: float, total: float, counts: dict[str, int], *, done: bool
    ) -> None:
        message: Any = SimpleNamespace(
            epoch=epoch,
            tick=tick,
            seed=10 + epoch,
            reward=reward,
            episode_return=total,
            done=done,
            commanded_ticks=counts["c"],
            held_ticks=counts["h"],
            missed_ticks=counts["m"],
            dropped=0,
            control_period=PERIOD_S,
        )
        self.trace.add_episode(message)
