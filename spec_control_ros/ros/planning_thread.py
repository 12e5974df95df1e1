"""A thread that works on the latest request only."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Request = TypeVar("Request")


class PlanningThread(Generic[Request]):
    """Prepares once, then works on requests one at a time; a new one replaces the one that waits.

    Args:
        prepare: Runs in the thread before the first request.
        work: Runs for each request, to completion.
    """

    def __init__(self, prepare: Callable[[], None], work: Callable[[Request], None]):
        self._prepare, self._work = prepare, work
        self._changed = threading.Condition()
        self._waiting: Request | None = None
        self._is_stopping = False
        self.is_ready = threading.Event()
        self.error: Exception | None = None
        self.superseded = 0
        self._thread = threading.Thread(target=self._run, name="planning", daemon=True)

    def start(self) -> None:
        """Start preparing."""
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Work on this next, instead of whatever waits."""
        with self._changed:
            self.superseded += self._waiting is not None
            self._waiting = request
            self._changed.notify()

    def stop(self) -> None:
        """Let the work in hand finish, and end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        try:
            self._prepare()
            self.is_ready.set()
            while (request := self._next()) is not None:
                self._work(request)
        except Exception as error:  # handed to the node's own thread, which raises it
            self.error = error

    def _next(self) -> Request | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._is_stopping)
            request, self._waiting = self._waiting, None
            return None if self._is_stopping else request
