"""The torch device that someone names, and the number formats that it is fast in."""

import torch

from spec_control_ros.core.errors import SettingsError


def is_bf16_fast(device: torch.device | str = "cpu") -> bool:
    """Whether `device` has instructions that multiply bfloat16 matrices (AMX or AVX512_BF16; tensor cores)."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def find_device(name: str) -> torch.device:
    """The CPU or a GPU that is there, by a name such as `cpu`, `cuda` or `cuda:1`.

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
