"""Simulated robots: dm_control's plants, the bridge's bookkeeping, pictures."""

import os

# Before mujoco or dm_control is imported: without a display, their default renderer fails or complains.
if not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")
