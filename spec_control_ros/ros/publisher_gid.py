"""Who has published a message."""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

WITH_INFO = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in ("message", "info")])


def with_publisher(hear: Callable[[Any, bytes], None]) -> Callable[..., None]:
    """A subscription's callback that tells `hear` the message and the id of its publisher; empty if it is not known."""

    def callback(*given: Any) -> None:
        # rclpy's EventsExecutor gives message and info as one tuple, its other executors as two arguments.
        message, info = given[0] if len(given) == 1 else given
        gid = info.get("publisher_gid")
        hear(message, gid["data"] if gid else b"")

    callback.__signature__ = WITH_INFO  # type: ignore[attr-defined]  # by which rclpy knows that it takes the info
    return callback
