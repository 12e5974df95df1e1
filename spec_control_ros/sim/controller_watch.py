"""Whether the node that drives a robot's motors still listens to commands."""

from collections.abc import Mapping

RECORDERS = ("recorder", "rosbag2_recorder")  # ours and ROS's: they hear commands, and drive nothing


class ControllerWatch:
    """Notices that the controller went away, or was replaced, among all that listen to its topic.

    ros2_control names a controller's topic after its node. Where no such node listens, every node that does counts,
    but for recorders and hidden ones (their names begin with an underscore, as those of ROS's command-line tools do).
    A controller of ros2_control listens while it is inactive, too: what its node says of its state counts as well.

    Args:
        topic: Absolute name of the command topic.
        node: Absolute name of the controller's node; empty: see above.
    """

    def __init__(self, topic: str, node: str = ""):
        self.node, self._is_given = node or topic.rpartition("/")[0], bool(node)
        # Nodes that listened before, or are not active, as of the last look
        self.missing: tuple[str, ...] = ()
        # As long as its node says nothing else, whoever listens counts as active.
        self._is_active, self._has_changed = True, False
        self.forget()

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes that count as the controller."""
        return tuple(self._known) or (self.node,)

    def forget(self) -> None:
        """Whoever listens at the next look is the controller."""
        self._known: dict[str, set[bytes]] = {}

    def hear_state(self, *, is_active: bool) -> None:
        """The node says that its state has changed: so it has not been active all the time since the last look."""
        self._is_active, self._has_changed = is_active, True

    def look(self, listeners: Mapping[bytes, str]) -> bool:
        """Whether the controller listens and is active, and has been so since the last look.

        `listeners` are the absolute names of the nodes that subscribe to the topic, one for each subscription.
        """
        found: dict[str, set[bytes]] = {}
        for subscription, name in listeners.items():
            own_name = name.rpartition("/")[2]
            if name == self.node or not (own_name.startswith("_") or own_name in RECORDERS):
                found.setdefault(name, set()).add(subscription)
        was_another = bool(self._known) and self.node not in self._known
        if self._is_given or self.node in found or self.node in self._known:
            found = {name: gids for name, gids in found.items() if name == self.node}
            self._known = {name: gids for name, gids in self._known.items() if name == self.node}
        self.missing = tuple(name for name, gids in self._known.items() if gids - found.get(name, set()))
        if self.node in self.missing:
            # Its successor need not say again that it is active: what it said before we heard it is lost
            self._is_active = True
        if was_another and self.node in found:
            self.missing = (self.node,)  # it heard nothing of what was commanded before it came
        if not self.missing and (self._has_changed or not self._is_active):
            self.missing = (f"{self.node} (not active)",)
        self._known |= found
        self._has_changed = False
        return bool(found) and not self.missing
