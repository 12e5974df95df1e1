"""What a sampling planner minimises: named terms, each a norm of a residual, with a weight that may change at run time.

The form is mujoco_mpc's (Howell et al., arXiv 2212.00541, section 2); residuals are read from MuJoCo sensors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import mujoco
import numpy as np
from jaxtyping import Float64

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import Checked, setting

AXES = {"x": 0, "y": 1, "z": 2}
DIVERGED = 1e10  # MuJoCo takes larger values for a simulation that diverged
CONTROL = "control"  # the one residual that is no sensor


class Norm(str, Enum):
    """How a residual r becomes a cost."""

    QUADRATIC = "quadratic"  # r^2 / 2
    ABS = "abs"  # |r|
    SMOOTH_ABS = "smooth_abs"  # sqrt(r^2 + 0.1^2) - 0.1: smooth near 0, linear far away
    BELOW = "below"  # max(0, -r): only what is less than the target counts
    ABOVE = "above"  # max(0, r): only what is more than the target counts


NORMS: dict[Norm, Callable[[np.ndarray], np.ndarray]] = {
    Norm.QUADRATIC: lambda r: 0.5 * r * r,
    Norm.ABS: np.abs,
    Norm.SMOOTH_ABS: lambda r: np.sqrt(r * r + 0.01) - 0.1,
    Norm.BELOW: lambda r: np.maximum(0.0, -r),
    Norm.ABOVE: lambda r: np.maximum(0.0, r),
}


@dataclass(frozen=True, slots=True)
class CostTerm(Checked):
    """One term: weight x sum of norm(residual - target) over the residual's components, averaged over the horizon."""

    residual: str = setting(
        CONTROL, "What is measured, as in `velocity torso x`; docs/sampling.md has the list"
    )
    target: float = setting(0.0, "Value at which the residual costs nothing, in its unit", live=True)
    norm: Norm = setting(Norm.QUADRATIC, "How the residual becomes a cost")
    weight: float = setting(1.0, "Factor of the term; 0 switches it off", low=0.0, live=True)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of residual: which sensor measures it, of what, and which component counts."""

    sensor: mujoco.mjtSensor
    of: mujoco.mjtObj
    component: int | None = None  # None: an axis is named, or there is one component only
    has_axis: bool = False
    has_reference: bool = False  # whether a second body or site is named, in whose frame it is measured

    @property
    def words(self) -> int:
        """Number of words that follow the kind's name."""
        return 1 + self.has_axis + self.has_reference


_BODY, _FRAME, _JOINT = mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_XBODY, mujoco.mjtObj.mjOBJ_JOINT
_SENSOR = mujoco.mjtSensor
KINDS = {
    "height": _Kind(_SENSOR.mjSENS_FRAMEPOS, _FRAME, component=2),  # of a body's frame, m
    "position": _Kind(_SENSOR.mjSENS_FRAMEPOS, _FRAME, has_axis=True),  # likewise, m
    "offset": _Kind(
        _SENSOR.mjSENS_FRAMEPOS, _FRAME, has_axis=True, has_reference=True
    ),  # in another frame, m
    # Cosine of a body's z axis and the world's
    "upright": _Kind(_SENSOR.mjSENS_FRAMEZAXIS, _FRAME, component=2),
    # Cosine of a body's x axis and one of the world's
    "facing": _Kind(_SENSOR.mjSENS_FRAMEXAXIS, _FRAME, has_axis=True),
    # Of a subtree's centre of mass, m/s
    "velocity": _Kind(_SENSOR.mjSENS_SUBTREELINVEL, _BODY, has_axis=True),
    # Of a body, rad/s, in the world's frame
    "turn_rate": _Kind(_SENSOR.mjSENS_FRAMEANGVEL, _FRAME, has_axis=True),
    "joint": _Kind(_SENSOR.mjSENS_JOINTPOS, _JOINT),  # rad or m
    "joint_velocity": _Kind(_SENSOR.mjSENS_JOINTVEL, _JOINT),  # rad/s or m/s
}

PLACES = (
    "position",
    "offset",
    "joint",
    "sensor",
)  # residuals that may depend on where on the plane the robot is


class Cost:
    """The cost of rollouts.

    Args:
        spec: The model before compilation; missing sensors are added to it.

    Raises:
        SettingsError: there is no term, or a residual that the model cannot measure.
    """

    def __init__(self, terms: Mapping[str, CostTerm], spec: mujoco.MjSpec):
        if not terms:
            raise SettingsError("cost: got no term, expected at least one, as in docs/sampling.md")
        self.terms = dict(terms)
        self._measured = {
            name: _measure(f"cost.{name}.residual", term.residual, spec) for name, term in terms.items()
        }
        self._columns: dict[str, slice | None] = {}

    def bind(self, model: mujoco.MjModel) -> None:
        """Look up where the compiled model puts its sensors."""
        for name, (sensor, component) in self._measured.items():
            self._columns[name] = _columns(model, sensor, component) if sensor else None

    def of(
        self,
        sensors: Float64[np.ndarray, "rollout tick sensor"],
        actions: Float64[np.ndarray, "rollout tick action"],
    ) -> Float64[np.ndarray, "rollout"]:
        """The mean cost of a tick, of every rollout; infinite for one that diverged."""
        total = np.zeros(sensors.shape[:2])
        for name, term in self.terms.items():
            columns = self._columns[name]
            residual = (actions if columns is None else sensors[..., columns]) - term.target
            total += term.weight * NORMS[term.norm](residual).sum(-1)
        mean = total.mean(1)
        return np.where(mean < DIVERGED, mean, np.inf)  # a NaN is not either


def _measure(name: str, residual: str, spec: mujoco.MjSpec) -> tuple[str, int | None]:
    """The sensor that measures a residual, empty for the control, and which of its components; None: all."""
    kind, *words = residual.split() or [""]
    if kind == CONTROL and not words:
        return "", None
    if kind == "sensor" and words and words[1:] in ([], ["x"], ["y"], ["z"]):
        known = [sensor.name for sensor in spec.sensors]
        if words[0] not in known:
            raise SettingsError(f"{name}: got sensor {words[0]!r}, expected one of {', '.join(known)}")
        return words[0], AXES[words[1]] if words[1:] else None
    how = KINDS.get(kind)
    if how is None or len(words) != how.words or (how.has_axis and words[-1] not in AXES):
        raise SettingsError(f"{name}: got {residual!r}, expected {_expected()}")
    sensor = spec.add_sensor()
    sensor.name, sensor.type = f"residual of {name}", how.sensor
    sensor.objname, sensor.objtype = words[0], _type_of(name, words[0], how, spec)
    if how.has_reference:
        sensor.refname, sensor.reftype = words[1], _type_of(name, words[1], how, spec)
    return sensor.name, AXES[words[-1]] if how.has_axis else how.component


def _expected() -> str:
    forms = [
        f"`{kind} {'JOINT' if how.of is _JOINT else 'BODY'}{' BODY' if how.has_reference else ''}"
        f"{' AXIS' if how.has_axis else ''}`"
        for kind, how in KINDS.items()
    ]
    forms = [f"`{CONTROL}`", "`sensor NAME`", "`sensor NAME AXIS`", *forms]
    return f"{', '.join(forms[:-1])} or {forms[-1]}, with AXIS x, y or z"


def _type_of(name: str, thing: str, how: _Kind, spec: mujoco.MjSpec) -> mujoco.mjtObj:
    """The type of a joint or body; where a frame is measured, a site is as good."""
    known = {each.name: how.of for each in (spec.joints if how.of is _JOINT else spec.bodies) if each.name}
    if how.of is _FRAME:
        known |= {site.name: mujoco.mjtObj.mjOBJ_SITE for site in spec.sites if site.name not in {"", *known}}
    if thing not in known:
        raise SettingsError(f"{name}: got {thing!r}, expected one of {', '.join(known)}")
    return known[thing]


def _columns(model: mujoco.MjModel, sensor: str, component: int | None) -> slice:
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SENSOR, sensor)
    start, size = int(model.sensor_adr[index]), int(model.sensor_dim[index])
    if component is None:
        return slice(start, start + size)
    if component >= size:
        raise SettingsError(
            f"cost: got axis {'xyz'[component]} of sensor {sensor}, expected none: it has {size} components"
        )
    return slice(start + component, start + component + 1)
