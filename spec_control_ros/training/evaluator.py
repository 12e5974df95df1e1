"""What a model that is trained returns without exploration."""

import torch

from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import CollectionPolicy, PlannerPolicy, PriorPolicy
from spec_control_ros.training.collector import episode_returns
from spec_control_ros.training.trainer_settings import TrainerSettings
from spec_control_ros.world_model.model import WorldModel

FIRST_SEED = 1_000_000  # benchmarks take those from 0 on; the best weights were not chosen by them


def evaluated_returns(
    settings: TrainerSettings, pool: PlantPool | None, model: WorldModel
) -> dict[str, float]:
    """Mean returns by who drove: the prior, and the planner if it is wanted; the last one tells what is best.

    Episodes run in the pool's last plants, the same ones every time; without a pool there are none.
    """
    s = settings
    if pool is None or not s.evaluation_episodes:
        return {}
    drivers: dict[str, CollectionPolicy] = {"prior": PriorPolicy(model)}
    if s.evaluate_planner:
        device = next(model.parameters()).device
        noise = torch.Generator(device).manual_seed(s.seed)
        drivers["planner"] = PlannerPolicy(model, s.planner, noise, is_exploring=False)
    plants = range(pool.count - s.evaluation_episodes, pool.count)
    seeds = range(FIRST_SEED, FIRST_SEED + s.evaluation_episodes)
    return {
        name: float(episode_returns(pool, plants, seeds, driver).mean()) for name, driver in drivers.items()
    }
