"""An episode of a shipped model, in one process and without ROS: python episode.py [seed]."""

import sys
from collections import Counter

import spec_control_ros as sc


def main(seed: int = 0) -> sc.EpisodeResult:
    env = sc.make_env("dm_control:walker-walk")
    planner = sc.load_planner("walker-walk")
    result = sc.run_episode(env, planner, sc.make_executor(planner, queue_length=12), seed=seed)
    kinds = Counter(decision.kind.name.lower() for decision in result.decisions)
    print(f"return {result.episode_return:.0f} with {result.planning_inferences} plans: {dict(kinds)}")
    return result


if __name__ == "__main__":
    if not all(word.isdecimal() for word in sys.argv[1:]):
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
