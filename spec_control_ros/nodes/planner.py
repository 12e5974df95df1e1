"""Planner node: service `replan` in, topic `plan` out, for one robot or for several; plans in a thread of its own."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf

from spec_control_interfaces.srv import Replan
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.core.node_settings import PlannerNodeSettings
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_schedule import PlanJob, PlanSchedule
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.planning_monitor import PlanningMonitor
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.lifecycle_node import LifecycleProcessNode
from spec_control_ros.ros.messages import from_replan, to_plan
from spec_control_ros.ros.node_runner import run_node
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.plan_service import PlanService
from spec_control_ros.ros.planning_thread import PlanningThread
from spec_control_ros.ros.real_time import pin_to
from spec_control_ros.ros.robot_finder import RobotFinder
from spec_control_ros.ros.served_fleet import ServedFleet
from spec_control_ros.ros.sole_claim import SoleClaim
from spec_control_ros.ros.steady import every

TURNED_AWAY = ("refused", "overloaded", "too_late")  # what became of requests that nobody can have wanted
WARM_UP_LOOK_S = 0.05  # how often the warm-up is looked at


class PlannerNode(LifecycleProcessNode):
    """Answers at once and plans in its thread; the latest request of a robot wins.

    Args:
        kind: Kind of the planner; None: as the model's card says.
    """

    def __init__(self, kind: PlannerFormat | None = None) -> None:
        super().__init__("planner")
        self._settings = s = declare_settings(self, PlannerNodeSettings, has_more=True)
        self._fleets = {
            name: ServedFleet(self, name, further, None, is_last=False) for name, further in s.fleets.items()
        }
        self._fleets[""] = ServedFleet(self, "", s, kind, is_last=True)
        # Not all CPUs: threads that wait for each other on a busy one make a plan many times slower.
        threads = s.threads or max(1, (os.cpu_count() or 2) // 2)
        self._resources = PlannerResources(s.device, threads)
        for fleet in self._fleets.values():
            fleet.format.check_resources(self._resources)
        for refusal in pin_to(s.cpus):
            self.get_logger().warning(refusal)
        self._plan_ids = 0
        self._slowest_s: dict[str, float] = {}  # from request to plan, by robot, since the last report
        self._diagnostics = Diagnostics(self, "planning")
        self.create_timer(1.0, self._publish_diagnostics)
        if s.autostart:
            self.manage_itself()

    def configure(self) -> None:
        """Load the models and warm them up, in the thread that will plan."""
        self._schedule, self._plan_services = PlanSchedule(self._settings.batch), dict[str, PlanService]()
        self._thread: PlanningThread[PlanJob] = PlanningThread(
            self._prepare, lambda: self._schedule.take(time.monotonic()), self._work
        )
        self._thread.start()
        while not self._thread.is_ready.is_set():
            error = InterruptedError("warm-up") if self.interrupted.is_set() else self._thread.error
            if error is not None:
                self.cleanup()
                raise error
            time.sleep(WARM_UP_LOOK_S)  # an event's wait with a time-out may go by the system clock
        for fleet in self._fleets.values():
            for robot in fleet.seeds:
                self._add_service(robot, fleet)

    def activate(self) -> None:
        """Offer plans, once nobody else does."""
        named = {robot for fleet in self._fleets.values() for robot in fleet.seeds}
        has_patterns = any(fleet.patterns for fleet in self._fleets.values())
        most = self._settings.found_robots if has_patterns else 0
        self._finder = RobotFinder(
            self,
            lambda robot: robot not in named and self._fleet_of(robot) is not None,
            (most, self._settings.found_grace_s),
            self._serve_found,
            self._release_found,
        )
        self._claimed = set(named)
        self._why_not_offered = "waiting until it is certain that no other planner claims `replan` and `plan`"
        names = [name for robot in named for name in self._plan_services[robot].names]
        self._claim = SoleClaim(self, names, lambda: None, self.fail, self.joined_s)
        self._watch = self.create_timer(0.1, self._end_on_thread_error)
        self._offer_timer = self.create_timer(0.05, self._offer_once_alone)

    def deactivate(self) -> None:
        """Offer plans no more; those that are being made are still published."""
        for timer in (self._watch, self._offer_timer):
            self.destroy_timer(timer)
        self._finder.stop()
        self._claim.release()
        for service in self._plan_services.values():
            service.withdraw()

    def cleanup(self) -> None:
        """Let the thread finish, and free the models."""
        self._thread.stop()
        for service in self._plan_services.values():
            service.close()
        self._plan_services = {}
        for fleet in self._fleets.values():
            fleet.fleet = None
        del self._thread

    def _prepare(self) -> None:
        batch, found = self._settings.batch, self._settings.found_robots
        specs = [fleet.load(self._resources, batch, found).spec for fleet in self._fleets.values()]
        # A plan that is made ahead may take as long as a queue lasts; no queue lasts longer.
        objective_s = self._settings.slo_s or min(s.queue_length * s.control_period_s for s in specs)
        self._monitor = PlanningMonitor(objective_s or inf)

    def _add_service(self, robot: str, fleet: ServedFleet) -> None:
        assert fleet.fleet is not None  # it is loaded
        accept, refused = partial(self._accept, robot, fleet), partial(self._count, robot, "refused")
        self._plan_services[robot] = PlanService(self, robot, fleet.fleet.spec, accept, refused)

    def _fleet_of(self, robot: str) -> ServedFleet | None:
        fleets = self._fleets.values()
        named = (fleet for fleet in fleets if robot in fleet.seeds)
        return next(named, None) or next((fleet for fleet in fleets if fleet.seeks(robot)), None)

    def _serve_found(self, robot: str) -> None:
        if robot not in self._plan_services and (fleet := self._fleet_of(robot)) is not None:
            fleet.add(robot)
            self._add_service(robot, fleet)
        self._claimed.add(robot)
        self._offer_timer.reset()

    def _release_found(self, robot: str) -> bool:
        """Serve a robot no more; False while its last plan is being made."""
        self._claimed.discard(robot)
        if (service := self._plan_services.get(robot)) is None:
            return True
        service.withdraw()
        if not self._thread.alter(lambda: self._schedule.forget(robot)):
            return False
        self._plan_services.pop(robot).close()
        self._monitor.forget(robot)
        self._slowest_s.pop(robot, None)
        if (fleet := self._fleet_of(robot)) is not None:
            fleet.remove(robot)
        return True

    def _offer_once_alone(self) -> None:
        if not self._claim.is_held:
            return
        whys = [self._plan_services[robot].offer_once_alone() for robot in self._claimed]
        self._why_not_offered = "; ".join(filter(None, whys))
        if not self._why_not_offered:
            self._offer_timer.cancel()

    def _end_on_thread_error(self) -> None:
        if self._thread.error is not None:
            self.fail(self._thread.error)

    def _accept(self, robot: str, fleet: ServedFleet, request: Replan.Request) -> tuple[int, str]:
        assert fleet.fleet is not None  # the service is offered after it was loaded
        self._plan_ids += 1
        job = PlanJob(
            robot,
            fleet.name,
            from_replan(request),
            fleet.fleet.spec.control_period_s,
            time.monotonic(),
            request.deadline,
            self._plan_ids,
        )
        refusal = self._thread.alter(lambda: self._schedule.submit(job))
        return (0, refusal) if refusal else (job.plan_id, "")

    def _count(self, robot: str, what: str) -> None:
        self._schedule.counts[robot][what] += 1

    def _work(self, jobs: Sequence[PlanJob]) -> None:
        """Plan for jobs of one fleet."""
        fleet, start_s = self._fleets[jobs[0].fleet], time.monotonic()
        assert fleet.fleet is not None  # it is freed after the thread has ended
        self._monitor.begin(start_s)
        objective = fleet.objective
        made = fleet.fleet.plan([job.robot for job in jobs], [job.request for job in jobs])
        took_s = time.monotonic() - start_s
        for job, plan in zip(jobs, made, strict=True):
            self._count(job.robot, self._outcome(job, plan, took_s, is_outdated=objective != fleet.objective))
        self._monitor.end()
        now_s = time.monotonic()
        self._thread.alter(lambda: self._schedule.done(fleet.name, len(jobs), now_s, now_s - start_s))

    def _outcome(self, job: PlanJob, made: Plan | PlanningError, took_s: float, *, is_outdated: bool) -> str:
        """Publish what was made, where it can be; what became of it."""
        if isinstance(made, PlanningError):
            self.get_logger().error(f"plan {job.plan_id}: {made}", **every(1.0))
            self._monitor.note_failure(job.robot)
            return "failed"
        if is_outdated:
            return "outdated"  # the executor has dropped its queue, and asks again
        self._monitor.note(took_s, job.robot)
        plan = replace(made, plan_id=job.plan_id, planning_time_s=took_s)
        message = to_plan(plan, job.request.reason, self.get_clock().now().to_msg())
        self._plan_services[job.robot].publish(message)
        waited_s = time.monotonic() - job.received_s
        self._slowest_s[job.robot] = max(waited_s, self._slowest_s.get(job.robot, 0.0))
        return "published"

    def _publish_diagnostics(self) -> None:
        health = Health(Finding(Level.WARN, self.state), {})
        if self.state == "active":
            planning = self._monitor.health(time.monotonic(), self._turned_away())
            refused = ", ".join(self._finder.refused[:5])
            finding = planning.finding.worsened(Level.WARN, f"not served: {refused}" if refused else "")
            finding = finding.worsened(Level.WARN, self._why_not_offered)
            health = Health(finding, self._of_robots() | planning.values)
        self._diagnostics.publish(health)

    def _turned_away(self) -> dict[str, int]:
        counts = {robot: self._schedule.counts[robot] for robot in self._plan_services}
        return {robot: sum(own[what] for what in TURNED_AWAY) for robot, own in counts.items()}

    def _of_robots(self) -> dict[str, object]:
        """What became of the requests of all robots, and planners' statistics; of each where there are several."""
        counts = {robot: Counter(self._schedule.counts[robot]) for robot in self._plan_services}
        values: dict[str, object] = {"superseded": 0, **sum(counts.values(), Counter())}
        for robot, own in counts.items():
            fleet = self._fleet_of(robot)
            statistics = {} if fleet is None else fleet.statistics(robot)
            if len(counts) == 1 and fleet is not None and robot in fleet.seeds:
                return values | statistics
            slowest = {"slowest_s": f"{self._slowest_s.pop(robot, 0.0):.4f}"}
            values |= {f"{robot}.{name}": value for name, value in {**own, **statistics, **slowest}.items()}
        return values


def main(kind: PlannerFormat | None = None) -> None:
    """Run the node.

    Args:
        kind: Kind of the planner; None: as the model's card says.
    """
    sys.exit(run_node(lambda: PlannerNode(kind)))


if __name__ == "__main__":
    main()
