"""Which system a process belongs to, and names that only one process of this machine may have."""

import os
import secrets
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from spec_control_ros.core.claim import REMEDY
from spec_control_ros.core.errors import ConflictError

SYSTEM = "SPEC_CONTROL_SYSTEM"  # environment variable: identity of the system that a process belongs to
WHOLE = "(system)"  # in place of a topic: the right to start a whole system in a namespace
BACKLOG = 4096  # of those who only ask who it is


def new_system() -> dict[str, str]:
    """Environment for the processes of one system."""
    return {SYSTEM: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"}


def system_lock(namespace: str) -> ExitStack:
    """The right to start a system in a namespace of the ROS domain that processes join by the environment.

    Raises:
        ConflictError: another one of this machine has it.
    """
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    return lock_names(int(domain) if domain.isdecimal() else 0, [f"{namespace.rstrip('/')}/{WHOLE}"])


def lock_names(domain: int, names: Iterable[str]) -> ExitStack:
    """Names that this process alone has until it closes them, among those of this machine that can hear each other.

    The kernel keeps it, as sockets without a file: it is exact however slowly nodes discover each other, a process that
    hangs keeps its names, and one that is gone, killed or not, has none. Elsewhere than on Linux it holds nothing.

    Raises:
        ConflictError: somebody else has one of them; says who.
    """
    with ExitStack() as held:
        for name in sorted(names if sys.platform == "linux" else ()):  # all in one order: one of two wins
            held.enter_context(_bound(domain, name))
        return held.pop_all()


def process_in_words(pid: int) -> str:
    """A process of this machine, with the command that started it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"process {pid}"
    line = "".join(c if c.isprintable() else "?" for c in " ".join(words).strip())
    return f"process {pid}: {line[:120]}"


def _address(domain: int, name: str) -> str:
    server = os.environ.get("ROS_DISCOVERY_SERVER", "")  # who has another one hears nothing of this one
    return "\0spec_control-" + sha256(f"{domain} {server} {name}".encode()).hexdigest()[:32]


def _bound(domain: int, name: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(_address(domain, name))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise ConflictError(
            f"`{name}` is taken in ROS domain {domain} by {_owner(domain, name)}; {REMEDY}"
        ) from None
    return made


def _owner(domain: int, name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(domain, name))
            pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return "a process that has just ended"
    return process_in_words(pid) if pid else "a process in another container"
