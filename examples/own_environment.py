"""An environment of your own: anything with these methods. `make_env("python:own_environment:Rail")` finds it."""

import numpy as np

import spec_control_ros as sc


class Rail:
    """A cart on a rail, pushed by the action, that is to stand in the middle."""

    obs_dim, action_dim, control_period_s, episode_ticks = 2, 1, 0.05, 200

    def reset(self, seed: int) -> np.ndarray:
        self._state = np.array([np.random.default_rng(seed).uniform(-1.0, 1.0), 0.0])
        self._tick = 0
        return self._state.astype(np.float32)

    def step(self, action: np.ndarray) -> sc.Step:
        position, speed = self._state
        speed += float(action[0]) * self.control_period_s
        self._state = np.array([position + speed * self.control_period_s, speed])
        self._tick += 1
        reward, is_last = float(np.exp(-(position**2))), self._tick == self.episode_ticks
        return sc.Step(self._state.astype(np.float32), reward, is_last)

    def joint_states(self) -> sc.JointStates:
        return sc.JointStates(("cart",), self._state[:1].copy(), self._state[1:].copy())


class RailPlanner(sc.Planner):
    """A spring and a damper, rolled out ahead: its predicted states are observations."""

    spec = sc.PlannerSpec("spring", 2, 1, 2, queue_length=10, control_period_s=0.05)

    def plan(self, request: sc.PlanRequest) -> sc.Plan:
        start = request.observation if request.latent is None else request.latent
        states, actions = [np.asarray(start, float)], []
        for _ in range(self.spec.queue_length):
            position, speed = states[-1]
            actions.append(np.clip(-2.0 * position - 2.0 * speed, -1.0, 1.0))
            speed += actions[-1] * 0.05
            states.append(np.array([position + speed * 0.05, speed]))
        rows, latents = np.array(actions, np.float32)[:, None], np.array(states, np.float32)
        return sc.Plan(0, request.epoch, request.start_tick, request.tick, 0.05, rows, latents, len(rows))


if __name__ == "__main__":
    planner = RailPlanner()
    result = sc.run_episode(
        sc.make_env("python:own_environment:Rail"), planner, sc.make_executor(planner), seed=3
    )
    print(f"return {result.episode_return:.1f} of 200 with {result.planning_inferences} plans")
