"""The bridge as a process, with the test in the place of the executor."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from rclpy.node import Node
from ros_support import OBS, TASK, Background, Probe, node_command
from sensor_msgs.msg import JointState

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Reset
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.ros.messages import to_floats
from spec_control_ros.ros.qos import LATEST

TICKS = 50  # of an episode: 10 s in ticks of 0.2 s
LOCKSTEP = {"task": TASK, "action_repeat": 20, "episodes": 0, "command_timeout_s": 120.0}


class Controller:
    """The executor as the bridge sees it."""

    process: Background  # the bridge, where all tests share one

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.observations = self.probe.hear(msg.Observation, "observation", LATEST)
        self.episodes = self.probe.hear_episodes()
        self.clock = self.probe.hear_clock()
        self.joints = self.probe.hear(JointState, "joint_states", 10)
        self.diagnostics = self.probe.hear_diagnostics("sim_bridge")
        self.reset_client = self.probe.node.create_client(Reset, "reset")

    def appear(self) -> None:
        """Be an executor that is ready."""
        self.probe.publisher(msg.Command, "command")

    def command(
        self, epoch: int, tick: int, action: Any = (0.5,), kind: int = DecisionKind.ACCEPT, plan_id: int = 0
    ) -> None:
        """Publish a command."""
        floats = action if hasattr(action, "typecode") else list(action)
        self.probe.publisher(msg.Command, "command").publish(
            msg.Command(epoch=epoch, tick=tick, action=floats, decision=int(kind), plan_id=plan_id)
        )

    def counting(self, fate: str) -> AbstractContextManager[None]:
        """What happens inside is over once the bridge has counted a command of that fate."""
        return self.probe.counting(self.diagnostics, f"commands.{fate}")

    def reset(self, seed: int) -> int:
        """The epoch that begins."""
        return self.probe.call(self.reset_client, Reset.Request(seed=seed)).epoch

    def observation(self, epoch: int, tick: int) -> msg.Observation:
        """An observation, once it is there."""

        def found() -> list[msg.Observation]:
            return [o for o in self.observations if (o.epoch, o.tick) == (epoch, tick)]

        self.probe.until(
            found, lambda: f"no {epoch, tick} among {[(o.epoch, o.tick) for o in self.observations]}"
        )
        return found()[0]

    def state(self, epoch: int, tick: int) -> msg.Episode:
        """How the episode stood at a tick."""
        self.probe.until(lambda: any((e.epoch, e.tick) == (epoch, tick) for e in self.episodes))
        return next(e for e in self.episodes if (e.epoch, e.tick) == (epoch, tick))


@pytest.fixture(scope="module")
def shared(domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """One bridge in lockstep for the tests of this file; each begins an epoch of its own."""
    folder = tmp_path_factory.mktemp("bridge")
    command = node_command("sim_bridge", LOCKSTEP)
    with Probe() as probe, Background(command, folder / "log", {"HOME": str(folder)}) as process:
        controller = Controller(probe)
        controller.process = process
        probe.until(controller.reset_client.service_is_ready, lambda: process.text)
        controller.appear()
        controller.observation(1, 0)
        yield controller


@pytest.fixture
def controller(shared: Controller) -> Iterator[Controller]:
    yield shared
    assert shared.process.popen.poll() is None, shared.process.text
    assert "Traceback" not in shared.process.text
    times = [c.clock.sec + c.clock.nanosec * 1e-9 for c in shared.clock]
    assert times == sorted(times), "/clock ran backwards"


def test_plant_waits_for_the_command_of_its_tick(controller: Controller) -> None:
    epoch = controller.reset(0)
    first = controller.observation(epoch, 0)
    assert len(first.data) == OBS
    controller.probe.spin(0.6)
    assert controller.observations[-1].tick == 0
    controller.command(epoch, 0)
    controller.observation(epoch, 1)
    state = controller.state(epoch, 1)
    assert (state.commanded_ticks, state.held_ticks, state.missed_ticks) == (1, 0, 0)
    controller.probe.until(lambda: controller.joints)
    assert list(controller.joints[-1].name) == ["shoulder", "elbow"]


def test_reset_bumps_the_epoch_and_the_seed_fixes_the_start(controller: Controller) -> None:
    epochs = [controller.reset(seed) for seed in (5, 6, 5)]
    assert np.diff(epochs).tolist() == [1, 1]
    starts = [controller.observation(epoch, 0).data for epoch in epochs]
    assert starts[0] == starts[2] != starts[1]
    assert controller.state(epochs[0], 0).seed == 5


def test_command_of_an_old_epoch_is_dropped_and_counted(controller: Controller) -> None:
    old = controller.reset(0)
    epoch = controller.reset(0)
    controller.observation(epoch, 0)
    with controller.counting("stale_epoch"):
        controller.command(old, 0)
    controller.command(epoch, 0)
    controller.observation(epoch, 1)
    assert controller.state(epoch, 1).dropped == 1


@pytest.mark.parametrize(
    ("tick", "action", "fate"),
    [
        (0, [], "bad_action"),
        (0, [0.0, 0.0], "bad_action"),
        (0, [float("nan")], "bad_action"),
        (0, [float("-inf")], "bad_action"),
        (0, to_floats(np.zeros(1_000_000, np.float32)), "bad_action"),
        (1, [0.5], "early"),
        (2**32 - 1, [0.5], "early"),
    ],
    ids=["empty", "long", "nan", "inf", "huge", "next-tick", "last-tick"],
)
def test_command_that_does_not_fit_is_refused_counted_and_recovered_from(
    controller: Controller, tick: int, action: Any, fate: str
) -> None:
    epoch = controller.reset(0)
    controller.observation(epoch, 0)
    with controller.counting(fate):
        controller.command(epoch, tick, action)
    assert controller.observations[-1].tick == 0
    controller.command(epoch, 0)
    controller.observation(epoch, 1)
    assert controller.state(epoch, 1).dropped == 1


def test_refused_commands_are_on_diagnostics_with_a_hint(controller: Controller) -> None:
    epoch = controller.reset(0)
    controller.observation(epoch, 0)
    with controller.counting("bad_action"):
        controller.command(epoch, 0, [0.0, 0.0])
    assert controller.diagnostics[-1].level == b"\x01"
    assert controller.diagnostics[-1].message == "0 ticks missed, 1 commands refused"
    assert (
        "expected 1 finite ones, as acrobot-swingup has: does the executor's model fit the task?"
        in controller.process.text
    )


def test_second_plant_and_second_executor_are_an_error_while_they_publish(controller: Controller) -> None:
    epoch = controller.reset(0)
    controller.observation(epoch, 0)
    controller.command(epoch, 0)
    controller.observation(epoch, 1)
    for topic, kind, own in (
        ("observation", msg.Observation, "/sim_bridge"),
        ("command", msg.Command, "/probe"),
    ):
        other = Node("old_run", context=controller.probe.context)
        other.create_publisher(kind, topic, LATEST)
        said = f"{' and '.join(sorted(['/old_run', own]))} publish on `/{topic}`"
        controller.diagnostics.clear()
        controller.probe.until(
            lambda said=said: [d for d in controller.diagnostics if d.level == b"\x02" and said in d.message],
            lambda: f"{controller.diagnostics[-1:]}",
        )
        other.destroy_node()
        controller.diagnostics.clear()
        controller.probe.until(lambda: controller.diagnostics and controller.diagnostics[-1].level != b"\x02")


def test_command_of_an_unknown_decision_drives_the_plant_all_the_same(controller: Controller) -> None:
    epoch = controller.reset(0)
    controller.observation(epoch, 0)
    controller.command(epoch, 0, kind=200)
    controller.observation(epoch, 1)


def test_episode_ends_and_the_next_begins_with_the_next_seed(controller: Controller) -> None:
    epoch = controller.reset(41)
    for tick in range(TICKS):
        controller.observation(epoch, tick)
        controller.command(epoch, tick, kind=DecisionKind.HOLD if tick % 2 else DecisionKind.REPLAN)
    last = controller.state(epoch, TICKS)
    assert last.done
    assert (last.commanded_ticks, last.held_ticks, last.missed_ticks) == (TICKS // 2, TICKS // 2, 0)
    rewards = sum(e.reward for e in controller.episodes if e.epoch == epoch)
    assert last.episode_return == pytest.approx(rewards)
    controller.observation(epoch + 1, 0)
    assert controller.state(epoch + 1, 0).seed == 42
