"""Every settings dataclass of core and world model, found by its `setting` fields."""

import dataclasses
import re
from enum import Enum
from math import inf, nan
from typing import Any

import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_health import SupervisionSettings
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.settings import (
    allowed,
    changed,
    check,
    live_fields,
    replaced,
    setting,
    settings_from,
)
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings, SearchStart

KINDS = (GateSettings, ExecutorSettings, SupervisionSettings, MPPISettings, PlannerSettings)
FIELDS = [(kind, spec) for kind in KINDS for spec in dataclasses.fields(kind) if spec.metadata]
FLOATS = [(k, s) for k, s in FIELDS if isinstance(s.default, float)]
BOUNDS = [(k, s, b) for k, s in FIELDS for b in ("low", "above", "high") if s.metadata[b] is not None]


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Painted:
    colour: Colour = setting(Colour.RED, "of the robot")
    coats: int = setting(1, "of paint", low=1, high=3)
    drying_s: float = setting(1.0, "s between coats", above=0.0)
    plain: int = 5
    parts: tuple[str, ...] = setting((), "that are painted", of=str)
    layers_mm: tuple[float, ...] = setting((0.1,), "mm", of=float)

    def __post_init__(self) -> None:
        check(self)


def named(case: Any) -> str | None:
    return case.__name__ if isinstance(case, type) else getattr(case, "name", case)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_allowed(kind: type) -> None:
    kind()


@pytest.mark.parametrize(("kind", "spec"), FIELDS, ids=named)
def test_every_setting_says_what_it_means(kind: type, spec: Any) -> None:
    assert spec.metadata["description"]


@pytest.mark.parametrize(("kind", "spec", "bound"), BOUNDS, ids=named)
def test_value_beyond_a_bound_is_refused(kind: type, spec: Any, bound: str) -> None:
    limit = type(spec.default)(spec.metadata[bound])
    beyond = {"low": limit - 1, "above": limit, "high": limit + 1}[bound]
    with pytest.raises(SettingsError, match=spec.name):
        kind(**{spec.name: beyond})


@pytest.mark.parametrize("value", [nan, inf])
@pytest.mark.parametrize(("kind", "spec"), FLOATS, ids=named)
def test_what_is_not_finite_is_out_of_every_range(kind: type, spec: Any, value: float) -> None:
    with pytest.raises(SettingsError, match=spec.name):
        kind(**{spec.name: value})


def test_text_of_a_choice_is_the_choice() -> None:
    assert Painted(colour="blue").colour is Colour.BLUE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colour": "green"}, "colour: got 'green', expected one of red, blue"),
        ({"coats": 0}, "coats: got 0, expected at least 1 and at most 3"),
        ({"drying_s": 0.0}, "drying_s: got 0.0, expected more than 0.0"),
        ({"coats": "two"}, "coats: got 'two', expected at least 1 and at most 3"),
        ({"coats": 1.5}, "coats: got 1.5"),
        ({"coats": True}, "coats: got True"),
        ({"drying_s": None}, "drying_s: got None"),
        ({"parts": ["hull"]}, "parts: got \\['hull'\\], expected a list of strs"),
        ({"parts": "hull"}, "parts: got 'hull'"),
        ({"parts": (1,)}, "parts: got \\(1,\\)"),
        ({"layers_mm": ("thick",)}, "layers_mm: got \\('thick',\\), expected a list of floats"),
        ({"layers_mm": (True,)}, "layers_mm: got \\(True,\\)"),
    ],
)
def test_refusal_says_what_was_got_and_what_is_allowed(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Painted(**values)


def test_whole_number_is_taken_for_a_float() -> None:
    assert Painted(drying_s=2).drying_s == 2


def test_list_becomes_a_tuple_and_its_whole_numbers_are_floats() -> None:
    assert settings_from(Painted, {"parts": ["hull", "mast"], "layers_mm": [1, 0.5]}) == Painted(
        parts=("hull", "mast"), layers_mm=(1.0, 0.5)
    )


def test_fields_without_a_range_name_their_type() -> None:
    spec = next(f for f in dataclasses.fields(Painted) if f.name == "coats")
    assert allowed(spec) == "at least 1 and at most 3"
    assert allowed(dataclasses.field(default="x", metadata={"description": "d"})) == "a str"


def test_relations_between_settings_hold() -> None:
    with pytest.raises(SettingsError, match="elites"):
        MPPISettings(samples=32, prior_samples=8, elites=64)
    with pytest.raises(SettingsError, match=r"min_std: got 3\.0, expected at most max_std = 2\.0"):
        MPPISettings(min_std=3.0)
    with pytest.raises(SettingsError, match="queue_length: got 2, expected horizon = 3"):
        PlannerSettings(queue_length=2)
    with pytest.raises(SettingsError, match="queue_length"):
        PlannerSettings(queue_length=1001)


def test_settings_are_made_of_plain_values() -> None:
    made = settings_from(PlannerSettings, {"queue_length": 5, "mppi": {"start": "prior", "max_std": 1}})
    assert made == PlannerSettings(queue_length=5, mppi=MPPISettings(start=SearchStart.PRIOR, max_std=1))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mppi": {"horizont": 3}}, "mppi.horizont: unknown, expected one of horizon, iterations"),
        ({"mppi": {"horizon": 0}}, "mppi.horizon: got 0, expected at least 1"),
        ({"mppi": {"start": "anywhere"}}, "mppi.start: got 'anywhere', expected one of shifted, prior"),
        ({"mppi": 3}, "mppi: got 3, expected settings by name"),
        ({"queue_length": 2}, "queue_length: got 2, expected horizon = 3"),
    ],
)
def test_plain_values_are_refused_with_their_whole_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_from(PlannerSettings, values)


def test_settings_are_changed_by_their_dotted_names() -> None:
    recorded = PlannerSettings(seed=3, mppi=MPPISettings(iterations=2))
    assert changed(recorded, {}) == recorded
    text = {"mppi.start": "prior", "mppi.max_std": "1e-1", "queue_length": "4"}
    search = MPPISettings(iterations=2, start=SearchStart.PRIOR, max_std=0.1)
    assert changed(recorded, text) == PlannerSettings(queue_length=4, seed=3, mppi=search)
    assert changed(ExecutorSettings(), {"prefetch": "true"}).prefetch is True


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "mppi.starts",
            "prior",
            "mppi.starts: unknown, expected one of queue_length, selection, precision, ",
        ),
        ("seed", "3", "seed: unknown"),
        ("queue_length", "4.5", "queue_length: got '4.5', expected at least 1 (int)"),
        ("mppi.max_std", "wide", "mppi.max_std: got 'wide', expected more than 0.0 (float)"),
        ("mppi.max_std", "-1", "mppi.max_std: got -1.0, expected more than 0.0"),
        ("mppi.start", "cold", "mppi.start: got 'cold', expected one of shifted, prior"),
    ],
)
def test_change_is_refused_with_its_whole_name(name: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        changed(PlannerSettings(), {name: text}, fixed={"seed"})


def test_values_are_replaced_by_their_dotted_names() -> None:
    settings = replaced(MPPISettings(), {"iterations": 3, "temperature": 1})
    assert (settings.iterations, settings.temperature) == (3, 1.0)
    assert replaced(Painted(), {"layers_mm": [1, 2.5]}).layers_mm == (1, 2.5)
    with pytest.raises(SettingsError, match="horizon: got 0, expected at least 1"):
        replaced(MPPISettings(), {"horizon": 0})


def test_live_settings_are_thresholds_and_limits() -> None:
    assert sorted(live_fields(GateSettings)) == sorted(
        ["accept", "replan", "correction_rate", "false_alarm_rate"]
    )
    assert sorted(live_fields(ExecutorSettings)) == ["max_action", "max_action_rate"]
