"""Recipes as files."""

from pathlib import Path

import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.environment import make_env
from tools.expert.curriculum import EpisodeStart, Stage, StartKind
from tools.expert.recipe import read_recipe, read_refinement
from tools.expert.settings import ExpertSettings

TOOL = Path(__file__).parents[2] / "tools" / "expert"
SHIPPED, REFINED = sorted(TOOL.glob("*.yaml")), sorted((TOOL / "refined").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_recipe_is_of_a_task_and_can_be_read(path: Path) -> None:
    make_env(path.stem)
    assert read_recipe(path).stages


@pytest.mark.parametrize("path", REFINED, ids=lambda p: p.stem)
def test_shipped_refinement_is_of_a_task_and_can_be_read(path: Path) -> None:
    make_env(path.stem)
    assert read_refinement(path).task == path.stem


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def test_recipe_names_settings_stages_and_starts(tmp_path: Path) -> None:
    text = """
        ticks: 5000
        actor_critic: {discount: 0.9}
        stages:
          first:
            shaping: 0.5
            starts:
              upright: {share: 0.8, ends_low: true}
              own: {share: 0.2, ticks: 160}
          last: {share: 2.0}
    """
    settings = read_recipe(write(tmp_path, text))
    assert (settings.ticks, settings.actor_critic.discount, settings.plants) == (5000, 0.9, 64)
    upright = EpisodeStart(StartKind.UPRIGHT, share=0.8, ends_low=True)
    assert settings.stages == (
        Stage(name="first", shaping=0.5, starts=(upright, EpisodeStart(share=0.2, ticks=160))),
        Stage(name="last", share=2.0, starts=(EpisodeStart(),)),
    )


def test_recipe_without_stages_has_the_task_s_own_starts(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, "plants: 32")) == ExpertSettings(plants=32)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tick: 3", "tick: unknown, expected one of task"),
        ("ticks: many", "ticks: got 'many', expected at least 1"),
        ("stages: []", r"stages: got \[\], expected settings by name"),
        ("stages: {}", "stages: got none"),
        ("stages: {a: {share: 0}}", "stages.a.share: got 0"),
        ("stages: {a: {starts: {}}}", "stages.a.stage a: got no starts"),
        ("stages: {a: {starts: {sitting: {}}}}", "kind: got 'sitting', expected one of own, upright"),
        ("stages: {a: {starts: {own: {share: -1}}}}", "stages.a.starts.own.share: got -1"),
        ("- 1", r"recipe: got \[1\]"),
        ("{", "while parsing"),
    ],
)
def test_wrong_recipe_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as told:
        read_recipe(write(tmp_path, text))
    assert "recipe.yaml" in str(told.value)


def test_missing_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_recipe(tmp_path / "none.yaml")
