"""MuJoCo's own picture of the plant: a window while it runs, or a video afterwards."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from spec_control_ros.core.decision import DECISION_COLOURS, DecisionKind
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import VIDEOS, refuse_file, written
from spec_control_ros.sim.plant import Plant

WIDTH, HEIGHT = 480, 360
GREY = (128, 128, 128)  # of a tick that was missed
COLOURS: dict[DecisionKind | None, tuple[int, ...]] = {None: GREY} | {
    kind: ImageColor.getrgb(colour) for kind, colour in DECISION_COLOURS.items()
}
TICK_WIDTH, RIBBON_HEIGHT = 4, 12  # pixels of the ribbon
WEBP = {
    "codec": "libwebp_anim",
    "output_params": ["-loop", "0", "-quality", "60"],
}  # an animation that repeats


class Camera:
    """Remembers what the plant looked like at every tick, and renders it once nothing waits for it.

    Args:
        video: File to write; its ending chooses the format (`core.output.VIDEOS`). Empty for none.
        is_window_open: Whether to show MuJoCo's viewer meanwhile.

    Raises:
        SettingsError: a window is asked for where there is no display, or the video cannot be written.
    """

    def __init__(self, plant: Plant, video: str, *, is_window_open: bool):
        self._plant, self._video = plant, Path(video) if video else None
        self._shots: list[tuple[NDArray[np.float64], DecisionKind | None, int]] = []
        self._decision: DecisionKind | None = None
        self._tick = 0
        self._window = None
        refuse_file(self._video, VIDEOS)
        if (self._video or is_window_open) and self._physics is None:
            raise SettingsError(
                f"video: got {video!r}, headless: got {not is_window_open}, expected no video and no window: this "
                "environment has no MuJoCo model to show"
            )
        if is_window_open:
            if not os.environ.get("DISPLAY"):
                raise SettingsError("headless: got false, but there is no display (DISPLAY is not set)")
            import mujoco.viewer  # loads GLFW, which complains where there is no display

            physics = self._physics
            self._window = mujoco.viewer.launch_passive(physics.model.ptr, physics.data.ptr)

    @property
    def _physics(self) -> Any:
        """dm_control's view of MuJoCo's state as it is now; None where the plant has none."""
        return getattr(self._plant, "physics", None)

    def note(self, decision: DecisionKind | None) -> None:
        """Say how the command of the coming tick came about; None: it was missed."""
        self._decision = decision

    def shoot(self) -> None:
        """Take the plant as it is now, under the decision that was noted last."""
        if self._video is not None:
            self._shots.append((self._physics.get_state().copy(), self._decision, self._tick))
        if self._window is not None and self._physics is not None:
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
        fps = max(1, round(1.0 / self._plant.control_period_s))
        with written(self._video) as part:
            _write_video(part, self._frames(), fps)
            _check_video(part, len(self._shots))
        self._shots.clear()

    def _frames(self) -> Iterator[Image.Image]:
        physics = self._physics
        # Without what takes most of a frame on a CPU: multisampling, shadows, reflections
        physics.model.vis.quality.offsamples = physics.model.vis.quality.shadowsize = 0
        physics.model.light_castshadow[:] = physics.model.mat_reflectance[:] = 0
        # The model's first camera, or MuJoCo's own free one (-1) where the model has none
        is_quadruped = getattr(self._plant, "task", "").startswith("quadruped")
        camera = (2 if is_quadruped else 0) if physics.model.ncam else -1
        decisions = [decision for _, decision, _ in self._shots]
        for i, (state, _, tick) in enumerate(self._shots):
            physics.set_state(state)
            physics.forward()
            yield _overlaid(physics.render(HEIGHT, WIDTH, camera_id=camera), decisions[: i + 1], tick)


def _write_video(path: Path, frames: Iterator[Image.Image], fps: int) -> None:
    encoder = WEBP if path.suffix.lower() == ".webp" else {}
    with closing(
        imageio_ffmpeg.write_frames(str(path), (WIDTH, HEIGHT), fps=fps, macro_block_size=1, **encoder)
    ) as writer:
        writer.send(None)
        for frame in frames:
            writer.send(frame.tobytes())


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


def _overlaid(frame: NDArray[np.uint8], decisions: Sequence[DecisionKind | None], tick: int) -> Image.Image:
    """The frame with the newest decision in its head line, and a ribbon of the decisions up to it at its foot."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 22), fill=COLOURS[decisions[-1]])
    name = decisions[-1].name if decisions[-1] is not None else "MISSED"
    draw.text((8, 3), f"tick {tick}   {name}", fill=(255, 255, 255), font_size=14)
    recent = decisions[-(WIDTH // TICK_WIDTH) :]
    for i, decision in enumerate(recent):
        left = i * TICK_WIDTH
        draw.rectangle((left, HEIGHT - RIBBON_HEIGHT, left + TICK_WIDTH - 1, HEIGHT), fill=COLOURS[decision])
    return image
