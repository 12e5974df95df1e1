"""The machine that something was measured on, in words."""

import os

import torch

from spec_control_ros.evaluation.processor import cpu_name


def hardware_info() -> str:
    """Processor, cores, GPU if there is one, and torch."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{cpu_name()}, {os.cpu_count()} cores ({capability}){gpu}, torch {torch.__version__}"
