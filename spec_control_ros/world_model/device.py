"""The torch device that someone names."""

import torch

from spec_control_ros.core.errors import SettingsError


def find_device(name: str) -> torch.device:
    """The CPU or a GPU that is there.

    Args:
        name: `cpu`, `cuda` or `cuda:1`.

    Raises:
        SettingsError: there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise SettingsError(f"device: got {name!r}, expected cpu, cuda or cuda:N")
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise SettingsError(f"device: got {name!r}, but PyTorch sees {gpus} GPUs here; use cpu")
    return device
