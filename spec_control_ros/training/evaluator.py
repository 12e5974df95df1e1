"""What a model that is trained returns without exploration."""

import torch

from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import CollectionPolicy, PlannerPolicy, PriorPolicy
from spec_control_ros.training.collector import episode_returns
from spec_control_ros.training.trainer_settings import TrainerSettings
from spec_control_ros.world_model.model import WorldModel

FIRST_SEED = 1_000_000  # benchmarks take those from 0 on; the best weights were not chosen by them


class Evaluator:
    """Runs episodes in the pool's last plants, the same ones every time.

    Args:
        settings: Settings of the run.
        pool: Environments; None: nothing is evaluated.
        model: World model in training.
    """

    def __init__(self, settings: TrainerSettings, pool: PlantPool | None, model: WorldModel):
        self._settings, self._pool, self._model = settings, pool, model

    def returns(self) -> dict[str, float]:
        """Mean returns by who drove: the prior, and the planner if it is wanted; the last one tells what is best."""
        s, pool = self._settings, self._pool
        if pool is None or not s.evaluation_episodes:
            return {}
        drivers: dict[str, CollectionPolicy] = {"prior": PriorPolicy(self._model)}
        if s.evaluate_planner:
            device = next(self._model.parameters()).device
            noise = torch.Generator(device).manual_seed(s.seed)
            drivers["planner"] = PlannerPolicy(self._model, s.planner, noise, is_exploring=False)
        plants = range(pool.count - s.evaluation_episodes, pool.count)
        seeds = range(FIRST_SEED, FIRST_SEED + s.evaluation_episodes)
        return {
            name: float(episode_returns(pool, plants, seeds, driver).mean())
            for name, driver in drivers.items()
        }
