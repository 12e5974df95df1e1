"""The robots that a planner node serves with one model, as its parameters have them."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher

from spec_control_ros.core.fleet import Fleet, is_pattern, robots_in
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.settings import live_fields, replaced
from spec_control_ros.ros.lifecycle_node import LifecycleProcessNode
from spec_control_ros.ros.parameters import LiveParameters, declare_settings
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.world_model.card import model_folder, named_format


class ServedFleet:
    """A fleet as the node's parameters have it; its planner is there once it is loaded.

    Args:
        node: Node whose parameters are declared.
        name: Name of the fleet; empty: the one of the node's own parameters.
        settings: `FleetSettings`, or the node's own settings, which have the same fields.
        kind: Kind of the planner; None: as the model's card says.
        is_last: Whether no more parameters of the node follow.
    """

    def __init__(
        self,
        node: LifecycleProcessNode,
        name: str,
        settings: Any,
        kind: PlannerFormat | None,
        *,
        is_last: bool,
    ):
        self._node, self.name, self._settings = node, name, settings
        robots = robots_in(settings.robots) or {"": None}
        self.seeds = {robot: seed for robot, seed in robots.items() if not is_pattern(robot)}
        self.patterns = {robot: seed for robot, seed in robots.items() if is_pattern(robot)}
        self.format = kind or named_format(settings.model)
        prefix = f"fleets.{name}.planner." if name else "planner."
        self._planner_settings: Any = declare_settings(
            node, self.format.settings, prefix, has_more=not is_last
        )
        self.objective = 0  # counts what live parameters have changed
        self.fleet: Fleet | None = None
        LiveParameters(node, self._planner_settings, self._prepare_change, prefix)
        self._prefix = prefix
        self._changes: dict[str, Publisher] = {}  # by robot
        self._changed: set[str] = set()  # names of the planner's parameters, since the start
        self._told = self._event()
        for robot in self.seeds:
            self._hear_changes(robot)

    def seeks(self, robot: str) -> bool:
        """Whether a pattern is for a robot of this namespace."""
        return any(fnmatchcase(robot, pattern) for pattern in self.patterns)

    def statistics(self, robot: str) -> dict[str, object]:
        """What diagnostics are to show of a robot's last plan."""
        return {} if self.fleet is None else self.fleet.statistics(robot)

    def add(self, robot: str) -> None:
        """Plan for a robot that was found, too."""
        assert self.fleet is not None  # robots are looked for when it is loaded
        pattern = next(pattern for pattern in self.patterns if fnmatchcase(robot, pattern))
        self.fleet.add(robot, self.patterns[pattern])
        self._hear_changes(robot)

    def remove(self, robot: str) -> None:
        """Plan no more for a robot that was found."""
        if self.fleet is not None:
            self.fleet.remove(robot)
        if (publisher := self._changes.pop(robot, None)) is not None:
            self._node.destroy_publisher(publisher)

    def load(self, resources: PlannerResources, batch: int, found: int) -> Fleet:
        """Load the model and warm the planner up; `found`: how many robots may be found."""
        folder, task = model_folder(self._settings.model), self._settings.task_index
        self.fleet = Fleet(
            lambda settings: self.format.load_planner(
                folder, settings, resources, None if task < 0 else task
            ),
            self._planner_settings,
            self.seeds,
        )
        logger, name = self._node.get_logger(), self.fleet.spec.name
        together = min(batch, len(self.seeds) + (found if self.patterns else 0))
        if together > 1 and not self.fleet.check_batches(together):
            logger.warning(
                f"{name}: plans one request at a time: in batches, plans are not the same to the last bit"
            )
        logger.info(f"{name}: warm, on {resources.device}")
        return self.fleet

    def _hear_changes(self, robot: str) -> None:
        if robot and live_fields(self._planner_settings):
            self._changes[robot] = self._node.create_publisher(ParameterEvent, f"{robot}/parameters", LATEST)
            self._changes[robot].publish(self._told)

    def _prepare_change(self, values: dict[str, float]) -> Callable[[], None]:
        settings = replaced(self._planner_settings, values)
        changed = {
            n for n, value in values.items() if value != self._node.get_parameter(self._prefix + n).value
        }

        def make() -> None:
            self._planner_settings = settings
            if self._node.state in ("inactive", "active") and self.fleet is not None:
                self.fleet.change(settings)
            self._changed |= changed
            self._tell_robots()
            self.objective += 1  # after the change: a plan that began before it must not pass for a new one

        return make

    def _tell_robots(self) -> None:
        """Executors drop what was planned before; they hear their own namespace, where this node has no parameters."""
        self._told = self._event()
        for publisher in self._changes.values():
            publisher.publish(self._told)

    def _event(self) -> ParameterEvent:
        """All live parameters as they are now, and those of them that have been changed: as `announce` tells them."""
        event = ParameterEvent(node=self._node.get_fully_qualified_name())
        event.stamp = self._node.get_clock().now().to_msg()
        names = live_fields(self._planner_settings)
        now = {name: self._node.get_parameter(self._prefix + name).value for name in names}
        changed = {name: now[name] for name in sorted(self._changed)}
        event.new_parameters, event.changed_parameters = map(_messages, (now, changed))
        return event


def _messages(values: dict[str, Any]) -> list[ParameterMessage]:
    return [Parameter(f"planner.{name}", value=value).to_parameter_msg() for name, value in values.items()]
