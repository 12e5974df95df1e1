"""The processor that something was computed on, as far as it decides about the last bits of a result."""

import hashlib
import os
import platform
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

VECTORS = ("sse", "ssse", "avx", "fma", "amx")  # beginnings of the names of vector instructions
LIBRARIES = ("torch", "numpy", "mujoco")


def _cpu_name() -> str:
    return _told("model name") or platform.processor() or platform.machine()


@cache
def processor() -> str:
    """A fingerprint: where it is equal, equal computations give equal bits.

    It holds the name of the processor, the vector instructions that torch uses, and a digest of all vector
    instructions and of the versions of the libraries.
    """
    flags = sorted({flag for flag in _told("flags").split() if flag.startswith(VECTORS)})
    versions = [f"{library} {version(library)}" for library in LIBRARIES]
    digest = hashlib.sha256(" ".join([*flags, *versions]).encode()).hexdigest()[:8]
    return f"{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, {digest}"


def hardware_info() -> str:
    """The machine that something was measured on, in words: processor, cores, GPU if there is one, and torch."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{_cpu_name()}, {os.cpu_count()} cores ({capability}){gpu}, torch {torch.__version__}"


def _told(name: str) -> str:
    """What the system tells of the first processor; empty where it does not."""
    file = Path("/proc/cpuinfo")
    text = file.read_text() if file.exists() else ""
    found = re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE)
    return found[1] if found else ""
