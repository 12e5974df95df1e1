"""The machine that something was measured on, in words."""

import os
import platform
from pathlib import Path

import torch


def hardware_info() -> str:
    """Processor, cores, GPU if there is one, and torch."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = (
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        )
        cpu = next(names, cpu)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpu}, {os.cpu_count()} cores ({torch.backends.cpu.get_cpu_capability()}){gpu}, torch {torch.__version__}"
