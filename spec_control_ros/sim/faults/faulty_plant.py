"""A plant that fails on demand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.fault import Fault
from spec_control_ros.core.window import Chance
from spec_control_ros.sim.faults.body import (
    ActuatorFault,
    BodyChange,
    ChangeablePlant,
    Friction,
    Payload,
    Push,
    PushablePlant,
    check_parts,
)
from spec_control_ros.sim.faults.schedule import FaultSchedule
from spec_control_ros.sim.faults.sensor import SensorFault, check_indices
from spec_control_ros.sim.plant import JointStates, Plant, Step


class FaultyPlant:
    """A plant with the faults of sensors, actuators and body that a schedule has.

    They depend on the schedule, the episode's seed and its number alone. Rewards and joints stay true. Kinds of faults
    that others apply are ignored.

    Raises:
        SettingsError: a fault names something that the plant has not.
    """

    def __init__(self, plant: Plant, schedule: FaultSchedule):
        self._plant, self._schedule = plant, schedule
        self.obs_dim, self.action_dim = plant.obs_dim, plant.action_dim
        self.control_period_s, self.episode_ticks = plant.control_period_s, plant.episode_ticks
        for fault in schedule.faults:
            check_indices(fault, plant.obs_dim)
            check_parts(fault, plant)
        self._episodes = 0
        self._tick = 0
        self._effects: Sequence[_Effect] = ()

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Start the episode that `seed` stands for; returns its first observation (obs,)."""
        self._effects = [
            _Effect(
                fault, self.control_period_s, f"{self._schedule.seed} {seed} {index}", self._actuators(fault)
            )
            for index, fault in self._schedule.of_episode(self._episodes)
        ]
        self._episodes += 1
        self._tick = 0
        obs = self._plant.reset(seed)
        self._change_body()
        return self._sensed(obs)

    def take_back(self) -> None:
        """The episode that has begun does not count: the next one has its number."""
        self._episodes -= 1

    def step(self, action: NDArray[np.float32]) -> Step:
        """Hold `action` (action,) in [-1, 1] for one tick, as well as the body can.

        Raises:
            ActionError: wrong size, not finite, or no episode under way.
        """
        action = np.asarray(action, np.float32)
        if (
            action.shape == (self.action_dim,) and np.isfinite(action).all()
        ):  # another one is the plant's to refuse
            action = np.clip(action, -1.0, 1.0)
            for effect in self._effects:
                action = effect.act(action)
            self._push()
        step = self._plant.step(action)
        self._tick += 1
        return replace(step, obs=self._sensed(step.obs))

    def joint_states(self) -> JointStates:
        """The joints as they are now."""
        return self._plant.joint_states()

    def _change_body(self) -> None:
        faults = [effect.fault for effect in self._effects if isinstance(effect.fault, BodyChange)]
        if not faults:
            return
        payload_kg: dict[str, float] = {}
        friction = 1.0
        for fault in faults:
            if isinstance(fault, Payload):
                payload_kg[fault.body] = payload_kg.get(fault.body, 0.0) + fault.mass_kg
            elif isinstance(fault, Friction):
                friction *= max(0.0, 1.0 - fault.loss)
        assert isinstance(self._plant, ChangeablePlant)
        self._plant.change_body(payload_kg, friction)

    def _push(self) -> None:
        wrenches: dict[str, NDArray[np.float64]] = {}
        for effect in self._effects:
            if isinstance(effect.fault, Push):
                body = effect.fault.body
                wrenches[body] = wrenches.get(body, np.zeros(6)) + effect.wrench
        for body, wrench in wrenches.items():
            assert isinstance(self._plant, PushablePlant)
            self._plant.push(body, wrench)

    def _sensed(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        for effect in self._effects:
            obs = effect.sense(obs, self._tick)
        return obs

    def _actuators(self, fault: Fault) -> list[int] | slice:
        names: tuple[str, ...] = getattr(fault, "actuators", ())
        if not names:
            return slice(None)
        assert isinstance(self._plant, PushablePlant)
        return [self._plant.actuator_names.index(name) for name in names]


class _Effect:
    """A fault in an episode."""

    def __init__(self, fault: Fault, period_s: float, seed: str, actuators: list[int] | slice):
        self.fault, self._actuators = fault, actuators
        self._chance = Chance(fault.when, period_s, seed)
        rng = np.random.default_rng(list(seed.encode()))
        self._sense = fault.begin(rng) if isinstance(fault, SensorFault) else None
        self._wrench = fault.wrench(rng) if isinstance(fault, Push) else np.zeros(6)
        self._is_on = False

    def sense(self, obs: NDArray[np.float32], tick: int) -> NDArray[np.float32]:
        """What is said instead of `obs`; a tick begins with it."""
        self._is_on = self._chance.draw(tick)
        return obs if self._sense is None else self._sense(obs, self._is_on)

    def act(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is done instead of `action`."""
        if not (self._is_on and isinstance(self.fault, ActuatorFault)):
            return action
        done = action.copy()
        done[self._actuators] = self.fault.applied(action)[self._actuators]
        return done

    @property
    def wrench(self) -> NDArray[np.float64]:
        """What acts during this tick (6,)."""
        return self._wrench * self._is_on
