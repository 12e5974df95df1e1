"""Which robot of a bag is meant: each has a namespace of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from spec_control_ros.core.errors import SpecControlError

Robot = TypeVar("Robot")


def namespace_of(topic: str) -> str:
    """The namespace of one of our topics; empty for the root."""
    return topic.rpartition("/")[0]


def chosen(path: Path, robots: Mapping[str, Robot], namespace: str | None) -> Robot | None:
    """The robot of a namespace, or the only one; None where there is none.

    Args:
        path: Path of the bag.
        robots: Robots in the bag, by namespace.
        namespace: Namespace, with or without slashes; None if there should be only one robot.

    Raises:
        SpecControlError: there are several to choose from.
    """
    if namespace is not None:
        robots = {name: robot for name, robot in robots.items() if name.strip("/") == namespace.strip("/")}
    if len(robots) > 1:
        raise SpecControlError(
            f"{path}: got {len(robots)} robots, expected one; choose with --namespace among "
            f"{', '.join(name or '/' for name in sorted(robots))}"
        )
    return next(iter(robots.values()), None)
