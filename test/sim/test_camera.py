"""What the camera does without rendering anything."""

import resource
from pathlib import Path

import numpy as np
import pytest

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import OutputError, SettingsError
from spec_control_ros.sim.camera import COLOURS, HEIGHT, WIDTH, Camera, _overlaid
from spec_control_ros.sim.suite_plant import SuitePlant


@pytest.fixture
def plant() -> SuitePlant:
    made = SuitePlant("pendulum-swingup")
    made.reset(0)
    return made


def test_video_in_a_missing_folder_is_refused(plant: SuitePlant, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its folder does not exist; make it first"):
        Camera(plant, str(tmp_path / "none" / "x.mp4"), is_window_open=False)


def test_window_without_a_display_is_refused(plant: SuitePlant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SettingsError, match="there is no display"):
        Camera(plant, "", is_window_open=True)


def test_camera_without_video_keeps_and_writes_nothing(plant: SuitePlant, tmp_path: Path) -> None:
    camera = Camera(plant, "", is_window_open=False)
    camera.shoot()
    camera.close()
    assert list(tmp_path.iterdir()) == []


def test_video_of_no_ticks_is_not_written(plant: SuitePlant, tmp_path: Path) -> None:
    Camera(plant, str(tmp_path / "x.mp4"), is_window_open=False).close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def noise(plant: SuitePlant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that do not compress, and take no graphics."""
    random = np.random.default_rng(0)
    frame = lambda *_, **__: random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)  # noqa: E731
    monkeypatch.setattr(type(plant.physics), "render", frame)


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("limit", [None, 20_000])
def test_video_is_whole_or_told_and_not_there(plant: SuitePlant, tmp_path: Path, limit: int | None) -> None:
    video = tmp_path / "x.mp4"
    camera = Camera(plant, str(video), is_window_open=False)
    for _ in range(10):
        camera.shoot()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit or before[0], before[1]))  # of the encoder as well
    try:
        if limit is None:
            camera.close()
        else:
            with pytest.raises(OutputError, match=r"x\.mp4: cannot be written: "):
                camera.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == ([video] if limit is None else [])


@pytest.mark.parametrize("decision", [*DecisionKind, None])
def test_frame_bears_the_decision_s_colour(decision: DecisionKind | None) -> None:
    frame = _overlaid(np.zeros((HEIGHT, WIDTH, 3), np.uint8), decision, 12)
    assert frame.shape == (HEIGHT, WIDTH, 3)
    expected = COLOURS[decision] if decision is not None else (128, 128, 128)
    assert tuple(frame[1, -2]) == expected
    assert (frame[30:] == 0).all()
