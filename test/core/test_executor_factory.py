"""What a control law is made of."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import ACTION, OBS, observation, plan, tick_model

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.executor_factory import ExecutorParts, make_executor
from spec_control_ros.core.gate import GateCalibration, GateMode, GateSettings, Metric
from spec_control_ros.core.gate.calibration import RegretThresholds
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import Planner, PlannerSpec


class OwnPlanner(Planner):
    spec = PlannerSpec("own", OBS, ACTION, OBS, 4, 0.05)

    def plan(self, request: PlanRequest) -> Plan:
        return plan(request.start_tick)


@pytest.mark.parametrize(
    "law",
    [
        make_executor(OwnPlanner()),
        make_executor(OwnPlanner(), tick_model=tick_model()),
        make_executor(ExecutorParts(tick_model()), control_period_s=0.05),
        make_executor(OwnPlanner()).fresh(),
    ],
    ids=["planner", "own tick model", "parts", "fresh"],
)
def test_plans_for_other_ticks_are_refused(law: PlanExecutor) -> None:
    law.tick(observation(0), 0.0)
    law.receive(replace(plan(0), control_period_s=5.0), 0.0)
    assert law.drops == {Drop.BAD_PLAN: 1}
    decision = law.receive(plan(0), 0.0).decision
    assert decision is not None
    np.testing.assert_array_equal(decision.action, [0.0, 0.0])


def test_what_is_not_known_is_not_compared() -> None:
    law = make_executor(ExecutorParts(tick_model()))
    law.tick(observation(0), 0.0)
    assert law.receive(replace(plan(0), control_period_s=5.0), 0.0).decision is not None


@pytest.mark.parametrize("propagate", [False, True])
def test_thresholds_by_regret_say_whether_corrections_are_carried_on(propagate: bool) -> None:
    metric = Metric.RELATIVE_L2
    calibration = GateCalibration(
        mode=GateMode.QUANTILE,
        false_alarm_rate=0.5,
        correction_rate=0.5,
        rates=(0.5,),
        thresholds={metric: ((0.1,),)},
        sensitivity=1.0,
        value_weights=(1.0,) * OBS,
        regret=RegretThresholds(metric, (0.1,), (0.5,), propagate),
    )
    parts = ExecutorParts(tick_model(step=lambda latent, _: latent), calibration)
    by_regret = make_executor(parts, gate=GateSettings(mode=GateMode.REGRET))
    assert by_regret.settings.propagate is propagate
    assert make_executor(parts).settings.propagate is False  # other thresholds have no part in it
