"""Who gives way when two nodes claim the same names."""

from dataclasses import dataclass

CLEARLY_OLDER_S = 5.0  # a younger claim gives way for sure; of two nearly as old ones, both do


@dataclass(frozen=True, slots=True)
class Claim:
    """What a node wants, or has, for itself alone.

    Attributes:
        id: Unique text.
        node: Fully qualified name of the node.
        system: Identity of the system that started the node; empty: started by hand, it may join any system.
        where: Host and process, in words.
        names: Fully qualified topics and services.
        held_s: Time for which it has been held; None: it is only asked for.
    """

    id: str
    node: str
    system: str
    where: str
    names: frozenset[str]
    held_s: float | None = None

    @property
    def namespace(self) -> str:
        """Of the node."""
        return self.node.rpartition("/")[0]

    def disturbs(self, other: "Claim") -> bool:
        """Whether both cannot be: they share a name, or two systems share a namespace."""
        are_two_systems = bool(self.system and other.system) and self.system != other.system
        return not self.names.isdisjoint(other.names) or (
            are_two_systems and self.namespace == other.namespace
        )

    def gives_way_to(self, other: "Claim") -> bool:
        """Whether this one, of two that disturb each other, has to end.

        One that is held stays, and of two that are asked for all of the same system stay. Where two are held, because
        their nodes could not find each other before, the one that was clearly there first stays.
        """
        if self.held_s is None and other.held_s is None:
            return (self.system, self.id) > (other.system, other.id)
        if self.held_s is None or other.held_s is None:
            return self.held_s is None
        return self.held_s - other.held_s <= CLEARLY_OLDER_S

    def refused_because_of(self, other: "Claim") -> str:
        """The message for the user of the one that gives way."""
        shared = ", ".join(f"`{name}`" for name in sorted(self.names & other.names))
        what = (
            f"has {shared}" if shared else f"is of another system in the namespace {other.namespace or '/'}"
        )
        return f"{self.node}: {other.node} {what} already ({other.where}); {REMEDY}"


REMEDY = "end that one, or give this one another ROS_DOMAIN_ID or namespace"
