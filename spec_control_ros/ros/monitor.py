"""Listens to a running system and keeps what it reports."""

from rclpy.node import Node

from spec_control_interfaces import msg
from spec_control_ros.analysis.run_log import RunLog, TickRecord
from spec_control_ros.core.decision import Reason
from spec_control_ros.ros.messages import kind_of
from spec_control_ros.ros.qos import RECORD


class Monitor(Node):
    """Fills a `RunLog` from the topics `status` and `episode`."""

    def __init__(self, log: RunLog) -> None:
        super().__init__("monitor")
        self._log = log
        self.create_subscription(msg.ExecutorStatus, "status", self._on_status, RECORD)
        self.create_subscription(msg.Episode, "episode", self._on_episode, RECORD)

    def _on_status(self, message: msg.ExecutorStatus) -> None:
        kind = kind_of(message.decision)
        if kind is None or message.reason not in set(Reason) or message.reason == Reason.SENSOR_SILENT:
            return  # not ours; or said between ticks
        self._log.episode(message.epoch).ticks[message.tick] = TickRecord(
            tick=message.tick,
            decision=kind,
            reason=Reason(message.reason),
            mismatch=message.mismatch,
            accept_threshold=message.accept_threshold,
            replan_threshold=message.replan_threshold,
            queue_depth=message.queue_depth,
            latency_s=message.latency,
            planning_inferences=message.planning_inferences,
            dropped=message.dropped,
        )

    def _on_episode(self, message: msg.Episode) -> None:
        episode = self._log.episode(message.epoch)
        episode.seed = message.seed
        episode.episode_return = message.episode_return
        episode.plant_ticks = message.tick
        episode.commanded_ticks = message.commanded_ticks
        episode.held_ticks = message.held_ticks
        episode.missed_ticks = message.missed_ticks
        episode.plant_dropped = message.dropped
        episode.is_done = message.done
