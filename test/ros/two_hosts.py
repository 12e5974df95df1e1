"""Two hosts on this machine, with a link between them that delays, loses and can be cut."""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ros_support import ROOT

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PACKET = 65_536
OWN_PROCESS = "SPEC_CONTROL_TEST_OWN_PROCESS"
starts_own_process = pytest.mark.skipif(OWN_PROCESS in os.environ, reason="is what started this process")
needs_own_process = pytest.mark.skipif(OWN_PROCESS not in os.environ, reason="runs in a process of its own")


class Host:
    """A network namespace with one interface."""

    def __init__(self, name: str, interface: str, address: str):
        self.name, self.address, self._interface = name, address, interface
        _ip("netns", "add", name)

    @property
    def command(self) -> list[str]:
        """Put before a command, it runs there."""
        return ["ip", "netns", "exec", self.name]

    def connect(self) -> int:
        """Give it its interface; returns the other end, where its packets come out."""
        wire = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(wire, TUNSETIFF, struct.pack("16sH", self._interface.encode(), IFF_TUN | IFF_NO_PI))
        _ip("link", "set", self._interface, "netns", self.name)
        for words in (
            ("addr", "add", f"{self.address}/24", "dev", self._interface),
            ("link", "set", self._interface, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", self.name, *words)
        return wire

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread, and threads that it starts, open inside are that host's."""
        with Path("/proc/thread-self/ns/net").open() as own, Path(f"/run/netns/{self.name}").open() as other:
            _enter(other.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def remove(self) -> None:
        """It was never there."""
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)


class Link(threading.Thread):
    """Carries packets between the ends of two wires.

    Args:
        ends: of the wires.
        delay_s: of every packet.
        loss: part of the packets that get lost.
    """

    def __init__(self, ends: tuple[int, int], delay_s: float, loss: float):
        super().__init__(daemon=True)
        self._other = dict(zip(ends, reversed(ends), strict=True))
        self._delay_s, self._loss = delay_s, loss
        self._random = random.Random(0)
        self._is_over = threading.Event()
        self.is_cut = False
        self.carried = 0

    def run(self) -> None:
        """Until it is stopped."""
        under_way: list[tuple[float, int, int, bytes]] = []
        while not self._is_over.is_set():
            wait_s = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.05
            for end in select.select(list(self._other), [], [], wait_s)[0]:
                packet = os.read(end, PACKET)
                self.carried += 1
                if not self.is_cut and self._random.random() >= self._loss:
                    arrival_s = time.monotonic() + self._delay_s
                    heapq.heappush(under_way, (arrival_s, self.carried, self._other[end], packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(under_way)
                with suppress(OSError):  # a full queue loses packets, as anywhere
                    os.write(end, packet)

    def stop(self) -> None:
        """End it, and the wires with it."""
        self._is_over.set()
        self.join()
        for end in self._other:
            os.close(end)


@contextmanager
def two_hosts(delay_s: float, loss: float) -> Iterator[tuple[Host, Host, Link]]:
    """Two hosts and their link; the test is skipped where namespaces are not permitted."""
    number = os.getpid() % 10_000
    hosts: list[Host] = []
    try:
        try:
            hosts += [
                Host(f"spec{side}{number}", f"sc{side}{number}", f"10.77.0.{i}")
                for i, side in enumerate("ab", 1)
            ]
            ends = (hosts[0].connect(), hosts[1].connect())
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces with TUN interfaces are not permitted here: {error}")
        link = Link(ends, delay_s, loss)
        link.start()
        try:
            yield (*hosts, link)
        finally:
            link.stop()
    finally:
        for host in hosts:
            host.remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def in_own_process(folder: Path, *words: str) -> None:
    """Run these tests (pytest's words) once more, in another process: the ones that `needs_own_process` marks.

    DDS remembers the interfaces that a process had: what comes after in this one would look for those in vain.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *words]
    done = subprocess.run(
        [*command, "--basetemp", str(folder / "inner")],
        env={**os.environ, OWN_PROCESS: "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "not permitted here" in done.stdout:
        pytest.skip("network namespaces are not permitted here")
    assert done.returncode == 0, done.stdout + done.stderr
