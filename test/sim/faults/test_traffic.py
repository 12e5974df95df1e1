"""Which messages get through."""

import numpy as np
import pytest

from spec_control_ros.core.fault import Fault
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.window import Window
from spec_control_ros.sim.faults.schedule import CommandLoss, Duplication, FaultSchedule, Loss, Reordering
from spec_control_ros.sim.faults.traffic import Delivery, Traffic

OBSERVATIONS = [Observation(1, tick, np.zeros(1, np.float32)) for tick in range(6)]
LATER = Window(start_tick=2, duration_ticks=2)


def deliveries(*faults: Fault, seed: int = 0) -> list[Delivery]:
    traffic = Traffic(FaultSchedule(faults), 0.05)
    traffic.begin(seed)
    return [traffic.deliver(o) for o in OBSERVATIONS]


def sent(*faults: Fault) -> tuple[list[int | None], list[list[int]]]:
    """Ticks of the observations that are sent at each tick's beginning and end."""
    made = deliveries(*faults)
    return [d.observation.tick if d.observation else None for d in made], [
        [o.tick for o in d.later] for d in made
    ]


@pytest.mark.parametrize(
    ("faults", "begins", "ends"),
    [
        ((), [0, 1, 2, 3, 4, 5], [[], [], [], [], [], []]),
        ((Loss(LATER),), [0, 1, None, None, 4, 5], [[], [], [], [], [], []]),
        ((Duplication(LATER),), [0, 1, 2, 3, 4, 5], [[], [], [2], [3], [], []]),
        ((Reordering(LATER),), [0, 1, None, None, 4, 5], [[], [], [], [2], [3], []]),
        (
            (Loss(LATER), Duplication(), Reordering(LATER)),
            [0, 1, None, None, 4, 5],
            [[0], [1], [], [], [4], [5]],
        ),
    ],
)
def test_observations_are_sent_as_the_faults_say(
    faults: tuple[Fault, ...], begins: list[int | None], ends: list[list[int]]
) -> None:
    assert sent(*faults) == (begins, ends)


def test_commands_are_lost_in_their_window() -> None:
    assert [d.loses_command for d in deliveries(CommandLoss(LATER))] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_chance_depends_on_the_seed_alone() -> None:
    def lost(seed: int) -> list[bool]:
        return [d.observation is None for d in deliveries(Loss(Window(probability=0.5)), seed=seed)]

    assert lost(1) == lost(1)
    assert any(lost(1) != lost(seed) for seed in range(2, 6))


def test_observation_held_back_does_not_outlive_its_episode() -> None:
    traffic = Traffic(FaultSchedule((Reordering(),)), 0.05)
    for _ in range(2):
        traffic.begin(0)
        assert traffic.deliver(OBSERVATIONS[0]) == Delivery(None)
