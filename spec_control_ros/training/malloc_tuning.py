"""How the C library hands out memory while a model is trained."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_KEPT = 32 * 2**20  # bytes; glibc refuses more


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to 32 MiB a block.

    It would give every freed tensor of a megabyte back to the kernel, and the next one would pay for its pages anew:
    a tenth of an update on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
