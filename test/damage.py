"""The ways in which files are damaged."""

import random


def mutated(data: bytearray, rng: random.Random) -> bytes:
    """One of the ways in which a file is damaged."""
    at, length = rng.randrange(len(data)), rng.choice([1, 9, 300, 4096])
    kind = rng.choice(["flip", "noise", "cut", "zero", "insert", "delete", "repeat", "ones"])
    if kind == "flip":
        for _ in range(rng.choice([1, 1, 5, 50])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "insert":
        data[at:at] = rng.randbytes(length)
    elif kind == "delete":
        del data[at : at + length]
    elif kind == "repeat":
        data[at:at] = data[at : at + length]
    else:
        size = len(data[at : at + length])
        data[at : at + size] = {"noise": rng.randbytes(size), "zero": bytes(size), "ones": b"\xff" * size}[
            kind
        ]
    return bytes(data)
