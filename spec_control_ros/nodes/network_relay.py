"""Network relay node: the network between planner and executor, which fails on demand.

The planner is remapped to `remote/replan` and `remote/plan`; what gets through is passed on.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from rclpy.client import Client
from rclpy.task import Future
from rclpy.timer import Timer

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.bringup.process_faults import REMOTE, Cut, Delay
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.ros.node_runner import ProcessNode, main_of
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.qos import LATEST, STREAM
from spec_control_ros.ros.sole_claim import SoleClaim
from spec_control_ros.sim.faults.schedule import read_faults

USUAL_PERIOD_S = 0.05  # of a tick, until the plant's own is known


@dataclass(frozen=True, slots=True)
class _NetworkRelaySettings(Checked):
    """Parameters of the node."""

    faults: str = setting("", "Fault file")


class _NetworkRelayNode(ProcessNode):
    """Passes requests and plans on, unless a fault has them."""

    def __init__(self) -> None:
        super().__init__("network_relay")
        settings = declare_settings(self, _NetworkRelaySettings)
        self._schedule = read_faults(Path(settings.faults))
        self._epoch = self._tick = 0
        self._period_s = USUAL_PERIOD_S
        self._delays: list[Timer] = []
        self._client: Client = self.create_client(Replan, f"{REMOTE}/replan")
        self._publisher = self.create_publisher(msg.Plan, "plan", LATEST)
        self.create_subscription(msg.Plan, f"{REMOTE}/plan", self._on_plan, LATEST)
        self.create_subscription(msg.Episode, "episode", self._on_episode, STREAM)
        self._ready_timer = self.create_timer(0.05, self._offer_service_once_planner_is_there)
        names = (self.resolve_service_name("replan"), self.resolve_topic_name("plan"))
        self._claim = SoleClaim(self, names, lambda: None, self.fail)

    def _offer_service_once_planner_is_there(self) -> None:
        if self._claim.is_held and self._client.service_is_ready():
            self._ready_timer.cancel()
            self.create_service(Replan, "replan", self._on_replan)

    def _on_episode(self, message: msg.Episode) -> None:
        self._period_s = message.control_period or USUAL_PERIOD_S
        self._note(message.epoch, message.tick)

    async def _on_replan(self, request: Replan.Request, response: Replan.Response) -> Replan.Response:
        # In lockstep the request is what tells the tick for sure.
        self._note(request.epoch, request.tick)
        if self._fault(Cut) is not None:
            await Future()  # never done: nobody answers
        if not self._client.service_is_ready():
            response.message = "the planner is gone"
            return response
        return await self._client.call_async(request)

    def _on_plan(self, message: msg.Plan) -> None:
        if self._fault(Cut) is not None:
            return
        delay = self._fault(Delay)
        if isinstance(delay, Delay) and delay.delay_s:
            timer: Timer = self.create_timer(delay.delay_s, lambda: self._end_delay(timer, message))
            self._delays.append(timer)
        else:
            self._publisher.publish(message)

    def _end_delay(self, timer: Timer, message: msg.Plan) -> None:
        self._delays.remove(timer)
        self.destroy_timer(timer)
        self._publisher.publish(message)

    def _note(self, epoch: int, tick: int) -> None:
        self._epoch, self._tick = max((self._epoch, self._tick), (epoch, tick))

    def _fault(self, kind: type[Fault]) -> Fault | None:
        """That of a kind that is there now."""
        for index, fault in self._schedule.of_episode(self._epoch - 1):
            is_open = isinstance(fault, kind) and fault.when.covers(self._tick, self._period_s)
            draw = random.Random(f"{self._schedule.seed} {self._epoch} {self._tick} {index}").random()
            if is_open and draw < fault.when.probability:
                return fault
        return None


main = main_of(_NetworkRelayNode)


if __name__ == "__main__":
    main()
