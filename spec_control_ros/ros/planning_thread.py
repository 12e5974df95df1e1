"""A thread that does one piece of work after the other."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class PlanningThread(Generic[Job]):
    """Prepares once, then works on what there is to do, to completion.

    Args:
        prepare: Runs in the thread before the first piece of work.
        take: Gives the jobs of the next piece of work; none: nothing waits.
        work: Runs for each piece of work.
    """

    def __init__(
        self,
        prepare: Callable[[], None],
        take: Callable[[], Sequence[Job]],
        work: Callable[[Sequence[Job]], None],
    ):
        self._prepare, self._take, self._work = prepare, take, work
        self._changed = threading.Condition()
        self._is_stopping = False
        self.is_ready = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="planning", daemon=True)

    def start(self) -> None:
        """Start preparing."""
        self._thread.start()

    def alter(self, change: Callable[[], Result]) -> Result:
        """Change what waits, while nothing of it is taken; what the change gives."""
        with self._changed:
            result = change()
            self._changed.notify()
            return result

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
            while jobs := self._next():
                self._work(jobs)
        except Exception as error:  # handed to the node's own thread, which raises it
            self.error = error

    def _next(self) -> Sequence[Job]:
        with self._changed:
            while not self._is_stopping:
                if jobs := self._take():
                    return jobs
                self._changed.wait()
            return ()
