"""Hardware bridge and emulator as processes, over the topics that ros2_control gives a robot."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Quaternion
from rclpy.qos import qos_profile_sensor_data
from ros_support import ROOT, Background, Probe, make_model_folder
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray
from test_bridge_node import Controller
from trajectory_msgs.msg import JointTrajectory

from spec_control_interfaces import msg
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.plan import Plan
from spec_control_ros.ros.qos import EVERY_LATEST, LATEST
from spec_control_ros.sampling.format import SamplingFormat
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.robot_plant import RobotPlant
from spec_control_ros.sim.state_estimate import StateEstimator
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model_folder import ModelFolder

TASK, OBS, ACTION = "walker-walk", 24, 6
CONTROLLER = "forward_command_controller/commands"
ORDER = ["left_ankle", "left_knee", "left_hip", "right_ankle", "right_knee", "right_hip"]
GEARS = {"right_hip": 100.0, "right_knee": 50.0, "right_ankle": 20.0}
GEARS |= {name.replace("right", "left"): gear for name, gear in GEARS.items()}
BRIDGE = {
    "task": TASK,
    "controller.joints": ORDER,
    "controller.gains": [GEARS[name] for name in ORDER],
    "controller.lower": [-GEARS[name] for name in ORDER],
    "controller.upper": [GEARS[name] for name in ORDER],
    "sensors.max_age_s": 0.5,
    "sensors.max_skew_s": 0.3,
    "sensors.range_margin": 1.0,  # MuJoCo's joint limits give way
    "robot.silence_s": 1.0,
}
EMULATOR = {"task": TASK, "joints": ORDER, "rate_hz": 50.0}
TICKS, PERIOD_S = 25, 0.05
ERROR = DiagnosticStatus.ERROR


@pytest.fixture
def controller(probe: Probe) -> Controller:
    """The test in the executor's place, with an ear on the robot's topics."""
    controller = Controller(probe)
    controller.diagnostics = controller.probe.hear_diagnostics("hardware_bridge")
    controller.efforts = controller.probe.hear(Float64MultiArray, CONTROLLER)
    return controller


def expected_rewards(folder: Path) -> list[float]:
    """Of the same loop without ROS: emulated robot, estimate, prior."""
    policy = tick_model(ModelFolder(folder).world_model()[0])
    estimator, robot = StateEstimator(make_control_plant(TASK)), EmulatedRobot(make_control_plant(TASK))
    gains = find_actuators(robot.plant.physics).gains
    plant = RobotPlant(estimator, TICKS)
    robot.reset(3)
    plant.body = robot.state()
    obs, rewards = plant.reset(3), []
    for _ in range(TICKS):
        action = np.clip(policy.policy(policy.latent_of(obs)), -1.0, 1.0)
        robot.command(gains * action)
        robot.advance(round(plant.control_period_s / robot.step_s))
        plant.body = robot.state()
        step = plant.step(action)
        obs = step.obs
        rewards.append(step.reward)
    return rewards


def test_bridge_emulator_and_executor_close_the_loop_that_there_is_without_ros(
    controller: Controller, start: Callable[..., Background], tmp_path: Path
) -> None:
    model = make_model_folder(tmp_path / "model", TASK, OBS, ACTION)
    start("hardware_emulator", EMULATOR | {"mode": "lockstep"})
    holding = {"executor.hold": "policy", "executor.plan_wait_s": 0.01, "planner_wait_s": 0.0}
    executor = start("executor", {"model": str(model), "gate.accept": 1.0, "gate.replan": 2.0, **holding})
    lockstep = {"mode": "lockstep", "episodes": 1, "seed": 3, "robot.episode_ticks": TICKS}
    bridge = start("hardware_bridge", BRIDGE | lockstep)
    assert bridge.wait() == 0, bridge.text + executor.text
    controller.probe.until(lambda: controller.episodes and controller.episodes[-1].done, bridge.log.read_text)
    heard = {e.tick: e.reward for e in controller.episodes}
    assert controller.episodes[-1].held_ticks == TICKS
    assert "mode: lockstep is for the emulator alone: nothing stops a robot" in bridge.text
    expected = expected_rewards(model)
    assert [heard[tick] for tick in range(1, TICKS + 1)] == pytest.approx(expected, rel=1e-4)
    assert len(set(expected)) == TICKS


def test_planner_on_mujoco_plans_and_drives_from_the_estimated_state(
    controller: Controller, start: Callable[..., Background], tmp_path: Path
) -> None:
    """The shipped robot with a short search; the efforts that were sent move the test's own robot as the emulator's."""
    probe, shipped = controller.probe, find_robot("walker_sampling", ROOT / "config")
    observations, plans = (
        probe.hear(kind, topic, EVERY_LATEST)
        for kind, topic in ((msg.Observation, "observation"), (msg.Plan, "plan"))
    )
    parameters = shipped.write(tmp_path, "lockstep", has_hardware=True)
    start("hardware_emulator", {"mode": "lockstep"}, parameters)
    start("planner", {"planner.search.samples": 8, "planner.search.iterations": 1}, parameters)
    start("executor", {}, parameters)
    ends = {"mode": "lockstep", "episodes": 1, "seed": 3, "robot.episode_ticks": TICKS}
    bridge = start("hardware_bridge", ends, parameters)
    probe.until(lambda: bridge.popen.poll() is not None, lambda: bridge.text)
    assert bridge.wait() == 0, bridge.text
    # The last effort is none: it leaves the robot safe.
    probe.until(
        lambda: controller.episodes and controller.episodes[-1].done and len(controller.efforts) == TICKS + 1
    )
    episode = controller.episodes[-1]
    assert (episode.commanded_ticks, episode.held_ticks, episode.missed_ticks) == (TICKS, 0, 0)
    robot = EmulatedRobot(make_control_plant(shipped.environment))
    robot.reset(3)
    observed, truth = {o.tick: np.array(o.data) for o in observations}, []
    for efforts in controller.efforts[:TICKS]:
        truth.append(robot.plant.observe())  # qpos, qvel, as MuJoCo has them
        robot.command(np.array(efforts.data))
        robot.advance(round(PERIOD_S / robot.step_s))
    np.testing.assert_allclose([observed[tick] for tick in range(TICKS)], truth, rtol=1e-6, atol=1e-6)
    assert len(plans) > 1
    encode = SamplingFormat().load_tick_model(ROOT / "models" / shipped.model).encode
    for plan in map(Plan.of_message, plans):
        np.testing.assert_allclose(plan.latents[0], encode(observed[plan.start_tick]), rtol=1e-6, atol=1e-6)


def drive(controller: Controller, epoch: int, ticks: int, action: Any) -> None:
    """Answer every observation until so many ticks later."""
    controller.probe.until(lambda: controller.observations and controller.observations[-1].epoch == epoch)
    last = controller.observations[-1].tick + ticks
    while (tick := controller.observations[-1].tick) < last:
        controller.command(epoch, tick, action)
        controller.probe.until(lambda now=tick: controller.observations[-1].tick > now)


def test_realtime_robot_is_driven_stopped_blinded_and_reset(
    controller: Controller, start: Callable[..., Background]
) -> None:
    emulator = start("hardware_emulator", EMULATOR)
    bridge = start("hardware_bridge", {**BRIDGE, "episodes": 0, "robot.episode_ticks": 100_000})
    joints = controller.probe.hear(JointState, "joint_states", qos_profile_sensor_data)
    controller.appear()
    # Driven: every action becomes efforts in the controller's order.
    action = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    drive(controller, 1, 3, action)
    wanted = {name: GEARS[name] * a for name, a in zip(GEARS, action, strict=True)}
    np.testing.assert_allclose(controller.efforts[-1].data, [wanted[name] for name in ORDER], rtol=1e-6)
    assert len(controller.observation(1, controller.observations[-1].tick).data) == OBS
    controller.probe.until(lambda: set(joints[-1].name) == set(ORDER))
    # Stopped: nobody commands any more.
    controller.probe.until(lambda: list(controller.efforts[-1].data) == [0.0] * ACTION)
    controller.probe.until(lambda: "executor is silent" in controller.diagnostics[-1].message)
    while controller.diagnostics[-1].level == ERROR:
        drive(controller, 1, 2, action)
    # Blinded: without sensors there are no observations, and they come back with them.
    with controller.probe.counting(controller.diagnostics, "sensors.stale"):
        emulator.send(signal.SIGSTOP)
    count = len(controller.observations)
    controller.probe.spin(0.5)
    assert len(controller.observations) == count
    emulator.send(signal.SIGCONT)
    controller.probe.until(lambda: len(controller.observations) > count)
    # Reset: a new epoch, from where its seed starts.
    epoch = controller.reset(9)
    assert epoch == 2
    first = controller.observation(epoch, 0)
    np.testing.assert_allclose(first.data, StateEstimator(make_control_plant(TASK)).plant.reset(9), atol=1e-5)
    # Ended: the robot is left without effort.
    drive(controller, epoch, 2, action)
    bridge.send(signal.SIGTERM)
    bridge.wait()
    controller.probe.until(lambda: list(controller.efforts[-1].data) == [0.0] * ACTION)
    assert "Traceback" not in bridge.text


def test_spoilt_messages_are_refused_counted_and_recovered_from(
    controller: Controller, start: Callable[..., Background]
) -> None:
    start("hardware_emulator", EMULATOR)
    bridge = start("hardware_bridge", {**BRIDGE, "episodes": 0})
    controller.appear()
    controller.observation(1, 0)
    probe, names = controller.probe, list(GEARS)
    spoilt = [
        (JointState, "joint_states", JointState(name=names, position=[np.nan] * 6, velocity=[0.0] * 6)),
        (JointState, "joint_states", JointState(name=names, position=[0.0] * 6)),
        (JointState, "joint_states", JointState(name=["x"] * 20_000, position=[0.0], velocity=[0.0])),
        (Imu, "imu/data", Imu(orientation=Quaternion(w=0.5))),
    ]
    for kind, topic, message in spoilt:
        publisher = probe.publisher(kind, topic, 10)
        probe.until(publisher.get_subscription_count)
        with probe.counting(controller.diagnostics, "sensors.bad_message"):
            publisher.publish(message)
        probe.until(lambda: any("messages as bad_message (" in s.message for s in controller.diagnostics))
        controller.diagnostics.clear()
    controls = probe.publisher(Float64MultiArray, CONTROLLER, 10)
    emulated = probe.hear_diagnostics("hardware_emulator")
    for data in ([], [0.0], [np.nan] * ACTION):
        with probe.counting(emulated, "commands.refused"):
            controls.publish(Float64MultiArray(data=data))
    tick = controller.observations[-1].tick
    probe.until(lambda: controller.observations[-1].tick > tick)
    assert bridge.popen.poll() is None


def test_shadow_observes_without_an_executor_and_sends_nothing(
    controller: Controller, start: Callable[..., Background]
) -> None:
    start("hardware_emulator", EMULATOR)
    bridge = start("hardware_bridge", {**BRIDGE, "shadow": True, "episodes": 0})
    controller.probe.until(lambda: controller.observations and controller.observations[-1].tick > 3)
    bridge.send(signal.SIGTERM)
    bridge.wait()
    state = controller.episodes[-1]
    assert state.missed_ticks == state.tick
    assert controller.efforts == []


def test_trajectories_follow_the_plan_and_hold_the_joints_when_nobody_commands(
    controller: Controller, start: Callable[..., Background]
) -> None:
    task, topic, probe = "pendulum-swingup", "joint_trajectory_controller/joint_trajectory", controller.probe
    emulator = start(
        "hardware_emulator", {"task": task, "stiffness": [5.0], "damping": [0.2], "rate_hz": 50.0}
    )
    mapped = {"kind": "trajectory", "gains": [1.0], "offsets": [0.0], "lower": [-9.0], "upper": [9.0]}
    given = {f"controller.{name}": value for name, value in mapped.items()}
    given |= {"task": task, "episodes": 0, "robot.silence_s": 1.0, "robot.return_s": 0.0}
    bridge = start("hardware_bridge", {**given, "sensors.max_age_s": 0.5})
    chunks, plans = probe.hear(JointTrajectory, topic, 10), probe.publisher(msg.Plan, "plan", LATEST)
    controller.appear()
    epoch, level = controller.observation(1, 0).epoch, 0.3  # rad
    probe.until(plans.get_subscription_count, lambda: bridge.text)
    plans.publish(msg.Plan(plan_id=6, epoch=epoch, action_dim=2, actions=[0.0] * 3))  # 1.5 rows
    probe.until(lambda: "got 3 action values for action_dim 2" in bridge.text, lambda: bridge.text)
    plans.publish(msg.Plan(plan_id=5, epoch=epoch, action_dim=1, optimised_horizon=1, actions=[level] * 1000))
    while not chunks or len(chunks[-1].points) < 5:
        tick = controller.observations[-1].tick
        controller.command(epoch, tick, [level], plan_id=5)
        probe.until(lambda now=tick: controller.observations[-1].tick > now, lambda: bridge.text)
    chunk = chunks[-1]
    assert (chunk.joint_names, [p.positions[0] for p in chunk.points]) == (
        ["hinge"],
        pytest.approx([level] * 5),
    )
    assert chunk.points[-1].velocities.tolist() == [0.0]
    # Nobody commands: the joints stay where they are.
    sensed = probe.hear(JointState, "joint_states", qos_profile_sensor_data)
    probe.until(lambda: len(chunks[-1].points) == 1, lambda: bridge.text)
    assert chunks[-1].points[0].positions[0] == pytest.approx(sensed[-1].position[0], abs=0.5)
    # What the controller would refuse does not move them.
    rival, emulated = probe.publisher(JointTrajectory, topic, 10), probe.hear_diagnostics("hardware_emulator")
    probe.until(lambda: rival.get_subscription_count() >= 2)
    chunk.joint_names = ["tail"]
    with probe.counting(emulated, "commands.refused"):
        rival.publish(chunk)
    assert "got joints tail, expected each of hinge once" in emulator.text


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ((), "no executor publishes on `command`"),
        (("executor",), "no controller listens on `forward_command_controller/commands`"),
        (("executor", "controller"), "no robot offers `robot/reset`"),
        (("executor", "controller", "operator"), "joint_states: missing"),
    ],
)
def test_bridge_says_whom_it_misses_and_ends(
    controller: Controller, start: Callable[..., Background], others: tuple[str, ...], said: str
) -> None:
    if "controller" not in others:  # the fixture listens there
        controller.probe.node.destroy_subscription(
            next(s for s in controller.probe.node.subscriptions if s.topic_name.endswith("commands"))
        )
    if "executor" in others:
        controller.probe.publisher(msg.Command, "command")
    bridge = start(
        "hardware_bridge", {**BRIDGE, "start_timeout_s": 2.0, "resets_robot": "operator" not in others}
    )
    assert bridge.wait() == 1
    assert f"{said}" in bridge.text
    assert "giving up after 2 s" in bridge.text
