"""Speculative control: a slow, large planner drives a robot in real time.

    import spec_control_ros as sc

    env = sc.make_env("dm_control:walker-walk")
    planner = sc.load_planner("walker-walk")
    result = sc.run_episode(env, planner, sc.make_executor(planner, queue_length=12), seed=0)

Nothing here needs ROS. Names are imported when they are first used: those of the core need numpy only, `make_env` needs
what the environment needs, and `load_planner` needs what the model's kind of planner needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spec_control_ros.core.corrector import Corrector, FeatureHistory, TickFeatures
    from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest, Reason
    from spec_control_ros.core.errors import PlanningError, SpecControlError
    from spec_control_ros.core.executor_factory import ExecutorParts, make_executor
    from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy, PrefetchFrom
    from spec_control_ros.core.gate import GateMode, GateSettings, Metric
    from spec_control_ros.core.observation import Observation
    from spec_control_ros.core.plan import Plan
    from spec_control_ros.core.plan_executor import PlanExecutor
    from spec_control_ros.core.planner import Planner, PlannerSpec
    from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
    from spec_control_ros.core.tick_model import TickModel
    from spec_control_ros.evaluation.closed_loop import EpisodeResult, run_episode
    from spec_control_ros.evaluation.loaded_planner import load_planner
    from spec_control_ros.sim.environment import make_env
    from spec_control_ros.sim.plant import JointStates, Plant, Step

__version__ = "0.1.0"

_HOMES = {
    "core.corrector": ("Corrector", "FeatureHistory", "TickFeatures"),
    "core.decision": ("Decision", "DecisionKind", "PlanRequest", "Reason"),
    "core.errors": ("PlanningError", "SpecControlError"),
    "core.executor_factory": ("ExecutorParts", "make_executor"),
    "core.executor_settings": ("ExecutorSettings", "HoldPolicy", "PrefetchFrom"),
    "core.gate": ("GateMode", "GateSettings", "Metric"),
    "core.observation": ("Observation",),
    "core.plan": ("Plan",),
    "core.plan_executor": ("PlanExecutor",),
    "core.planner": ("Planner", "PlannerSpec"),
    "core.planner_format": ("PlannerFormat", "PlannerResources"),
    "core.tick_model": ("TickModel",),
    "evaluation.closed_loop": ("EpisodeResult", "run_episode"),
    "evaluation.loaded_planner": ("load_planner",),
    "sim.environment": ("make_env",),
    "sim.plant": ("JointStates", "Plant", "Step"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "Corrector",
    "Decision",
    "DecisionKind",
    "EpisodeResult",
    "ExecutorParts",
    "ExecutorSettings",
    "FeatureHistory",
    "GateMode",
    "GateSettings",
    "HoldPolicy",
    "JointStates",
    "Metric",
    "Observation",
    "Plan",
    "PlanExecutor",
    "PlanRequest",
    "Planner",
    "PlannerFormat",
    "PlannerResources",
    "PlannerSpec",
    "PlanningError",
    "Plant",
    "PrefetchFrom",
    "Reason",
    "SpecControlError",
    "Step",
    "TickFeatures",
    "TickModel",
    "load_planner",
    "make_env",
    "make_executor",
    "run_episode",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
