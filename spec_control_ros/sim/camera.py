"""MuJoCo's own picture of the plant: a window while it runs, or a video afterwards."""

import os
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import imageio_ffmpeg
import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from spec_control_ros.core.decision import DECISION_COLOURS, DecisionKind
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import VIDEOS, refuse_file, written
from spec_control_ros.sim.suite_plant import SuitePlant

WIDTH, HEIGHT = 480, 360
COLOURS = {kind: ImageColor.getrgb(colour) for kind, colour in DECISION_COLOURS.items()}


class Camera:
    """Remembers what the plant looked like at every tick, and renders it once nothing waits for it.

    Args:
        plant: to look at.
        video: mp4 file; empty for none.
        is_window_open: shows MuJoCo's viewer meanwhile.

    Raises:
        SettingsError: a window is asked for where there is no display, or the video cannot be written.
    """

    def __init__(self, plant: SuitePlant, video: str, *, is_window_open: bool):
        self._plant, self._video = plant, Path(video) if video else None
        self._shots: list[tuple[NDArray[np.float64], DecisionKind | None, int]] = []
        self._decision: DecisionKind | None = None
        self._tick = 0
        self._window = None
        refuse_file(self._video, VIDEOS)
        if is_window_open:
            if not os.environ.get("DISPLAY"):
                raise SettingsError("headless: got false, but there is no display (DISPLAY is not set)")
            import mujoco.viewer  # loads GLFW, which complains where there is no display

            self._window = mujoco.viewer.launch_passive(plant.physics.model.ptr, plant.physics.data.ptr)

    def note(self, decision: DecisionKind | None) -> None:
        """Say how the command of the coming tick came about; None: it was missed."""
        self._decision = decision

    def shoot(self) -> None:
        """Take the plant as it is now, under the decision that was noted last."""
        if self._video is not None:
            self._shots.append((self._plant.physics.get_state().copy(), self._decision, self._tick))
        if self._window is not None:
            self._window.sync()
        self._decision = None
        self._tick += 1

    def close(self) -> None:
        """Write the video and close the window.

        Raises:
            OutputError: the video could not be written.
        """
        if self._window is not None:
            self._window.close()
        if self._video is None or not self._shots:
            return
        physics = self._plant.physics
        _cheapen(physics.model)
        fps = max(1, round(1.0 / self._plant.control_period_s))
        camera = 2 if self._plant.task.startswith("quadruped") else 0
        with written(self._video) as part, _video_writer(part, fps) as writer:
            for state, decision, tick in self._shots:
                physics.set_state(state)
                physics.forward()
                frame = physics.render(HEIGHT, WIDTH, camera_id=camera)
                writer.append_data(_overlaid(frame, decision, tick))
            writer.close()
            _check_video(part, len(self._shots))
        self._shots.clear()


def _video_writer(path: Path, fps: int) -> Any:
    return imageio.get_writer(path, fps=fps, macro_block_size=1)


def _check_video(path: Path, frames: int) -> None:
    """The encoder does not tell that the disk was full.

    Raises:
        OSError: frames are missing.
    """
    try:
        found, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    except RuntimeError:
        found = 0
    if found < frames:
        raise OSError(f"{frames - found} of {frames} frames are missing; is the disk full?")


def _cheapen(model: "mujoco.MjModel") -> None:
    """Leave out what takes most of a frame on a CPU: multisampling, shadows, reflections."""
    model.vis.quality.offsamples = 0
    model.vis.quality.shadowsize = 0
    model.light_castshadow[:] = 0
    model.mat_reflectance[:] = 0


def _overlaid(frame: NDArray[np.uint8], decision: DecisionKind | None, tick: int) -> NDArray[np.uint8]:
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    colour = COLOURS.get(decision, (128, 128, 128)) if decision is not None else (128, 128, 128)
    draw.rectangle((0, 0, WIDTH, 22), fill=colour)
    draw.text(
        (8, 5), f"tick {tick}   {decision.name if decision is not None else 'MISSED'}", fill=(255, 255, 255)
    )
    return np.asarray(image)
