"""What a run that trains a world model may be told."""

import math
from dataclasses import dataclass, field

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import Checked, check, setting
from spec_control_ros.world_model.planner_settings import MPPISettings, Precision

LAST_RATE = 0.05  # of a learning rate that falls, relative to the first


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """How a run comes by experience of its own."""

    plants: int = setting(8, "that step together", low=1)
    planner_plants: int = setting(2, "of these, driven by the planner", low=0)
    expert_plants: int = setting(
        0, "of these, driven by the expert with noise; the prior drives the rest", low=0
    )
    expert_noise: float = setting(0.4, "largest standard deviation of the noise on its actions", low=0.0)
    first_episodes: int = setting(8, "before the first update, of random actions", low=1)
    episode_ticks: int = setting(
        0,
        "after which episodes are cut, so that more of what is learnt from is of their beginning; 0: never",
        low=0,
    )
    buffer_episodes: int = setting(1000, "capacity of the replay buffer", low=2)

    def __post_init__(self) -> None:
        check(self)
        if self.planner_plants + self.expert_plants > self.plants:
            raise SettingsError(
                f"planner_plants {self.planner_plants} and expert_plants {self.expert_plants}: expected "
                f"together at most plants = {self.plants}"
            )
        if self.first_episodes + 2 * self.plants > self.buffer_episodes:
            raise SettingsError(
                f"buffer_episodes: got {self.buffer_episodes}, expected at least first_episodes + 2 * plants = "
                f"{self.first_episodes + 2 * self.plants}"
            )


@dataclass(frozen=True, slots=True)
class LearnerSettings(Checked):
    """Settings of the update; the defaults are the official ones."""

    discount: float = setting(0.99, "a tick", above=0.0, high=1.0)
    rho: float = setting(0.5, "weight of a step relative to the one before it", above=0.0, high=1.0)
    consistency_coef: float = setting(20.0, "weight of the latents' error", low=0.0)
    reward_coef: float = setting(0.1, "weight of the reward's error", low=0.0)
    value_coef: float = setting(0.1, "weight of the values' error", low=0.0)
    entropy_coef: float = setting(1e-4, "weight of the prior's entropy", low=0.0)
    learning_rate: float = setting(3e-4, "of everything but the encoder", above=0.0)
    encoder_learning_rate_scale: float = setting(0.3, "the encoder's learning rate relative to it", above=0.0)
    decay_updates: int = setting(
        0, "over which learning rates fall along a cosine to a twentieth; 0: never", low=0
    )
    grad_clip_norm: float = setting(20.0, "largest norm of a gradient", above=0.0)
    target_rate: float = setting(0.01, "at which target values follow", above=0.0, high=1.0)
    prior_every: int = setting(1, "updates of the model for one of the prior", low=1)
    imitation_coef: float = setting(
        2.0,
        "weight in the prior's loss of the squared distance to the expert's action, if there is one",
        low=0.0,
    )
    latent_imitation_coef: float = setting(
        0.05, "the same in the model's loss, where it keeps in the latent what the expert looks at", low=0.0
    )

    def rate(self, updates: int) -> float:
        """The learning rate after so many updates, relative to the first."""
        if not self.decay_updates:
            return 1.0
        phase = math.pi * min(updates / self.decay_updates, 1.0)
        return LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + math.cos(phase))


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """One training run: with `dataset_share` 1 it learns from the data set alone, below that it collects as well."""

    task: str = setting("walker-walk", "Name of the environment, see `make_env`")
    action_repeat: int = setting(
        0, "Steps of the environment in a tick (0: 2 for a task of the suite, else 1)", low=0, high=1000
    )
    size: str = setting("1", "official model size, in millions of parameters")
    seed: int = setting(0, "of weights, episodes and draws", low=0, high=400_000)
    updates: int = setting(20_000, "Gradient steps in all, rounded up to whole rounds", low=1)
    updates_per_round: int = setting(4, "gradient steps for a tick of every plant", low=1)
    batch: int = setting(256, "sequences in an update", low=1)
    horizon: int = setting(3, "ticks of a sequence", low=1)
    start: str = setting("", "model to start from, widened if it is smaller; empty: from nothing")
    dataset: str = setting("", "folder of recorded episodes to learn from; empty: none")
    dataset_share: float = setting(
        0.5, "of every batch, from the data set or the expert's recorded episodes", above=0.0, high=1.0
    )
    expert: str = setting("", "shipped expert or file of one, which the prior imitates; empty: none")
    expert_episodes: int = setting(0, "of the expert, recorded before the first update as a data set", low=0)
    evaluate_every: int = setting(2500, "updates", low=1)
    evaluation_episodes: int = setting(4, "driven by the prior's deterministic action; 0: never", low=0)
    evaluate_planner: bool = setting(
        False, "whether the planner is evaluated as well; then it tells what is best"
    )
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    learner: LearnerSettings = field(default_factory=lambda: LearnerSettings(prior_every=2))
    # Collecting wants breadth, not the last per cent: a quarter of the samples, half of the iterations.
    planner: MPPISettings = field(default_factory=lambda: MPPISettings(iterations=3, samples=128, elites=16))

    def __post_init__(self) -> None:
        check(self)
        if (self.collection.expert_plants or self.expert_episodes) and not self.expert:
            raise SettingsError("expert: got none, but expert_plants or expert_episodes ask for one")
        if self.dataset and self.expert_episodes:
            raise SettingsError("dataset and expert_episodes: got both, expected one of them")
        if self.is_offline and not (self.dataset or self.expert_episodes):
            raise SettingsError("dataset_share: got 1, but there is neither a dataset nor expert_episodes")

    @property
    def is_offline(self) -> bool:
        """Whether nothing is collected."""
        return self.dataset_share == 1.0

    @property
    def plants(self) -> int:
        """That the run needs: for episodes of its own, of the expert, and for evaluations."""
        drives = not self.is_offline or self.expert_episodes
        return (self.collection.plants if drives else 0) + self.evaluation_episodes


@dataclass(frozen=True, slots=True)
class TrainingResources(Checked):
    """What a run is computed with; a saved run may go on with other ones."""

    device: str = setting("cpu", "torch device")
    precision: Precision = setting(Precision.AUTO, "of matrix products in updates")
    is_compiled: bool = setting(True, "whether losses are compiled; takes a C++ compiler, and a minute once")
    processes: int = setting(0, "that plants live in; 0 or 1: the trainer's own", low=0)
    is_in_memory: bool = setting(
        False, "whether the replay buffer is kept in memory; a continued run then collects afresh first"
    )
    has_tensorboard: bool = setting(False, "whether TensorBoard's files are written beside the log")
