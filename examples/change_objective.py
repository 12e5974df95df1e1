"""A walker is told to walk at 0.5 m/s, then at 1.5, then to stop, while it runs: python change_objective.py [seed]."""

import sys

import numpy as np

import spec_control_ros as sc
from spec_control_ros.core.settings import replaced

TARGETS = (0.5, 1.5, 0.0)  # m/s


def main(seed: int = 0) -> list[float]:
    env = sc.make_env("state:dm_control:walker-walk")
    planner = sc.load_planner("walker-sampling")
    executor = sc.make_executor(planner, queue_length=3)
    phase_ticks, way = env.episode_ticks // len(TARGETS), []

    def watch(obs: np.ndarray, decision: sc.Decision) -> None:
        phase, tick = divmod(len(way), phase_ticks)
        if tick == 0 and phase < len(TARGETS):
            planner.change(replaced(planner.settings, {"cost.speed.target": TARGETS[phase]}))
            executor.change_objective()  # what was planned for the old target is dropped
        way.append(obs[1])  # where the torso is (m): the second of the model's joints

    sc.run_episode(env, planner, executor, seed=seed, epoch=1, watch=watch)
    speeds = []
    for phase, target in enumerate(TARGETS):
        there = way[phase * phase_ticks :][phase_ticks // 3 : phase_ticks]  # a third to get to the speed
        speeds.append(float(np.diff(there).mean() / env.control_period_s))
        print(f"target {target} m/s: mean speed {speeds[-1]:.2f} m/s")
    return speeds


if __name__ == "__main__":
    if not all(word.isdecimal() for word in sys.argv[1:]):
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
