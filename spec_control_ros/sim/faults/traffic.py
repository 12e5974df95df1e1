"""Faults of the messages between plant and executor: lost, doubled, out of order."""

from dataclasses import dataclass

from spec_control_ros.core.fault import Fault
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.window import Chance
from spec_control_ros.sim.faults.schedule import CommandLoss, Duplication, FaultSchedule, Loss, Reordering


@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of a tick's messages."""

    # Sent when the tick begins; None: nothing is, and no command answers
    observation: Observation | None
    later: tuple[Observation, ...] = ()  # sent when the tick ends
    loses_command: bool = False


class Traffic:
    """Which observations and commands get through, and when.

    It depends on the schedule, the episode's seed and its number alone. Kinds of faults that others apply are ignored.
    """

    def __init__(self, schedule: FaultSchedule, period_s: float):
        self._schedule, self._period_s = schedule, period_s
        self._episodes = 0
        self._chances: list[tuple[Fault, Chance]] = []
        self._held_back: Observation | None = None

    def begin(self, seed: int) -> None:
        """An episode begins."""
        self._chances = [
            (fault, Chance(fault.when, self._period_s, f"{self._schedule.seed} {seed} {index}"))
            for index, fault in self._schedule.of_episode(self._episodes)
        ]
        self._episodes += 1
        self._held_back = None

    def take_back(self) -> None:
        """The episode that has begun does not count: the next one has its number."""
        self._episodes -= 1

    def deliver(self, observation: Observation) -> Delivery:
        """What becomes of the messages of the tick that begins with `observation`; to be asked once a tick."""
        there = {type(fault) for fault, chance in self._chances if chance.draw(observation.tick)}
        later, self._held_back = self._held_back, None
        sent: Observation | None = observation
        if Loss in there:
            sent = None
        elif Reordering in there:
            sent, self._held_back = None, observation
        doubled = sent if Duplication in there else None
        return Delivery(sent, tuple(filter(None, (later, doubled))), CommandLoss in there)
