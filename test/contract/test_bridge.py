"""Identity and accounting between plant and controller."""

from collections import Counter

import numpy as np
import pytest
from fake_plant import FakePlant
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from spec_control_ros.core.errors import ActionError
from spec_control_ros.core.window import Window
from spec_control_ros.sim.bridge import CommandFate, PlantBridge
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import CommandLoss, FaultSchedule, Loss, Reordering
from spec_control_ros.sim.faults.sensor import Bias, Noise
from spec_control_ros.sim.faults.traffic import Traffic

ZERO = np.zeros(2, np.float32)


@pytest.fixture
def bridge() -> PlantBridge:
    made = PlantBridge(FakePlant())
    made.reset(0)
    return made


def test_nothing_is_under_way_before_the_first_reset() -> None:
    bridge = PlantBridge(FakePlant())
    assert bridge.is_done
    assert bridge.command(0, 0, ZERO, is_hold=False) is CommandFate.LATE
    with pytest.raises(ActionError):
        bridge.advance()
    assert bridge.episode.missed_ticks == 0


@pytest.mark.parametrize(("heard", "first"), [(7, 8), (0, 1), (2**32 - 1, 1)])
def test_first_epoch_follows_that_of_a_plant_before(heard: int, first: int) -> None:
    bridge = PlantBridge(FakePlant())
    bridge.command(heard, 3, ZERO, is_hold=False)
    bridge.reset(0)
    assert bridge.observation.epoch == first


def test_later_epoch_moves_no_plant_that_runs(bridge: PlantBridge) -> None:
    bridge.command(1, 0, ZERO, is_hold=False)
    bridge.advance()
    bridge.command(7, 0, ZERO, is_hold=False)
    assert not bridge.must_begin_again
    bridge.reset(0)
    assert bridge.observation.epoch == 2


@pytest.mark.parametrize(("heard", "again"), [((1, 6), 2), ((3, 0), 4)])
def test_plant_that_hears_of_one_before_only_after_its_start_begins_again(
    bridge: PlantBridge, heard: tuple[int, int], again: int
) -> None:
    assert not bridge.must_begin_again
    bridge.command(*heard, ZERO, is_hold=False)
    assert bridge.must_begin_again
    bridge.reset(0)
    assert bridge.observation.epoch == again
    assert not bridge.must_begin_again


def test_episode_that_begins_again_has_the_faults_of_its_number() -> None:
    when = Window(episode=0)
    schedule = FaultSchedule((Loss(when=when), Bias(value=9.0, when=when)))
    plant = FaultyPlant(FakePlant(), schedule)
    bridge = PlantBridge(plant, Traffic(schedule, plant.control_period_s))
    bridge.reset(0)
    first = bridge.observation.data
    bridge.command(7, 0, ZERO, is_hold=False)
    bridge.reset(0)
    assert bridge.delivery.observation is None
    np.testing.assert_array_equal(bridge.observation.data, first)
    bridge.reset(0)
    assert bridge.delivery.observation is not None
    np.testing.assert_allclose(bridge.observation.data, first - 9.0, atol=1e-5)


def test_reset_begins_a_new_epoch_at_tick_zero(bridge: PlantBridge) -> None:
    first = bridge.observation
    bridge.advance()
    bridge.reset(4)
    assert (first.epoch, first.tick) == (1, 0)
    assert (bridge.observation.epoch, bridge.observation.tick) == (2, 0)
    assert bridge.episode.seed == 4
    np.testing.assert_array_equal(bridge.observation.data, FakePlant().reset(4))


@pytest.mark.parametrize(
    ("epoch", "tick", "action", "fate"),
    [
        (1, 2, ZERO, CommandFate.TAKEN),
        (0, 2, ZERO, CommandFate.STALE_EPOCH),
        (2, 2, ZERO, CommandFate.STALE_EPOCH),
        (1, 1, ZERO, CommandFate.LATE),
        (1, 3, ZERO, CommandFate.EARLY),
        (1, 2, np.zeros(3, np.float32), CommandFate.BAD_ACTION),
        (1, 2, np.zeros(0, np.float32), CommandFate.BAD_ACTION),
        (1, 2, np.array([0.0, np.nan], np.float32), CommandFate.BAD_ACTION),
        (1, 2, np.array([np.inf, 0.0], np.float32), CommandFate.BAD_ACTION),
    ],
)
def test_command_of_the_present_tick_alone_is_taken(
    bridge: PlantBridge, epoch: int, tick: int, action: np.ndarray, fate: CommandFate
) -> None:
    bridge.advance()
    bridge.advance()
    assert bridge.command(epoch, tick, action, is_hold=False) is fate
    assert (bridge._command is not None) is (fate is CommandFate.TAKEN)
    assert bridge.episode.dropped == (fate is not CommandFate.TAKEN)


def test_first_command_of_a_tick_wins(bridge: PlantBridge) -> None:
    assert bridge.command(1, 0, ZERO, is_hold=False) is CommandFate.TAKEN
    assert bridge.command(1, 0, ZERO + 1, is_hold=False) is CommandFate.LATE
    bridge.advance()
    np.testing.assert_array_equal(bridge.plant.actions[-1], ZERO)


def test_late_hold_acts_until_there_is_a_command_again(bridge: PlantBridge) -> None:
    bridge.command(1, 0, ZERO + 0.5, is_hold=False)
    bridge.advance()
    bridge.advance()
    assert bridge.command(1, 0, ZERO + 0.1, is_hold=True) is CommandFate.STANDING
    assert bridge._command is None
    bridge.advance()
    bridge.command(1, 3, ZERO + 0.7, is_hold=False)
    assert bridge.command(1, 2, ZERO, is_hold=True) is CommandFate.LATE  # the tick has a command of its own
    bridge.advance()
    driven = [round(float(action[0]), 3) for action in bridge.plant.actions]
    assert driven == [0.5, 0.5, 0.1, 0.7]
    assert (bridge.episode.commanded_ticks, bridge.episode.missed_ticks, bridge.episode.held_ticks) == (
        2,
        2,
        0,
    )


def test_hold_of_an_old_epoch_is_refused(bridge: PlantBridge) -> None:
    bridge.reset(0)
    assert bridge.command(1, 0, ZERO, is_hold=True) is CommandFate.STALE_EPOCH


def test_command_after_the_end_is_late(bridge: PlantBridge) -> None:
    for _ in range(FakePlant.episode_ticks):
        bridge.advance()
    assert bridge.is_done
    assert bridge.command(1, FakePlant.episode_ticks, ZERO, is_hold=False) is CommandFate.LATE
    with pytest.raises(ActionError):
        bridge.advance()
    assert bridge.episode.missed_ticks == FakePlant.episode_ticks


def test_missed_tick_repeats_the_last_command_and_an_epoch_starts_with_none(bridge: PlantBridge) -> None:
    bridge.command(1, 0, ZERO + 0.5, is_hold=False)
    bridge.advance()
    bridge.advance()
    np.testing.assert_array_equal(bridge.plant.actions, [[0.5, 0.5], [0.5, 0.5]])
    bridge.reset(0)
    bridge.advance()
    np.testing.assert_array_equal(bridge.plant.actions[-1], ZERO)


def test_command_is_clipped_and_its_sender_may_reuse_its_memory(bridge: PlantBridge) -> None:
    action = np.array([7.0, -7.0], np.float32)
    bridge.command(1, 0, action, is_hold=False)
    action[:] = 0.0
    bridge.advance()
    np.testing.assert_array_equal(bridge.plant.actions[-1], [1.0, -1.0])


def test_episode_sums_rewards_and_keeps_them_until_the_reset(bridge: PlantBridge) -> None:
    rewards = []
    for tick in range(3):
        bridge.command(1, tick, ZERO + 0.5, is_hold=tick == 1)
        bridge.advance()
        rewards.append(bridge.episode.reward)
    assert bridge.episode.episode_return == pytest.approx(sum(rewards))
    assert (bridge.episode.commanded_ticks, bridge.episode.held_ticks) == (2, 1)
    bridge.reset(1)
    assert (bridge.episode.episode_return, bridge.episode.reward, bridge.episode.tick) == (0.0, 0.0, 0)


def test_lost_command_leaves_the_tick_to_the_last_one_and_is_not_refused() -> None:
    loss = FaultSchedule((CommandLoss(Window(start_tick=1, duration_ticks=1)),))
    bridge = PlantBridge(FakePlant(), traffic=Traffic(loss, FakePlant.control_period_s))
    bridge.reset(0)
    fates = []
    for tick in range(3):
        fates.append(bridge.command(1, tick, ZERO + 0.1 * tick, is_hold=False))
        bridge.advance()
    assert fates == [CommandFate.TAKEN, CommandFate.LOST, CommandFate.TAKEN]
    np.testing.assert_allclose(bridge.plant.actions, [[0.0] * 2, [0.0] * 2, [0.2] * 2], rtol=1e-6)
    assert (bridge.episode.commanded_ticks, bridge.episode.missed_ticks, bridge.episode.dropped) == (2, 1, 0)


def test_lost_observation_is_not_delivered_but_known() -> None:
    loss = FaultSchedule((Loss(Window(start_tick=1, duration_ticks=1)),))
    bridge = PlantBridge(FakePlant(), traffic=Traffic(loss, FakePlant.control_period_s))
    bridge.reset(0)
    delivered = []
    for tick in range(3):
        delivered.append(bridge.delivery.observation is not None)
        assert bridge.observation.tick == tick
        bridge.advance()
    assert delivered == [True, False, True]


def test_same_seed_and_schedule_give_the_identical_episode_whatever_goes_wrong() -> None:
    half = Window(probability=0.5)
    schedule = FaultSchedule(
        (Noise(std=0.2, when=half), Loss(half), Reordering(half), CommandLoss(half)), seed=3
    )

    def episode(seed: int) -> list[str]:
        plant = FaultyPlant(FakePlant(), schedule)
        bridge = PlantBridge(plant, traffic=Traffic(schedule, plant.control_period_s))
        bridge.reset(seed)
        told = []
        while not bridge.is_done:
            told.append(repr(bridge.delivery))
            if (observation := bridge.delivery.observation) is not None:
                bridge.command(1, observation.tick, observation.data[:2], is_hold=False)
            bridge.advance()
        return [*told, repr(bridge.episode)]

    assert episode(7) == episode(7) != episode(8)


def test_episode_may_be_cut_off() -> None:
    bridge = PlantBridge(FakePlant(), episode_ticks=3)
    for _ in range(2):
        bridge.reset(0)
        ticks = 0
        while not bridge.is_done:
            bridge.advance()
            ticks += 1
        assert ticks == bridge.episode.tick == 3


class BridgeMachine(RuleBasedStateMachine):
    """Any commands at any time."""

    @initialize()
    def begin(self) -> None:
        self.bridge = PlantBridge(FakePlant())
        self.time_s = self.bridge.sim_time_s
        self.fates: Counter[CommandFate] = Counter()
        self.ticks = 0

    @rule(seed=st.integers(0, 2**32 - 1))
    def reset(self, seed: int) -> None:
        before = self.bridge.observation.epoch
        self.bridge.reset(seed)
        assert self.bridge.observation.epoch > before
        self.fates.clear()

    @rule(
        epoch=st.sampled_from([0, 0, 0, -1, 1]),
        tick=st.sampled_from([0, 0, 0, -1, 1]),
        value=st.sampled_from([0.0, 0.0, 5.0, np.nan]),
        size=st.sampled_from([2, 2, 2, 1]),
        is_hold=st.booleans(),
    )
    def command(self, epoch: int, tick: int, value: float, size: int, is_hold: bool) -> None:
        now = self.bridge.observation
        action = np.full(size, value, np.float32)
        self.fates[
            self.bridge.command(now.epoch + epoch, max(0, now.tick + tick), action, is_hold=is_hold)
        ] += 1

    @rule()
    def advance(self) -> None:
        if self.bridge.is_done:
            with pytest.raises(ActionError):
                self.bridge.advance()
        else:
            self.bridge.advance()
            self.ticks += 1

    @invariant()
    def every_tick_is_accounted_for(self) -> None:
        state = self.bridge.episode
        assert state.commanded_ticks + state.held_ticks + state.missed_ticks == state.tick
        own = state.commanded_ticks + state.held_ticks + (self.bridge._command is not None)
        assert self.fates[CommandFate.TAKEN] == own
        assert state.dropped == self.fates.total() - own - self.fates[CommandFate.STANDING]

    @invariant()
    def time_never_runs_backwards(self) -> None:
        assert self.bridge.sim_time_s >= self.time_s
        self.time_s = self.bridge.sim_time_s
        assert self.time_s == pytest.approx(self.ticks * FakePlant.control_period_s)

    @invariant()
    def actions_are_finite_and_within_limits(self) -> None:
        assert all((np.abs(action) <= 1.0).all() for action in self.bridge.plant.actions[-1:])


TestBridgeMachine = BridgeMachine.TestCase
