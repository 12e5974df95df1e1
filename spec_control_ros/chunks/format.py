"""Chunk policies among the kinds of planners."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.chunks.planner import ChunkPlanner, ChunkPolicy, ChunkSettings
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.student import STUDENT, find_student
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.world_model.card import folder_card

LoadPolicy = Callable[[Path, PlannerResources], ChunkPolicy]


class ChunkFormat(PlannerFormat):
    """What `policy.yaml` describes.

    Args:
        load_policy: Function that loads the policy of a folder, in an environment that has its library; None: this
            process executes plans, and makes none.
    """

    settings = ChunkSettings

    def __init__(self, load_policy: LoadPolicy | None = None):
        self._load_policy = load_policy

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> ChunkPlanner:
        """See `PlannerFormat`."""
        if self._load_policy is None:
            raise SettingsError(
                f"{folder.name}: a chunk policy plans in the environment of its own library: start its server there, "
                "as docs/lerobot.md tells, and the executor with `planner:=elsewhere`"
            )
        contract = ChunkContract.read(folder)
        policy = self._load_policy(folder / contract.policy, resources)
        return ChunkPlanner(folder.name, contract, policy, _period_s(folder), settings)

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        """See `PlannerFormat`: observations are not encoded; the student, if there is one, is the quick policy."""
        contract = ChunkContract.read(folder)
        obs, action = contract.observation_dim, contract.action_dim
        student = find_student(folder, obs, action)
        is_judged = student is not None or contract.predicts
        warning = (
            "" if is_judged else f"{folder.name} has no {STUDENT}: the gate judges its plans by age alone"
        )
        return TickModel(obs, obs, action, encode=lambda obs: obs, policy=student, warning=warning)

    def check_resources(self, resources: PlannerResources) -> None:
        """The policy's own library knows its devices."""


def _period_s(folder: Path) -> float:
    period_s = folder_card(folder).get("control_period_s")
    if not isinstance(period_s, int | float) or not period_s > 0.0:
        raise CheckpointError(f"{folder.name}: its card has control_period_s {period_s!r}, expected seconds")
    return float(period_s)
