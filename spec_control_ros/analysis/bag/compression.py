"""Decompression that never gives more than was asked for, whatever the data claims."""

import sys
from pathlib import Path

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BLOCK = 2**20  # bytes


class Damage(ValueError):
    """Data of a bag is not what it should be, longer than allowed, or of an unknown format."""


def decompress(data: bytes, compression: str, max_size: int) -> bytes:
    """Decompress a whole frame of `zstd` or `lz4` (empty: no compression).

    Raises:
        Damage: it is damaged, gives more than `max_size` bytes, or is of an unknown format.
    """
    if not compression:
        return data
    if compression not in ("zstd", "lz4"):
        raise Damage(f"unknown compression {compression!r}")
    decompressor = zstd.ZstdDecompressor() if compression == "zstd" else LZ4FrameDecompressor()
    try:
        decompressed: bytes = decompressor.decompress(data, max_size)
    except (RuntimeError, ValueError, EOFError, zstd.ZstdError) as error:
        raise Damage(f"damaged {compression} frame ({error})") from None
    if not decompressor.eof:
        raise Damage(f"{compression} frame that is cut, or longer than {max_size} bytes")
    return decompressed


def unpack(packed: Path, unpacked: Path, max_size: int) -> None:
    """Decompress a zstd file; what comes before the damage, if there is any, is written all the same.

    Raises:
        Damage: the file is damaged, cut, or longer than `max_size` bytes once unpacked.
    """
    decompressor = zstd.ZstdDecompressor()
    size = 0
    with packed.open("rb") as source, unpacked.open("wb") as target:
        while not decompressor.eof:
            block = source.read(BLOCK) if decompressor.needs_input else b""
            if decompressor.needs_input and not block:
                raise Damage("it is cut")
            try:
                data = decompressor.decompress(block, BLOCK)
            except zstd.ZstdError as error:
                raise Damage(str(error)) from None
            size += len(data)
            if size > max_size:
                raise Damage(f"it is longer than {max_size} bytes once unpacked")
            target.write(data)
