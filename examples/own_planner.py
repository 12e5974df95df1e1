"""A planner of your own: predictive sampling on a copy of the simulator (Howell et al., arXiv 2212.00541)."""

import numpy as np
from dm_control import suite

import spec_control_ros as sc

PERIOD_S, HORIZON, SAMPLES, NOISE = 0.02, 40, 30, 0.2


class PredictiveSampling(sc.Planner):
    """Balances the cartpole: tries variations of the last plan in simulation, and keeps the best."""

    spec = sc.PlannerSpec(
        "predictive-sampling", 5, 1, 0, HORIZON, PERIOD_S
    )  # it predicts nothing: latent_dim 0

    def __init__(self) -> None:
        self._physics = suite.load("cartpole", "balance").physics
        self.reset()

    def plan(self, request: sc.PlanRequest) -> sc.Plan:
        rng = np.random.default_rng([request.epoch, request.start_tick])
        best = np.roll(self._best, self._start - request.start_tick, axis=0)
        noise = rng.normal(0.0, NOISE, (SAMPLES, HORIZON, 1))
        noise[0] = 0.0  # the last plan itself is one of the candidates
        candidates = np.clip(best + noise, -1.0, 1.0)
        costs = [self._cost(request.observation, actions) for actions in candidates]
        self._best, self._start = candidates[int(np.argmin(costs))], request.start_tick
        actions, nothing = self._best.astype(np.float32), np.zeros((HORIZON + 1, 0), np.float32)
        start = request.start_tick
        return sc.Plan(0, request.epoch, start, request.tick, PERIOD_S, actions, nothing, HORIZON)

    def _cost(self, obs: np.ndarray, actions: np.ndarray) -> float:
        cart, cosine, sine, *velocity = obs
        with self._physics.reset_context():
            self._physics.data.qpos[:] = cart, np.arctan2(sine, cosine)
            self._physics.data.qvel[:] = velocity
        cost = 0.0
        for action in actions:
            self._physics.set_control(action)
            self._physics.step(2)
            cost += cart_cost(*self._physics.bounded_position(), *self._physics.velocity())
        return cost

    def reset(self) -> None:
        self._best, self._start = np.zeros((HORIZON, 1)), 0


def cart_cost(cart: float, cosine: float, _: float, speed: float, turning: float) -> float:
    return (1.0 - cosine) + 0.5 * cart**2 + 0.1 * speed**2 + 0.05 * turning**2


if __name__ == "__main__":
    env, planner = sc.make_env("dm_control:cartpole-balance"), PredictiveSampling()
    result = sc.run_episode(env, planner, sc.make_executor(planner, queue_length=10), seed=0)
    print(f"return {result.episode_return:.0f} of 1000 with {result.planning_inferences} plans")
