"""What a recorded robot sensed, to be played back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.errors import BagError
from spec_control_ros.core.observation import Observation


@dataclass(frozen=True, slots=True)
class SensedObservation:
    """An observation with its times."""

    observation: Observation
    time_s: float  # of its arrival, since the first one
    stamp_ns: int  # of the measurement, on the clock of the run


def read_observations(path: Path, namespace: str = "") -> list[SensedObservation]:
    """The observations of a bag, in the order of recording.

    Args:
        path: of the bag.
        namespace: of the robot, as in `/left`; empty where topics have none.

    Raises:
        BagError: there is no such bag, or it holds no observations there.
    """
    bag, topic, sensed = Bag(path), f"{namespace.rstrip('/')}/observation", []
    first_ns = 0
    for recorded in bag.messages({TOPICS["observation"]}):
        if recorded.topic != topic:
            continue
        first_ns = first_ns or recorded.time_ns
        m, stamp = recorded.message, recorded.message.header.stamp
        sensed.append(
            SensedObservation(
                Observation(m.epoch, m.tick, np.array(m.data, np.float32)),
                time_s=max(0.0, (recorded.time_ns - first_ns) / 1e9),
                stamp_ns=stamp.sec * 10**9 + stamp.nanosec,
            )
        )
    if not sensed:
        others = sorted(t for t, kind in bag.topics.items() if kind == TOPICS["observation"])
        raise BagError(f"{path}: got no observations on {topic}, expected some; there are {others or 'none'}")
    return sensed
