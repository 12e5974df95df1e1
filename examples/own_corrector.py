"""A corrector of your own: on the way from the queued action to the policy prior's at the real latent.

A package that offers it as an entry point of the group `spec_control_ros.correctors` (a function that takes a model's
folder and its tick model) makes it known to every command and node by its name.
"""

import numpy as np

import spec_control_ros as sc


class TowardsPrior:
    """Adds `share` of the difference."""

    window = 1  # it looks at the newest tick only

    def __init__(self, model: sc.TickModel, share: float):
        self._prior, self._share = model.policy, share

    def residual(self, history: sc.FeatureHistory) -> np.ndarray:
        newest = history.newest
        return self._share * (self._prior(newest.observed) - newest.action)


def main(shares: tuple[float, ...] = (0.0, 0.5, 1.0), seed: int = 0) -> list[sc.EpisodeResult]:
    env, planner = sc.make_env("dm_control:walker-walk"), sc.load_planner("walker-walk")
    results = []
    for share in shares:
        corrector = TowardsPrior(planner.parts.model, share)
        executor = sc.make_executor(planner, queue_length=12, corrector=corrector)
        results.append(sc.run_episode(env, planner, executor, seed=seed))
        print(f"share {share}: return {results[-1].episode_return:.0f}")
    return results


if __name__ == "__main__":
    main()
