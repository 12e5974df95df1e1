"""What `spec-control run` and `hil` do to processes while they run."""

from collections.abc import Iterator
from contextlib import contextmanager

from spec_control_ros.bringup.process_faults import Crash, ProcessFault, ProcessFaultInjector, injecting
from spec_control_ros.bringup.supervisor import Supervisor
from spec_control_ros.evaluation.hil.trace import Trace
from spec_control_ros.sim.faults.schedule import FaultSchedule


class Disturbance:
    """The process faults of a schedule, applied to a running system.

    Args:
        schedule: Schedule of faults; kinds that others apply are ignored.
        trace: Tells the present episode and tick.
    """

    def __init__(self, schedule: FaultSchedule, trace: Trace):
        self._schedule, self._trace = schedule, trace
        self._supervisor: Supervisor | None = None

    @property
    def crashes_planner(self) -> bool:
        """Whether the planner has to be started again."""
        return any(isinstance(fault, Crash) for fault in self._schedule.faults)

    @property
    def restarts(self) -> int:
        """Of all processes, so far."""
        return sum(child.restarts for child in self._supervisor.children) if self._supervisor else 0

    @contextmanager
    def applied(self, supervisor: Supervisor) -> Iterator[None]:
        """Disturb the supervisor's processes."""
        self._supervisor = supervisor
        injector = ProcessFaultInjector(
            self._faults_of, supervisor.send, lambda: self._trace.place, self._schedule.seed
        )
        with injecting(injector):
            yield

    def _faults_of(self, episode: int) -> list[tuple[int, ProcessFault]]:
        return [(i, f) for i, f in self._schedule.of_episode(episode) if isinstance(f, ProcessFault)]
