"""A data set of `spec-control collect` as a bag, for tools that read those: python dataset_to_bag.py DATASET BAG.

`spec-control collect TASK --bag BAG` makes the data set of the bag again.
"""

import sys
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message

from spec_control_interfaces.msg import Command, Decision, Episode, Observation
from spec_control_ros.analysis.bag.writer import BagWriter
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.nodes.recorder import installed_definition
from spec_control_ros.training.episodes import Episodes


def main(dataset: Path, folder: Path) -> None:
    episodes = Episodes.open(dataset)
    arrays, period_s = episodes.arrays, episodes.spec.control_period_s
    now_ns = 0
    with BagWriter(folder, installed_definition) as bag:
        for name in ("observation", "command", "episode"):
            bag.add_topic(f"/{name}", TOPICS[name])

        def say(name: str, message: Any) -> None:
            stamp = message.header.stamp
            stamp.sec, stamp.nanosec = divmod(now_ns, 10**9)
            bag.write(f"/{name}", now_ns, serialize_message(message))

        for index, length in enumerate(arrays.length.tolist()):
            total = 0.0
            for tick in range(length + 1):
                same = {"epoch": index + 1, "tick": tick}
                reward = float(arrays.reward[index, tick - 1]) if tick else 0.0
                total += reward
                standing = {"reward": reward, "episode_return": total, "commanded_ticks": tick}
                end = {"done": tick == length, "control_period": period_s}
                say("episode", Episode(**same, **standing, **end))
                say("observation", Observation(**same, data=arrays.obs[index, tick]))
                if tick < length:
                    action = {"decision": Decision.HOLD, "action": arrays.action[index, tick]}
                    say("command", Command(**same, **action))  # HOLD: no plan of ours made it
                now_ns += round(period_s * 1e9)
    if bag.why_ended:
        raise SpecControlError(bag.why_ended)
    print(f"{len(arrays.length)} episodes of {episodes.spec.task}: {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*map(Path, sys.argv[1:]))
    except SpecControlError as error:
        sys.exit(f"dataset_to_bag.py: {error}")
