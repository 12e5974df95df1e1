"""Plant and planner as an executor sees them."""

import itertools
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from ros_support import ACTION, LATENT, OBS, Background, Probe

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

ACCEPT, REPLAN, HOLD = DecisionKind.ACCEPT, DecisionKind.REPLAN, DecisionKind.HOLD
QUEUE = 3
PARAMETERS = {
    "gate.metric": "l2",
    "gate.accept": 100.0,
    "gate.replan": 200.0,
    "executor.plan_wait_s": 1.0,
    "executor.retry_s": 0.05,
    "executor.sensor_timeout_s": 60.0,
    "executor.fault_after_bad_observations": 5,
    "answer_timeout_s": 0.3,
    "supervision.rate": False,  # ticks come as a test makes them
}


class World:
    """The test in their place."""

    process: Background  # the executor, where all tests share one

    def __init__(self, probe: Probe, model: Path) -> None:
        self.probe, self.encode = probe, TDMPC2Format().load_tick_model(model).encode
        self.epoch = 0
        self.answer = Replan.Response(accepted=True)
        self.wrong_plan: dict[str, Any] = {}  # fields of the next plans
        self.is_planning = True
        self.requests: list[Replan.Request] = []
        self.plan_ids = itertools.count(1)
        self.commands = self.probe.hear(msg.Command, "command", LATEST)
        self.status = self.probe.hear_status()
        self.events = self.probe.hear(msg.ReplanEvent, "replan_event")
        self.diagnostics = self.probe.hear_diagnostics("executor")
        self.probe.publisher(msg.Plan, "plan")
        self.probe.publisher(msg.Observation, "observation")

    def offer_replan(self) -> Any:
        """Be the planner."""
        return self.probe.node.create_service(Replan, "replan", self._on_replan)

    def begin(self) -> None:
        """A new epoch, and everything as it should be."""
        self.epoch += 1
        self.answer, self.wrong_plan, self.is_planning = Replan.Response(accepted=True), {}, True

    def observe(self, tick: int, data: Any = None, epoch: int | None = None) -> None:
        """Publish an observation."""
        floats = to_floats(np.full(OBS, 0.1, np.float32)) if data is None else data
        epoch = self.epoch if epoch is None else epoch
        self.probe.publisher(msg.Observation, "observation").publish(
            msg.Observation(epoch=epoch, tick=tick, data=floats)
        )

    def decided(self, tick: int) -> msg.ExecutorStatus:
        """What was decided at a tick of this epoch; its command is the same."""

        def found() -> list[msg.ExecutorStatus]:
            return [s for s in self.status if (s.epoch, s.tick) == (self.epoch, tick)]

        self.probe.until(
            found, lambda: f"no decision for tick {tick} of epoch {self.epoch}: {self.status[-3:]}"
        )
        status = found()[0]
        own = [c for c in self.commands if (c.epoch, c.tick) == (self.epoch, tick)]
        assert [(c.decision, c.plan_id) for c in own[:1]] in ([], [(status.decision, status.plan_id)])
        return status

    def tick(self, tick: int, data: Any = None) -> msg.ExecutorStatus:
        """Observe, and see what is decided."""
        self.observe(tick, data)
        return self.decided(tick)

    def diagnosed(self, **wanted: Any) -> Any:
        """The next diagnostics whose level, message or values are as wanted."""

        def fits(status: Any) -> bool:
            values = {v.key.replace(".", "_"): v.value for v in status.values}
            values |= {"level": status.level, "message": status.message}
            return all(values.get(key) == value for key, value in wanted.items())

        self.diagnostics.clear()
        self.probe.until(
            lambda: any(map(fits, self.diagnostics)),
            lambda: f"waited for {wanted}, got {self.diagnostics[-1:]}",
        )

    def counting(self, cause: str) -> AbstractContextManager[None]:
        """What happens inside is over once the executor has counted a drop."""
        return self.probe.counting(self.diagnostics, f"dropped.{cause}")

    def _on_replan(self, request: Replan.Request, response: Replan.Response) -> Replan.Response:
        self.requests.append(request)
        for field in ("accepted", "plan_id", "message"):
            setattr(response, field, getattr(self.answer, field))
        if response.accepted and self.is_planning:
            self.publish_plan(request)
        return response

    def publish_plan(self, request: Replan.Request, **fields: Any) -> None:
        """Answer a request with a plan, which begins at the latent of the observation and predicts nothing like it."""
        observed = np.array(request.observation, np.float32)
        first = self.encode(observed).tolist() if observed.size else [0.1] * LATENT
        plan = {
            "plan_id": next(self.plan_ids),
            "epoch": request.epoch,
            "start_tick": request.start_tick,
            "observation_tick": request.tick,
            "control_period": 0.05,
            "action_dim": ACTION,
            "latent_dim": LATENT,
            "actions": [0.5] * QUEUE * ACTION,
            "latents": [*first, *[0.1] * QUEUE * LATENT],
            "optimised_horizon": 2,
        }
        self.probe.publisher(msg.Plan, "plan").publish(msg.Plan(**plan | self.wrong_plan | fields))
