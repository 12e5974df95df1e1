"""Bags as a run would leave them, made without one."""

from collections.abc import Iterable
from functools import cache
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from spec_control_ros.analysis.bag.writer import BagWriter, Storage
from spec_control_ros.core.decision import DecisionKind, Reason

MESSAGES = Path(__file__).resolve().parents[1] / "spec_control_interfaces" / "msg"
OURS = "spec_control_interfaces/msg"
START_NS = 1_700_000_000 * 10**9
PERIOD_NS = 50_000_000
QUEUE = 5


@cache
def types() -> Typestore:
    """Ours and the standard ones."""
    store = get_typestore(Stores.ROS2_KILTED)
    for path in MESSAGES.glob("*.msg"):
        store.register(get_types_from_msg(path.read_text(), f"{OURS}/{path.stem}"))
    return store


def definition_of(type_name: str) -> str:
    """Text of a .msg file."""
    if type_name.startswith(OURS):
        return (MESSAGES / f"{type_name.rpartition('/')[2]}.msg").read_text()
    return types().generate_msgdef(type_name, ros_version=2)[0].partition("=" * 80)[0]


def serialized(type_name: str, **fields: Any) -> bytes:
    """A message; fields that are not given are zero, empty or, for a header, stamped with `stamp_ns`."""
    store = types()
    stamp_ns = fields.pop("stamp_ns", 0)
    sec, nanosec = divmod(stamp_ns, 10**9)
    stamp = store.types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    zero: dict[str, Any] = {
        "header": store.types["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
        "clock": stamp,
        "message": "",
    }
    values = {}
    for name, (node, _) in store.fielddefs[type_name][1]:
        is_array = node.name in ("ARRAY", "SEQUENCE")
        values[name] = fields.pop(name, np.zeros(0, np.float32) if is_array else zero.get(name, 0))
    assert not fields, f"{type_name} has no {fields.keys()}"
    return bytes(store.serialize_cdr(store.types[type_name](**values), type_name))


class MadeBag:
    """Writes what a run of two epochs says; every argument makes it differ from the plain one."""

    def __init__(self, folder: Path, storage: Storage = Storage.MCAP, flush_every: int = 20):
        self.writer = BagWriter(folder, definition_of, storage)
        self._flush_every = flush_every
        self._topics: set[str] = set()
        self.now_ns = START_NS

    def __enter__(self) -> "MadeBag":
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def say(self, topic: str, type_name: str, **fields: Any) -> None:
        """A message, now."""
        if topic not in self._topics:
            self._topics.add(topic)
            self.writer.add_topic(topic, type_name)
        self.writer.write(topic, self.now_ns, serialized(type_name, **fields))

    def run(
        self,
        epochs: Iterable[int] = (1, 2),
        ticks: int = 50,
        *,
        skipped: Iterable[int] = (),
        mismatch: float = 0.1,
        namespace: str = "",
    ) -> "MadeBag":
        """Say what a run says; ticks that are skipped nobody hears of."""
        for epoch in epochs:
            for tick in range(ticks):
                if tick not in set(skipped):
                    self.tick(epoch, tick, mismatch=mismatch, namespace=namespace)
                if tick % self._flush_every == self._flush_every - 1:
                    self.writer.flush()
                self.now_ns += PERIOD_NS
            self.episode(epoch, ticks, namespace=namespace, done=True)
        return self

    def tick(self, epoch: int, tick: int, *, mismatch: float = 0.1, namespace: str = "") -> None:
        """Observation, plan if the queue is empty, command, status."""
        same = {"epoch": epoch, "tick": tick}
        start, plan_id = tick - tick % QUEUE, tick // QUEUE + 1
        is_planned = tick == start
        self.say(f"{namespace}/clock", "rosgraph_msgs/msg/Clock", stamp_ns=self._plant_ns(epoch, tick))
        self.episode(epoch, tick, namespace=namespace)
        data = np.full(6, tick, np.float32)
        plant_ns = self._plant_ns(epoch, tick)
        self.say(f"{namespace}/observation", f"{OURS}/Observation", **same, data=data, stamp_ns=plant_ns)
        if is_planned:
            self.now_ns += 2_000_000
            request = {**same, "start_tick": tick, "reason": Reason.EMPTY, "stamp_ns": self.now_ns}
            self.say(
                f"{namespace}/replan_event", f"{OURS}/ReplanEvent", **request, accepted=1, plan_id=plan_id
            )
            self.now_ns += 18_000_000
            plan = {
                "plan_id": plan_id,
                "epoch": epoch,
                "start_tick": tick,
                "observation_tick": tick,
                "control_period": 0.05,
                "action_dim": 2,
                "latent_dim": 4,
                "actions": np.zeros(2 * QUEUE, np.float32),
                "latents": np.zeros(4 * (QUEUE + 1), np.float32),
                "gains": np.zeros(0, np.float32),
                "optimised_horizon": 3,
                "planning_time": 0.015,
                "reason": Reason.EMPTY,
                "stamp_ns": self.now_ns,
            }
            self.say(f"{namespace}/plan", f"{OURS}/Plan", **plan)
        kind = DecisionKind.REPLAN if is_planned else DecisionKind(tick % 2)
        command = {"plan_id": plan_id, "decision": kind, "action": np.zeros(2, np.float32)}
        self.say(f"{namespace}/command", f"{OURS}/Command", **same, **command, stamp_ns=self.now_ns)
        self.say(
            f"{namespace}/status",
            f"{OURS}/ExecutorStatus",
            **same,
            stamp_ns=self.now_ns,
            decision=kind,
            reason=Reason.EMPTY if is_planned else Reason.NONE,
            mismatch=nan
            if is_planned
            else mismatch * (1 + tick - start),  # of an empty queue nothing is compared
            accept_threshold=0.2,
            replan_threshold=0.6,
            correction_norm=0.3 if kind == DecisionKind.CORRECT else 0.0,
            queue_depth=QUEUE - 1 - (tick - start),
            steps_ahead=tick - start,
            plan_id=plan_id,
            plan_age=0.05 * (tick - start),
            latency=0.02 if is_planned else 0.001,
            planning_inferences=plan_id,
            waited_inferences=plan_id,
        )

    def episode(self, epoch: int, tick: int, *, namespace: str = "", done: bool = False) -> None:
        """What the plant says about its episode."""
        reward = float(tick > 0)
        standing = {
            "seed": epoch + 10,
            "reward": reward,
            "episode_return": float(tick),
            "commanded_ticks": tick,
        }
        plant_ns = self._plant_ns(epoch, tick)
        self.say(
            f"{namespace}/episode",
            f"{OURS}/Episode",
            epoch=epoch,
            tick=tick,
            done=done,
            stamp_ns=plant_ns,
            **standing,
        )

    def _plant_ns(self, epoch: int, tick: int) -> int:
        return (1000 * epoch + tick) * PERIOD_NS


def make_bag(folder: Path, storage: Storage = Storage.MCAP, **given: Any) -> Path:
    """A finished bag of a plain run; see `MadeBag.run`."""
    with MadeBag(folder, storage) as bag:
        bag.run(**given)
    return folder
