import mujoco
import numpy as np
import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sampling.body import Body
from spec_control_ros.sampling.cost import Cost, CostTerm, Norm

POLE = """<mujoco><option timestep="0.01"/><worldbody><body name="pole" pos="0 0 2"><joint name="hinge" axis="0 1 0"/>
<geom type="capsule" size=".05" fromto="0 0 0 0 0 -1"/><site name="tip" pos="0 0 -1"/></body></worldbody>
<actuator><motor name="motor" joint="hinge" ctrlrange="-2 2" ctrllimited="true"/></actuator>
<sensor><jointpos name="angle" joint="hinge"/><framepos name="way" objtype="xbody" objname="pole"/></sensor></mujoco>"""


def spec() -> mujoco.MjSpec:
    return mujoco.MjSpec.from_string(POLE)


def cost_of(term: CostTerm, state: tuple[float, float], action: float = 0.0) -> float:
    """The cost of one tick that begins in a state."""
    model = spec()
    cost = Cost({"term": term}, model)
    body = Body(model, 0.01, cost=cost)
    actions = np.full((1, 1, 1), action)
    return float(cost.of(body.simulate(np.array([state]), actions)[1], actions)[0])


@pytest.mark.parametrize(
    ("residual", "state", "value"),
    [
        ("height pole", (0.0, 0.0), 2.0),
        ("position pole z", (0.0, 0.0), 2.0),
        ("position tip z", (0.0, 0.0), 1.0),
        ("offset pole tip z", (0.3, 0.0), 1.0),  # in the frame of the tip, whatever its angle
        ("upright pole", (0.0, 0.0), 1.0),
        ("upright pole", (np.pi / 3, 0.0), 0.5),
        ("facing pole x", (0.0, 0.0), 1.0),
        ("velocity pole x", (0.0, -2.0), 1.0),  # of the middle of the pole
        ("turn_rate pole y", (0.0, 2.0), 2.0),
        ("joint hinge", (0.3, 0.0), 0.3),
        ("joint_velocity hinge", (0.0, 0.7), 0.7),
        ("sensor angle", (0.3, 0.0), 0.3),
        ("sensor way z", (0.0, 0.0), 2.0),
    ],
)
def test_residual_measures_what_its_name_says(
    residual: str, state: tuple[float, float], value: float
) -> None:
    # MuJoCo's sensors are those of the state that a step begins in; a step of the test is short.
    assert cost_of(CostTerm(residual, norm=Norm.ABS), state) == pytest.approx(value, abs=0.05)
    assert cost_of(CostTerm(residual, value, Norm.ABS, 3.0), state) == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize(
    ("norm", "below", "above"),
    [
        (Norm.QUADRATIC, 0.125, 0.125),
        (Norm.ABS, 0.5, 0.5),
        (Norm.SMOOTH_ABS, np.sqrt(0.26) - 0.1, np.sqrt(0.26) - 0.1),
        (Norm.BELOW, 0.5, 0.0),
        (Norm.ABOVE, 0.0, 0.5),
    ],
)
def test_norm_of_half_a_unit_below_and_above_the_target(norm: Norm, below: float, above: float) -> None:
    costs = [cost_of(CostTerm("control", 0.2, norm, 2.0), (0.0, 0.0), action) for action in (-0.3, 0.7)]
    assert costs == pytest.approx([2.0 * below, 2.0 * above])


def test_terms_add_up_and_a_rollout_that_diverges_costs_everything() -> None:
    cost = Cost({"one": CostTerm(norm=Norm.ABS), "two": CostTerm(norm=Norm.QUADRATIC, weight=4.0)}, spec())
    cost.bind(spec().compile())
    actions = np.array([[[1.0], [0.0]], [[np.nan], [0.0]]])
    assert cost.of(np.zeros((2, 2, 1)), actions).tolist() == [1.5, np.inf]


@pytest.mark.parametrize(
    ("residual", "said"),
    [
        ("", "got '', expected `control`, `sensor NAME`, `sensor NAME AXIS`, `height BODY`"),
        ("speed pole x", "got 'speed pole x', expected `control`"),
        ("velocity pole", "got 'velocity pole', expected `control`"),
        ("velocity pole w", "got 'velocity pole w', expected"),
        ("height leg", "got 'leg', expected one of world, pole, tip"),
        ("joint knee", "got 'knee', expected one of hinge"),
        ("sensor gyro", "got sensor 'gyro', expected one of angle, way"),
    ],
)
def test_residual_that_cannot_be_measured_is_refused(residual: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"cost.term.residual: {said}"):
        Cost({"term": CostTerm(residual)}, spec())


def test_cost_without_terms_is_refused() -> None:
    with pytest.raises(SettingsError, match="cost: got no term, expected at least one"):
        Cost({}, spec())


def test_axis_that_a_sensor_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="got axis y of sensor angle, expected none: it has 1 components"):
        cost_of(CostTerm("sensor angle y"), (0.0, 0.0))
