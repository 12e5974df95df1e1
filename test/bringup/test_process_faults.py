"""Signals at the right times."""

import signal

from spec_control_ros.bringup.process_faults import (
    Crash,
    Hang,
    ProcessFault,
    ProcessFaultInjector,
    Slow,
    Victim,
    injecting,
)
from spec_control_ros.core.window import Window

STOP, GO, KILL = signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL
PERIOD_S = 0.1


class Scene:
    """An injector, with a clock that stands until it is moved."""

    def __init__(self, *faults: ProcessFault, seed: int = 0):
        self.sent: list[tuple[str, signal.Signals]] = []
        self.now_s = 100.0

        def faults_of(episode: int) -> list[tuple[int, ProcessFault]]:
            return [(i, f) for i, f in enumerate(faults) if f.when.is_for(episode)]

        self.place: tuple[int, int, float] | None = None
        self.injector = ProcessFaultInjector(
            faults_of, lambda *what: self.sent.append(what), lambda: self.place, seed
        )

    def at(self, tick: int, after_s: float = 0.0, episode: int = 0) -> list[tuple[str, signal.Signals]]:
        """What is sent once the plant has reached a tick."""
        self.sent.clear()
        self.now_s += after_s
        self.place = (episode, tick, PERIOD_S)
        self.injector.step(self.now_s)
        return list(self.sent)


def test_nothing_happens_before_the_plant_moves() -> None:
    scene = Scene(Crash())
    scene.injector.step(0.0)
    assert scene.sent == []


def test_planner_is_killed_once_an_episode() -> None:
    scene = Scene(Crash(when=Window(start_s=0.3)))
    assert [scene.at(tick) for tick in (2, 4, 5)] == [[], [("planner", KILL)], []]
    assert scene.at(3, episode=1) == [("planner", KILL)]


def test_hanging_process_runs_again_after_a_while_though_the_plant_stands_still() -> None:
    scene = Scene(Hang(process=Victim.EXECUTOR, when=Window(start_tick=5, duration_s=1.0)))
    assert scene.at(4) == []
    assert scene.at(5) == [("executor", STOP)]
    assert scene.at(5, after_s=0.9) == []
    assert scene.at(5, after_s=0.2) == [("executor", GO)]
    assert scene.at(9, after_s=9.0) == []


def test_slow_process_stands_still_for_its_part_of_every_cycle() -> None:
    scene = Scene(Slow(loss=0.75, cycle_s=1.0, when=Window(duration_ticks=20)))
    sent = [scene.at(0, after_s=0.0 if i == 0 else 0.25) for i in range(9)]
    stop, go = [("planner", STOP)], [("planner", GO)]
    assert sent == [stop, [], [], go, stop, [], [], go, []]  # over after 2 s


def test_process_that_two_faults_stop_runs_when_both_are_over() -> None:
    scene = Scene(Hang(when=Window(duration_s=1.0)), Hang(when=Window(start_tick=2, duration_s=1.0)))
    assert scene.at(0) == [("planner", STOP)]
    assert scene.at(2, after_s=0.5) == []
    assert scene.at(2, after_s=0.6) == []
    assert scene.at(2, after_s=0.6) == [("planner", GO)]


def test_new_episode_and_the_end_let_everything_run() -> None:
    scene = Scene(Hang(when=Window(episode=0)))
    assert scene.at(0) == [("planner", STOP)]
    assert scene.at(0, episode=1) == [("planner", GO)]
    other = Scene(Hang())
    other.at(0)
    other.sent.clear()
    other.injector.close()
    assert other.sent == [("planner", GO)]


def test_chance_is_asked_once_an_episode_and_follows_the_seed() -> None:
    def crashes(seed: int) -> list[bool]:
        scene = Scene(Crash(when=Window(probability=0.5)), seed=seed)
        return [any(scene.at(tick, episode=episode) for tick in range(3)) for episode in range(40)]

    assert crashes(1) == crashes(1) != crashes(2)
    assert 10 < sum(crashes(1)) < 30


def test_thread_ends_with_its_context_and_leaves_nothing_stopped() -> None:
    scene = Scene(Hang())
    scene.place = (0, 0, PERIOD_S)
    with injecting(scene.injector):
        scene.injector.step(0.0)
    assert scene.sent == [("planner", STOP), ("planner", GO)]
