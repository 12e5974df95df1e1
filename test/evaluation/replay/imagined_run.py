"""A run of executor and planner that nobody waits for: drawn times, messages lost, late and wrong, and a bag of it.

The clock is the run's own, so that a thousand ticks take a second.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from made_bag import OURS, START_NS, MadeBag, types

from spec_control_ros.bringup.parameter_files import nested
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.decision import Decision, PlanRequest, status_of
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner_format import PlannerResources, find_format
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.world_model.card import folder_card

PERIOD_S, WATCHDOG_S = 0.05, 0.02
SIMULATED_S = 0.5  # between two times of the clock that stamps are of
FROZEN_TICKS = range(2, 12)  # of every epoch in real time
FIRST_S = 1234.5678  # on the executor's monotonic clock

KINDS = ("byte", "bool", "integer", "double", "string")  # of a parameter's value, lists 5 further on

Parameters = dict[str, dict[str, Any]]  # nodes, dotted names


class ImaginedRun:
    """A run under way.

    Args:
        folder: of the model.
        parameters: of the nodes, with dotted names.
        seed: of all that is drawn.
        delay_s: least and largest, of a plan.
        trouble: probability that an observation is lost or wrong, and that a request fails or its plan is wrong.
    """

    def __init__(
        self,
        folder: Path,
        parameters: Parameters,
        seed: int = 0,
        delay_s: tuple[float, float] = (0.005, 0.12),
        trouble: float = 0.1,
    ):
        self.parameters = parameters
        kind = find_format(folder_card(folder)["format"])
        given = {node: nested(values) for node, values in parameters.items()}
        settings = ControllerSettings.of(given, kind.settings)
        law = make_executor(settings.configured(kind.load_parts(folder)))
        self._driver = ExecutorDriver(law, self._publish, self._ask, self._record)
        self._planner = kind.load_planner(folder, settings.planner, PlannerResources())
        self._plan_ids = itertools.count(1)
        self._is_lockstep = parameters.get("sim_bridge", {}).get("mode") == "lockstep"
        self._obs = self._planner.spec.obs_dim
        self._random, self._delay_s, self._trouble = np.random.default_rng(seed), delay_s, trouble
        self._decided = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._now_s = FIRST_S
        self._is_planning, self._waiting = False, None
        self.messages: list[tuple[float, int, str, dict[str, Any]]] = []  # arrival, order, topic, fields
        self._arrived_s: dict[str, float] = {}  # last message, by topic
        self.decisions: list[Decision] = []

    def epochs(self, epochs: int, ticks: int) -> "ImaginedRun":
        """Live through so many."""
        (self._lockstep if self._is_lockstep else self._realtime)(epochs, ticks)
        while self._events:
            self._next()
        return self

    def bag(self, folder: Path, topics: set[str] = frozenset(TOPICS)) -> Path:
        """The bag of it, as a recorder would leave that hears topics in an order of its own."""
        with MadeBag(folder) as bag:
            for node, values in self.parameters.items():
                if "parameters" in topics:
                    bag.say("/parameters", TOPICS["parameters"], **parameter_event(node, values))
            for arrival_s, _, topic, fields in sorted(self.messages, key=lambda message: message[:2]):
                bag.now_ns = START_NS + round((arrival_s - FIRST_S) * 1e9)
                if topic in topics:
                    bag.say(f"/{topic}", TOPICS[topic], **fields)
        return folder

    # --- Time

    def _at(self, time_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._count), do))

    def _next(self) -> None:
        self._now_s, _, do = heapq.heappop(self._events)
        do()

    def _happens(self) -> bool:
        return self._random.random() < self._trouble

    def _realtime(self, epochs: int, ticks: int) -> None:
        start_s = FIRST_S
        for epoch in range(1, epochs + 1):
            for tick in range(ticks):
                late_s = self._random.uniform(0.0, 0.8 * PERIOD_S)
                self._at(start_s + tick * PERIOD_S + late_s, lambda e=epoch, t=tick: self._observe(e, t))
            start_s += ticks * PERIOD_S
            self._at(start_s - PERIOD_S, self._clear_fault)
            self._at(start_s - 5.2 * PERIOD_S, self._lose_planner)
        for i in range(round((start_s - FIRST_S) / WATCHDOG_S)):
            self._at(FIRST_S + i * WATCHDOG_S + self._random.uniform(0.0, 0.002), self._poll)

    def _lockstep(self, epochs: int, ticks: int) -> None:
        for epoch in range(1, epochs + 1):
            for tick in range(ticks):
                self._decided = False
                self._at(self._now_s + 0.001, lambda e=epoch, t=tick: self._observe(e, t))
                while not self._decided:
                    self._at(self._now_s + WATCHDOG_S, self._poll)
                    self._next()

    # --- What comes in

    def _observe(self, epoch: int, tick: int) -> None:
        if not self._is_lockstep and self._happens():
            return
        wrong = not self._is_lockstep and self._happens()
        data = self._random.normal(size=self._obs - wrong).astype(np.float32)
        if not self._is_lockstep and tick in FROZEN_TICKS and not wrong:
            data = np.full(self._obs, 0.5, np.float32)
        same = {"epoch": epoch, "tick": tick}
        self._say("observation", **same, data=data)
        self._driver.give(ExecutorInput.observation(Observation(epoch, tick, data), self._now_s))

    def _poll(self) -> None:
        self._driver.give(ExecutorInput(InputKind.POLL, self._now_s))

    def _clear_fault(self) -> None:
        self._driver.give(ExecutorInput(InputKind.CLEAR_FAULT, self._now_s))

    def _lose_planner(self) -> None:
        self._driver.give(ExecutorInput(InputKind.PLANNER_LOST, self._now_s))

    def change(self, at_s: float, **values: float) -> "ImaginedRun":
        """Somebody sets parameters of the executor then, with `__` for the dot."""
        named = {name.replace("__", "."): value for name, value in values.items()}
        self._at(FIRST_S + at_s, lambda: self._driver.give(ExecutorInput.parameters(named, self._now_s)))
        return self

    def _receive(self, plan: Plan) -> None:
        is_wrong = not self._is_lockstep and self._happens()
        self._say_plan(plan, action_dim=3 if is_wrong else plan.actions.shape[1])
        if is_wrong:
            self._driver.give(ExecutorInput(InputKind.BAD_PLAN, self._now_s))
        else:
            self._driver.give(ExecutorInput.plan(plan, self._now_s))

    # --- What goes out

    def _record(self, inputs: list[ExecutorInput]) -> None:
        self._say("inputs", inputs=[_input_message(given) for given in inputs])

    def _ask(self, request: PlanRequest, now_s: float) -> None:
        if not self._is_lockstep and self._happens():
            self._driver.give(ExecutorInput.replan_failed(request, now_s))
        elif self._is_planning:
            self._waiting = request
        else:
            self._plan(request)

    def _plan(self, request: PlanRequest) -> None:
        self._is_planning = True
        self._at(self._now_s + self._random.uniform(*self._delay_s), lambda: self._planned(request))

    def _planned(self, request: PlanRequest) -> None:
        self._is_planning = False
        plan = replace(self._planner.plan(request), plan_id=next(self._plan_ids))
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._plan(waiting)
        self._receive(plan)

    def _publish(self, d: Decision) -> None:
        self._decided = True
        self.decisions.append(d)
        same = {"epoch": d.epoch, "tick": d.tick, "plan_id": d.plan_id, "decision": d.kind}
        stamp_ns = round(self._now_s // SIMULATED_S * SIMULATED_S * 1e9)
        self._say("command", **same, action=d.action, stamp_ns=stamp_ns)
        self._say("status", **status_of(d), stamp_ns=stamp_ns, latency=self._now_s - d.observed_at_s)

    def _say_plan(self, plan: Plan, action_dim: int) -> None:
        self._say(
            "plan",
            plan_id=plan.plan_id,
            epoch=plan.epoch,
            start_tick=plan.start_tick,
            observation_tick=plan.observation_tick,
            control_period=plan.control_period_s,
            action_dim=action_dim,
            latent_dim=plan.latents.shape[1],
            actions=plan.actions.ravel(),
            latents=plan.latents.ravel(),
            gains=np.zeros(0, np.float32) if plan.gains is None else plan.gains.ravel(),
            optimised_horizon=plan.optimised_horizon,
            value=plan.value,
        )

    def _say(self, topic: str, **fields: Any) -> None:
        # Between topics the order of arrival is anyone's guess; within one it is kept.
        arrival_s = max(self._now_s + self._random.uniform(0.0, 0.01), self._arrived_s.get(topic, 0.0))
        self._arrived_s[topic] = arrival_s
        self.messages.append((arrival_s, len(self.messages), topic, fields))


def _input_message(given: ExecutorInput) -> Any:
    of = types().types[f"{OURS}/ExecutorInput"]
    same = {"epoch": given.epoch, "tick": given.tick, "plan_id": given.plan_id}
    names, values = [name for name, _ in given.changes], [value for _, value in given.changes]
    return of(kind=given.kind, time=given.now_s, **same, names=names, values=np.array(values))


def parameter_event(node: str, values: dict[str, Any]) -> dict[str, Any]:
    """Fields of the `ParameterEvent` by which a node tells its parameters."""
    store = types().types
    parameters = []
    for name, value in values.items():
        kind = "byte" if value == [] else type(value[0] if isinstance(value, list) else value).__name__
        kind = {"int": "integer", "float": "double", "str": "string"}.get(kind, kind)
        held: dict[str, Any] = {
            "type": KINDS.index(kind) + (5 if isinstance(value, list) else 0),
            "bool_value": False,
            "integer_value": 0,
            "double_value": 0.0,
            "string_value": "",
            "string_array_value": [],
        }
        arrays = {"byte": np.uint8, "bool": np.bool_, "integer": np.int64, "double": np.float64}
        held |= {f"{of}_array_value": np.zeros(0, dtype) for of, dtype in arrays.items()}
        if isinstance(value, list):
            held[f"{kind}_array_value"] = np.array(value, arrays[kind]) if kind in arrays else value
        else:
            held[f"{kind}_value"] = value
        of = store["rcl_interfaces/msg/ParameterValue"](**held)
        parameters.append(store["rcl_interfaces/msg/Parameter"](name=name, value=of))
    return {
        "stamp": store["builtin_interfaces/msg/Time"](sec=0, nanosec=0),
        "node": f"/{node}",
        "new_parameters": parameters,
        "changed_parameters": [],
        "deleted_parameters": [],
    }
