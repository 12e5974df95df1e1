"""Parameters of the nodes that have an environment, and the model that must fit it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from spec_control_ros.core.node_settings import ACTION_REPEAT, LISTENERS, TASK_INDEX, RealTimeSettings
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.evaluation.fit import AnyPlant, fitting_env
from spec_control_ros.sim.bridge import PaceMode
from spec_control_ros.sim.command_map import CommandMapSettings
from spec_control_ros.sim.readings import SensorSettings
from spec_control_ros.sim.robot_bridge import RobotBridgeSettings
from spec_control_ros.world_model.card import folder_card, model_folder


@dataclass(frozen=True, slots=True)
class PlantSettings(Checked):
    """Parameters of every node that has an environment."""

    task: str = setting("humanoid-walk", "Environment, such as walker-walk or gymnasium:HalfCheetah-v5")
    model: str = setting("", "Model that drives the environment and must fit it; empty: not checked")
    task_index: int = TASK_INDEX
    action_repeat: int = ACTION_REPEAT

    def env(self, make: Callable[[str, int], AnyPlant]) -> AnyPlant:
        """The environment; `make` makes it of its name and the action repeat, as `make_env` does.

        Raises:
            SpecControlError: there is no such environment or model, or they do not fit each other.
        """
        if not self.model:
            return make(self.task, self.action_repeat)
        folder = model_folder(self.model)
        card = folder_card(folder)
        return fitting_env(make, folder.name, card, self.task, self.action_repeat, self.task_index)


@dataclass(frozen=True, slots=True)
class _BridgeSettings(PlantSettings):
    """Parameters of both bridges."""

    episodes: int = setting(1, "after that many the node ends; 0: never", low=0)
    seed: int = setting(0, "of the first episode; each further one takes the next", low=0, high=2**31 - 1)
    start_timeout_s: float = setting(
        180.0, "s; without executor, sensors or controller by then, the node ends", above=0.0
    )
    command_timeout_s: float = setting(
        30.0, "s; without a command or tick for that long in lockstep, it ends", above=0.0
    )
    listeners: str = LISTENERS


@dataclass(frozen=True, slots=True)
class SimBridgeSettings(_BridgeSettings):
    """Parameters of the node."""

    mode: PaceMode = setting(PaceMode.LOCKSTEP, "whether the plant waits for commands")
    episode_ticks: int = setting(
        0, "ticks after which an episode is cut off; 0: the task's own length", low=0
    )
    faults: str = setting("", "file of faults on demand; empty: none")
    headless: bool = setting(True, "whether to do without a window")
    video: str = setting("", "Video to render the episodes to (.mp4, .webp, ...); empty: none")


@dataclass(frozen=True, slots=True)
class HardwareBridgeSettings(_BridgeSettings):
    """Parameters of the node; those of controller, sensors and robot are nested."""

    mode: PaceMode = setting(
        PaceMode.REALTIME, "whether the robot waits for commands, as only the emulator can"
    )
    resets_robot: bool = setting(
        True,
        "whether a robot's service puts it to its start; else somebody does, and calls `reset` for a further episode",
    )
    shadow: bool = setting(
        False,
        "whether to observe only: nothing is sent to the robot, and no executor or controller waited for",
    )
    controller_node: str = setting(
        "",
        "absolute name of the node that drives the motors; empty: the one that its topic is named after, as "
        "ros2_control names it or, where that one does not listen, every node that does",
    )
    controller: CommandMapSettings = field(default_factory=CommandMapSettings)
    sensors: SensorSettings = field(default_factory=SensorSettings)
    robot: RobotBridgeSettings = field(default_factory=RobotBridgeSettings)
    real_time: RealTimeSettings = field(default_factory=RealTimeSettings)


@dataclass(frozen=True, slots=True)
class EmulatorSettings(PlantSettings):
    """Parameters of the node; the task has the robot's body and its starts."""

    joints: tuple[str, ...] = setting(
        (), "in the controller's order; none: the task's motors in theirs", of=str
    )
    stiffness: tuple[float, ...] = setting(
        (),
        "Effort of each joint for an error of 1 rad, of the emulated joint trajectory controller (N m/rad); empty: "
        "there is no such controller",
        of=float,
    )
    damping: tuple[float, ...] = setting(
        (), "Effort of each joint for an error of 1 rad/s, beside the stiffness (N m s/rad)", of=float
    )
    mode: PaceMode = setting(
        PaceMode.REALTIME, "whether the robot waits for commands, which no real one does"
    )
    rate_hz: float = setting(200.0, "Hz; of joint states, IMU and odometry", above=0.0, high=2000.0)
    real_time: RealTimeSettings = field(default_factory=RealTimeSettings)
