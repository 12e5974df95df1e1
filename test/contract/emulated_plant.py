"""The emulated robot behind the hardware bridge's maps, without ROS and without time."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.command_map import CommandMap, CommandMapSettings
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.plant import JointStates, Step
from spec_control_ros.sim.robot_plant import RobotPlant
from spec_control_ros.sim.state_estimate import StateEstimator


class EmulatedPlant:
    """Every tick: action, efforts, physics, sensors, observation."""

    def __init__(self, task: str, action_repeat: int = 2):
        estimator = StateEstimator(make_control_plant(task, action_repeat))
        plant = estimator.plant
        self.obs_dim, self.action_dim = plant.obs_dim, plant.action_dim
        self.control_period_s, self.episode_ticks = plant.control_period_s, plant.episode_ticks
        self.robot = EmulatedRobot(make_control_plant(task))
        self._map = CommandMap(CommandMapSettings(), find_actuators(plant.physics), self.control_period_s)
        self._plant = RobotPlant(estimator, self.episode_ticks)
        self._sent = np.zeros(len(self._map.joints))

    def reset(self, seed: int) -> NDArray[np.float32]:
        self.robot.reset(seed)
        self._plant.body = self.robot.state()
        return self._plant.reset(seed)

    def step(self, action: NDArray[np.float32]) -> Step:
        self._sent = self._map.command(np.asarray(action), self._sent)
        if self._plant.is_running:
            self.robot.command(self._sent)
            self.robot.advance(round(self.control_period_s / self.robot.step_s))
            self._plant.body = self.robot.state()
        return self._plant.step(action)

    def joint_states(self) -> JointStates:
        return self._plant.joint_states()
