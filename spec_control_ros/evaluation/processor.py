"""The processor that something was computed on, as far as it decides about the last bits of a result."""

import hashlib
import platform
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

VECTORS = ("sse", "ssse", "avx", "fma", "amx")  # beginnings of the names of vector instructions
LIBRARIES = ("torch", "numpy", "mujoco")


def cpu_name() -> str:
    """The processor's name."""
    found = re.search(r"^model name\s*: (.*)$", _cpu_info(), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


@cache
def processor() -> str:
    """A fingerprint: where it is equal, equal computations give equal bits.

    It holds the name of the processor, the vector instructions that torch uses, and a digest of all vector
    instructions and of the versions of the libraries.
    """
    found = re.search(r"^flags\s*: (.*)$", _cpu_info(), re.MULTILINE)
    flags = sorted({flag for flag in (found[1] if found else "").split() if flag.startswith(VECTORS)})
    versions = [f"{library} {version(library)}" for library in LIBRARIES]
    digest = hashlib.sha256(" ".join([*flags, *versions]).encode()).hexdigest()[:8]
    return f"{cpu_name()} ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, {digest}"


def _cpu_info() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""
