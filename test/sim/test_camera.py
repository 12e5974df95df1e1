"""What the camera does without rendering anything."""

import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import OutputError, SettingsError
from spec_control_ros.sim.camera import (
    COLOURS,
    GREY,
    HEIGHT,
    RIBBON_HEIGHT,
    TICK_WIDTH,
    WIDTH,
    Camera,
    _overlaid,
)
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant


@pytest.fixture
def plant() -> ControlPlant:
    made = make_control_plant("pendulum-swingup")
    made.reset(0)
    return made


def test_video_in_a_missing_folder_is_refused(plant: ControlPlant, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its folder does not exist; make it first"):
        Camera(plant, str(tmp_path / "none" / "x.mp4"), is_window_open=False)


def test_window_without_a_display_is_refused(plant: ControlPlant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SettingsError, match="there is no display"):
        Camera(plant, "", is_window_open=True)


def test_camera_without_video_keeps_and_writes_nothing(plant: ControlPlant, tmp_path: Path) -> None:
    camera = Camera(plant, "", is_window_open=False)
    camera.shoot()
    camera.close()
    assert list(tmp_path.iterdir()) == []


def test_video_of_no_ticks_is_not_written(plant: ControlPlant, tmp_path: Path) -> None:
    Camera(plant, str(tmp_path / "x.mp4"), is_window_open=False).close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def noise(plant: ControlPlant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that do not compress, and take no graphics."""
    random = np.random.default_rng(0)
    frame = lambda *_, **__: random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)  # noqa: E731
    monkeypatch.setattr(type(plant.physics), "render", frame)


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("limit", [None, 20_000])
@pytest.mark.parametrize("ending", ["mp4", "webp"])
def test_video_is_whole_or_told_and_not_there(
    plant: ControlPlant, tmp_path: Path, ending: str, limit: int | None
) -> None:
    video = tmp_path / f"x.{ending}"
    camera = Camera(plant, str(video), is_window_open=False)
    for _ in range(10):
        camera.shoot()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit or before[0], before[1]))  # of the encoder as well
    try:
        if limit is None:
            camera.close()
        else:
            with pytest.raises(OutputError, match=rf"x\.{ending}: cannot be written: "):
                camera.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == ([video] if limit is None else [])


@pytest.mark.usefixtures("noise")
def test_animation_plays_at_the_control_period_and_repeats(plant: ControlPlant, tmp_path: Path) -> None:
    video = tmp_path / "x.webp"
    camera = Camera(plant, str(video), is_window_open=False)
    for _ in range(5):
        camera.shoot()
    camera.close()
    with Image.open(video) as image:
        durations = []
        for frame in range(image.n_frames):
            image.seek(frame)
            image.load()
            durations.append(image.info["duration"])
        assert image.info["loop"] == 0
    assert durations == [round(1000 * plant.control_period_s)] * 5


@pytest.mark.parametrize("decision", [*DecisionKind, None])
def test_frame_bears_the_decision_s_colour(decision: DecisionKind | None) -> None:
    frame = np.asarray(_overlaid(np.zeros((HEIGHT, WIDTH, 3), np.uint8), [decision], 12))
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert tuple(frame[1, -2]) == (COLOURS[decision] if decision is not None else GREY)
    assert (frame[30 : HEIGHT - RIBBON_HEIGHT] == 0).all()


def test_ribbon_shows_the_newest_decisions_in_their_order() -> None:
    decisions = [DecisionKind.HOLD, DecisionKind.REPLAN, *[DecisionKind.ACCEPT] * (WIDTH // TICK_WIDTH - 1)]
    foot = np.asarray(_overlaid(np.zeros((HEIGHT, WIDTH, 3), np.uint8), decisions, 12))[-2]
    assert tuple(foot[0]) == COLOURS[DecisionKind.REPLAN]
    assert (foot[TICK_WIDTH:] == COLOURS[DecisionKind.ACCEPT]).all()
