"""Planner node: service `replan` in, topic `plan` out; plans in a thread of its own."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np
from rclpy.service import Service

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.core.planner import ChangeablePlanner
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources, refuse_unheard_changes
from spec_control_ros.core.planning_monitor import PlanningMonitor
from spec_control_ros.core.settings import check, replaced, setting
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.heartbeat import Heartbeat
from spec_control_ros.ros.lifecycle_node import LifecycleProcessNode
from spec_control_ros.ros.messages import from_replan, to_plan
from spec_control_ros.ros.node_runner import run_node
from spec_control_ros.ros.parameters import LiveParameters, declare_settings
from spec_control_ros.ros.planning_thread import PlanningThread
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.real_time import cpus_of, pin_to
from spec_control_ros.ros.sole_claim import SoleClaim, stranger_offering
from spec_control_ros.ros.steady import every
from spec_control_ros.ros.tick_model_loading import format_of, model_folder

WARM_UP_LOOK_S = 0.05  # how often the warm-up is looked at


@dataclass(frozen=True, slots=True)
class PlannerNodeSettings:
    """Parameters of the node; those of the planner itself lie below `planner.`, as its kind has them."""

    model: str = setting("humanoid-walk", "Name of a shipped model, or path of a model folder")
    device: str = setting("cpu", "Torch device to plan on: cpu, cuda, cuda:1, ...")
    threads: int = setting(0, "CPU threads to plan with; 0: half of the CPUs", low=0, high=1024)
    task_index: int = setting(
        -1, "Task of a multi-task model; -1: the one that its card names", low=-1, high=10_000
    )
    cpus: str = setting("", "CPUs to run on, as in 2,3 or 2-5; empty: all")
    slo_s: float = setting(
        0.0,
        "A plan that takes longer misses the planner's objective (s); 0: the duration of a queue",
        low=0.0,
    )
    autostart: bool = setting(True, "Whether the node configures and activates itself")

    def __post_init__(self) -> None:
        check(self)
        cpus_of(self.cpus)


@dataclass(frozen=True, slots=True)
class _PlanningJob:
    """A request with what the node adds to it."""

    request: PlanRequest
    plan_id: int
    deadline_s: float  # the plan is of no use that long after it was asked for; 0: no deadline
    received_s: float  # monotonic


class PlannerNode(LifecycleProcessNode):
    """Answers at once and plans in its thread; the latest request wins.

    Args:
        kind: Kind of the planner; None: as the model's card says.
    """

    def __init__(self, kind: PlannerFormat | None = None) -> None:
        super().__init__("planner")
        self._settings = declare_settings(self, PlannerNodeSettings, has_more=True)
        self._format = kind or format_of(self._settings.model)
        self._planner_settings: Any = declare_settings(self, self._format.settings, "planner.")
        self._objective = 0  # counts what live parameters have changed
        LiveParameters(self, self._planner_settings, self._prepare_change, "planner.")
        # Not all CPUs: threads that wait for each other on a busy one make a plan many times slower.
        threads = self._settings.threads or max(1, (os.cpu_count() or 2) // 2)
        self._resources = PlannerResources(self._settings.device, threads)
        self._format.check_resources(self._resources)
        for refusal in pin_to(self._settings.cpus):
            self.get_logger().warning(refusal)
        self._plan_ids = 0
        self._counts: Counter[str] = Counter()
        self._offer: Service | None = None
        self._diagnostics = Diagnostics(self, "planning")
        self.create_timer(1.0, self._publish_diagnostics)
        if self._settings.autostart:
            self.manage_itself()

    def configure(self) -> None:
        """Load the model and warm it up, in the thread that will plan."""
        self._thread: PlanningThread[_PlanningJob] = PlanningThread(self._prepare, self._work)
        self._plan_publisher = self.create_publisher(msg.Plan, "plan", LATEST)
        self._thread.start()
        while not self._thread.is_ready.is_set():
            error = InterruptedError("warm-up") if self.interrupted.is_set() else self._thread.error
            if error is not None:
                self.cleanup()
                raise error
            time.sleep(WARM_UP_LOOK_S)  # an event's wait with a time-out may go by the system clock

    def activate(self) -> None:
        """Offer plans, once nobody else does."""
        names = (self.resolve_service_name("replan"), self.resolve_topic_name("plan"))
        self._claim = SoleClaim(self, names, lambda: None, self.fail, self.joined_s)
        self._watch = self.create_timer(0.1, self._end_on_thread_error)
        self._offer_timer = self.create_timer(0.05, self._offer_once_alone)

    def deactivate(self) -> None:
        """Offer plans no more; one that is being made is still published."""
        for timer in (self._watch, self._offer_timer):
            self.destroy_timer(timer)
        self._claim.release()
        if self._offer is not None:
            self._heartbeat.stop()
            self.destroy_service(self._offer)
            self._offer = None

    def cleanup(self) -> None:
        """Let the thread finish, and free the model."""
        self._thread.stop()
        self.destroy_publisher(self._plan_publisher)
        del self._thread

    def _prepare(self) -> None:
        folder = model_folder(self._settings.model)
        task = None if self._settings.task_index < 0 else self._settings.task_index
        self._planner = self._format.load_planner(folder, self._planner_settings, self._resources, task)
        refuse_unheard_changes(self._planner, self._planner_settings)
        self._planner.warm_up()
        # A plan that is made ahead may take as long as a queue lasts; no queue lasts longer.
        spec = self._planner.spec
        objective_s = self._settings.slo_s or spec.queue_length * spec.control_period_s
        self._monitor = PlanningMonitor(objective_s or inf)
        self.get_logger().info(f"{spec.name}: warm, on {self._settings.device}")

    def _offer_once_alone(self) -> None:
        # The service is the sign of readiness: nobody is accepted before the first plan would be quick.
        if not self._claim.is_held:
            return
        if (other := stranger_offering(self, "replan")) is not None:
            self.get_logger().warning(
                f"another planner, {other}, offers `replan`: waiting until it is gone", **every(5.0)
            )
            return
        self._offer_timer.cancel()
        self._offer = self.create_service(Replan, "replan", self._on_replan)
        self._heartbeat = Heartbeat(self)

    def _end_on_thread_error(self) -> None:
        if self._thread.error is not None:
            self.fail(self._thread.error)

    def _on_replan(self, request: Replan.Request, response: Replan.Response) -> Replan.Response:
        response.message = self._objection(request)
        response.accepted = not response.message
        if response.accepted:
            self._plan_ids += 1
            response.plan_id = self._plan_ids
            job = _PlanningJob(from_replan(request), self._plan_ids, request.deadline, time.monotonic())
            self._thread.submit(job)
        else:
            self._counts["refused"] += 1
        return response

    def _objection(self, request: Replan.Request) -> str:
        """Why a request cannot be planned for; empty if it can."""
        spec, is_prefetch = self._planner.spec, len(request.latent) > 0
        name, values, size = ("an observation", request.observation, spec.obs_dim)
        if is_prefetch:
            name, values, size = ("a latent", request.latent, spec.latent_dim)
        if request.reason not in set(Reason):
            return f"got reason {request.reason}, expected one of {', '.join(map(str, map(int, Reason)))}"
        if is_prefetch and len(request.observation):
            return "got an observation and a latent, expected one of them"
        if len(values) != size:
            return f"got {name} of {len(values)} values, expected {size}"
        if not np.isfinite(values).all():
            return f"got {name} with non-finite values"
        if is_prefetch and request.start_tick <= request.tick:
            return f"got start_tick {request.start_tick}, expected more than its tick {request.tick}"
        if not is_prefetch and request.start_tick != request.tick:
            return f"got start_tick {request.start_tick}, expected the observation's tick {request.tick}"
        if not 0.0 <= request.deadline < float("inf"):
            return f"got a deadline of {request.deadline} s, expected 0 (none) or more"
        return ""

    def _prepare_change(self, values: dict[str, float]) -> Callable[[], None]:
        settings = replaced(self._planner_settings, values)

        def make() -> None:
            self._planner_settings = settings
            self._objective += 1
            if self.state in ("inactive", "active") and isinstance(self._planner, ChangeablePlanner):
                self._planner.change(settings)

        return make

    def _work(self, job: _PlanningJob) -> None:
        request, start_s, objective = job.request, time.monotonic(), self._objective
        if job.deadline_s and start_s - job.received_s > job.deadline_s:
            self._counts["too_late"] += 1
            return
        try:
            made = self._planner.plan(request)
        except PlanningError as error:
            self.get_logger().error(f"plan {job.plan_id}: {error}", **every(1.0))
            self._counts["failed"] += 1
            self._monitor.note_failure()
            return
        if objective != self._objective:
            self._counts["outdated"] += 1  # the executor has dropped its queue, and asks again
            return
        planning_time_s = time.monotonic() - start_s
        self._monitor.note(planning_time_s)
        plan = replace(made, plan_id=job.plan_id, planning_time_s=planning_time_s)
        self._plan_publisher.publish(to_plan(plan, request.reason, self.get_clock().now().to_msg()))
        self._counts["published"] += 1

    def _publish_diagnostics(self) -> None:
        health = Health(Finding(Level.WARN, self.state), {})
        if self.state == "active":
            planning = self._monitor.health()
            own = {"superseded": self._thread.superseded, **self._planner.statistics()}
            health = Health(planning.finding, {**self._counts, **own, **planning.values})
        self._diagnostics.publish(health)


def main(kind: PlannerFormat | None = None) -> None:
    """Run the node.

    Args:
        kind: Kind of the planner; None: as the model's card says.
    """
    sys.exit(run_node(lambda: PlannerNode(kind)))


if __name__ == "__main__":
    main()
