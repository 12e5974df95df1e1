"""What a run that trains a world model may be told."""

from dataclasses import dataclass, field

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import Checked, check, setting
from spec_control_ros.training.learner_settings import LearnerSettings
from spec_control_ros.world_model.planner_settings import MPPISettings, Precision


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
class TrainerSettings:
    """One training run: with `dataset_share` 1 it learns from the data set alone, below that it collects as well."""

    task: str = setting("walker-walk", "Name of the environment, see `make_env`")
    action_repeat: int = setting(
        0, "Steps of the environment in a tick (0: 2 for a task of the suite, else 1)", low=0, high=1000
    )
    size: str = setting("1", "official model size, in millions of parameters")
    seed: int = setting(0, "of weights, episodes and draws", low=0)
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
