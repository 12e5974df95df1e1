"""The processor that something was computed on, as far as it decides about the last bits of a result."""

import ctypes
import hashlib
import os
import platform
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

VECTORS = ("sse", "ssse", "avx", "fma", "amx")  # beginnings of the names of vector instructions
LIBRARIES = ("torch", "numpy", "mujoco")


def _cpu_name() -> str:
    return _told("model name") or platform.processor() or platform.machine()


@cache
def processor() -> str:
    """A fingerprint: where it is equal, equal computations give equal bits.

    It holds the name of the processor, the vector instructions that torch uses, and a digest of all vector
    instructions, of numpy's BLAS kernels and of the versions of the libraries.
    """
    flags = sorted({flag for flag in _told("flags").split() if flag.startswith(VECTORS)})
    versions = [f"{library} {version(library)}" for library in LIBRARIES]
    digest = hashlib.sha256(" ".join([*flags, blas_kernels(), *versions]).encode()).hexdigest()[:8]
    return f"{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, {digest}"


@cache
def blas_kernels() -> str:
    """The kernels that numpy's OpenBLAS has chosen by the processor's family, as Haswell or SkylakeX; else empty.

    Two machines may tell the same name and the same instructions, and get other ones.
    """
    for file in Path(np.__file__).parents[1].glob("numpy.libs/*openblas*"):
        with suppress(OSError, AttributeError):
            name = ctypes.CDLL(str(file)).scipy_openblas_get_corename64_
            name.restype = ctypes.c_char_p
            return str(name().decode())
    return ""


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
