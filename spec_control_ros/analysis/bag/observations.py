"""What a recorded robot sensed, to be played back."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from spec_control_ros.analysis.bag.reader import Bag, chosen, namespace_of
from spec_control_ros.analysis.bag_log import stamp_ns
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.observation import Observation


@dataclass(frozen=True, slots=True)
class SensedObservation:
    """An observation with its times."""

    observation: Observation
    time_s: float  # of its arrival, since the first one
    stamp_ns: int  # of the measurement, on the clock of the run


def read_observations(path: Path, namespace: str | None = None) -> list[SensedObservation]:
    """The observations of a bag, in the order of recording, of the robot of a namespace (None: the only one).

    Raises:
        SpecControlError: there is no such bag, it holds no observations there, or those of several robots.
    """
    bag = Bag(path)
    robots: defaultdict[str, list[SensedObservation]] = defaultdict(list)
    first_ns = 0
    for recorded in bag.messages({TOPICS["observation"]}):
        first_ns = first_ns or recorded.time_ns
        try:
            observation = Observation.of_message(recorded.message)
            measured_ns = stamp_ns(recorded.message.header.stamp)
        except (AttributeError, TypeError, ValueError) as error:
            raise SpecControlError(
                f"{path}: an observation is damaged or of another version ({error}), expected ours"
            ) from None
        time_s = max(0.0, (recorded.time_ns - first_ns) / 1e9)
        robots[namespace_of(recorded.topic)].append(SensedObservation(observation, time_s, measured_ns))
    sensed = chosen(path, robots, namespace)
    if sensed is None:
        where = "" if namespace is None else f" in the namespace {namespace}"
        others = sorted(t for t, kind in bag.topics.items() if kind == TOPICS["observation"])
        raise SpecControlError(
            f"{path}: got no observations{where}, expected some; there are {others or 'none'}"
        )
    begin_s = sensed[0].time_s
    return [replace(o, time_s=o.time_s - begin_s) for o in sensed]
