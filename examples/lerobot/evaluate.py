"""What a served chunk policy returns, by delay and gate: run it with the Python of .venv, the server beside it.

    .venv/bin/python examples/lerobot/evaluate.py models/walker-act walker-walk --delay 4 --seeds 5

Plans come from the server through our messages. Their delay is counted in ticks, so a slow machine changes no number.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy

import spec_control_ros as sc
from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.chunks.format import ChunkFormat
from spec_control_ros.core.executor_settings import HoldPolicy, PrefetchFrom
from spec_control_ros.ros.messages import to_replan
from spec_control_ros.ros.qos import LATEST

PATIENCE_S = 30.0


class ServedPlanner(sc.Planner):
    """The planner that offers `replan`, as a planner of this process."""

    spec: Any = None  # of each one its own, in place of the protocol's property

    def __init__(self, contract: ChunkContract, period_s: float):
        c = contract
        predicted = c.policy_dim - c.action_dim
        self.spec = sc.PlannerSpec(
            "served", c.observation_dim, c.action_dim, predicted, c.queue_length, period_s
        )
        self._node = rclpy.create_node("evaluation")
        self._client = self._node.create_client(Replan, "replan")
        self._plans: list[msg.Plan] = []
        self._node.create_subscription(msg.Plan, "plan", self._plans.append, LATEST)
        self._wait(self._client.service_is_ready, "no planner offers `replan`")

    def plan(self, request: sc.PlanRequest) -> sc.Plan:
        """Ask, and wait for the plan of that identity."""
        answer = self._client.call_async(to_replan(request, 0.0))
        self._wait(answer.done, "no answer")
        if not answer.result().accepted:
            raise sc.PlanningError(answer.result().message)
        self._wait(lambda: self._plans and self._plans[-1].plan_id == answer.result().plan_id, "no plan")
        made = sc.Plan.of_message(self._plans[-1])
        self._plans.clear()
        return made

    def _wait(self, is_true: Callable[[], object], what: str) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not is_true():
            if time.monotonic() > end_s:
                raise sc.PlanningError(f"{what} within {PATIENCE_S:.0f} s")
            rclpy.spin_once(self._node, timeout_sec=0.05)


class Nobody(sc.Planner):
    """Plans what the student would do now: the student alone, without the served policy."""

    spec: Any = None

    def __init__(self, spec: sc.PlannerSpec, model: sc.TickModel):
        self.spec, self._model = replace(spec, queue_length=1), model

    def plan(self, request: sc.PlanRequest) -> sc.Plan:
        """One row."""
        assert self._model.policy is not None
        action = np.clip(self._model.policy(request.observation), -1.0, 1.0)[None]
        nothing = np.zeros((2, 0), np.float32)
        start = request.start_tick
        return sc.Plan(0, request.epoch, start, request.tick, self.spec.control_period_s, action, nothing, 1)


def main() -> None:
    """Run all modes on the same seeds, and print a table."""
    parser = argparse.ArgumentParser(description="Measures a served chunk policy, naive and gated.")
    parser.add_argument("model", type=Path, help="folder with policy.yaml")
    parser.add_argument("task", help="environment, as walker-walk")
    parser.add_argument("--delay", type=int, default=4, help="ticks that a plan takes")
    parser.add_argument("--rows", type=int, default=0, help="actions of a plan that are executed; 0: all")
    parser.add_argument("--seeds", type=int, default=5, help="episodes of each mode")
    parser.add_argument(
        "--rate", type=float, default=0.1, help="share of the ticks that the gate is to refuse"
    )
    parser.add_argument("--hold", default="policy", help="without a plan: policy (the student), zero or last")
    parser.add_argument(
        "--planner", default="", help="model whose planner replans at every tick, for comparison"
    )
    given = parser.parse_args()
    rclpy.init()
    env, contract = sc.make_env(given.task, 2), ChunkContract.read(given.model)
    served, model = ServedPlanner(contract, env.control_period_s), ChunkFormat().load_tick_model(given.model)
    if model.policy is None:
        parser.error(f"{given.model}: there is no student yet: call distill.py first")
    parts = sc.ExecutorParts(model, folder=given.model)
    rows = given.rows or contract.queue_length
    eager = {"prefetch": True, "prefetch_eagerly": True, "prefetch_from": PrefetchFrom.OBSERVED}
    late = sc.ExecutorSettings(plan_wait_s=0.01, hold=HoldPolicy(given.hold), wait_for_prefetch=False)
    never = sc.GateSettings(
        mode=sc.GateMode.FIXED, metric=sc.Metric.ACTION, accept=9.0, replan=9.0, max_steps_ahead=rows - 1
    )

    def run(
        name: str, planner: sc.Planner, delay: int, seeds: range, corrector: str = "none", **how: object
    ) -> list[float]:
        """Episodes of one mode; returns all mismatches."""
        executor = sc.make_executor(parts, corrector=corrector, **how)
        began = time.monotonic()
        made = [sc.run_episode(env, planner, executor, seed=seed, delay_ticks=delay) for seed in seeds]
        returns = [r.episode_return for r in made]
        half = 1.96 * np.std(returns, ddof=1) / len(returns) ** 0.5 if len(returns) > 1 else float("nan")
        plans = np.mean([r.planning_inferences for r in made])
        held = np.mean([sum(d.kind is sc.DecisionKind.HOLD for d in r.decisions) for r in made])
        took = time.monotonic() - began
        print(
            f"| {name} | {delay} | {np.mean(returns):.0f} ± {half:.0f} | {plans:.0f} | {held:.0f} | {took:.0f} s |",
            flush=True,
        )
        return [d.mismatch for r in made for d in r.decisions if np.isfinite(d.mismatch)]

    seeds, d = range(given.seeds), given.delay
    print("| mode | delay (ticks) | return | plans | held ticks | wall time |\n|---|---|---|---|---|---|")
    every = replace(never, max_steps_ahead=0)
    prompt = sc.ExecutorSettings(hold=HoldPolicy(given.hold))
    # The threshold comes from an episode that is in no row, in which nothing is late.
    seen = run(
        "(threshold)", served, 0, range(900, 901), gate=replace(never, max_steps_ahead=d), settings=prompt
    )
    gated = replace(never, accept=float(np.quantile(seen, 1.0 - given.rate)))
    gated = replace(gated, replan=gated.accept)
    print(f"<!-- threshold {gated.replan:.3f}, of the tick model's action -->")
    if given.planner:
        planner = sc.load_planner(given.planner)
        executor = sc.make_executor(planner, queue_length=1)
        made = [sc.run_episode(env, planner, executor, seed=seed).episode_return for seed in seeds]
        half = 1.96 * np.std(made, ddof=1) / len(made) ** 0.5
        print(
            f"| planner of {given.planner} at every tick | 0 | {np.mean(made):.0f} ± {half:.0f} | 500 | 0 | |"
        )
    run("student alone", Nobody(served.spec, model), 0, seeds, gate=every, settings=prompt)
    run("a chunk at every tick", served, 0, seeds, gate=every, settings=prompt)
    run("whole chunks", served, 0, seeds, gate=never, settings=prompt)
    run("whole chunks, naive", served, d, seeds, gate=never, settings=late)
    run("whole chunks, gated", served, d, seeds, gate=gated, settings=late)
    run("eager, naive", served, d, seeds, gate=never, settings=replace(late, **eager))
    run("eager, gated", served, d, seeds, gate=gated, settings=replace(late, **eager))
    if contract.predicts:
        by_state = replace(never, metric=sc.Metric.RELATIVE_L2, accept=0.0)
        seen = run("(threshold)", served, d, range(900, 901), "policy", gate=by_state, settings=late)
        strict = replace(by_state, replan=float(np.quantile(seen, 1.0 - given.rate)))
        print(f"<!-- threshold {strict.replan:.3f}, of predicted observations -->")
        for asks, settings in (("whole chunks", late), ("eager", replace(late, **eager))):
            run(f"{asks}, corrected", served, d, seeds, "policy", gate=by_state, settings=settings)
            run(f"{asks}, corrected, gated", served, d, seeds, "policy", gate=strict, settings=settings)


if __name__ == "__main__":
    main()
