"""The weights of a network by their names, as arrays: read without PyTorch."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.world_model.foreign_file import refuse_other_than_weights

if TYPE_CHECKING:
    from torch import nn

FORMATS = ("F64", "F32", "F16")


class NamedWeights:
    """Asked for one by one, each with the shape that it must have; messages say from which `source` they are."""

    def __init__(self, source: str, names: Collection[str], read: Callable[[str], np.ndarray]):
        self._source, self._read = source, read
        self._names, self._taken = names, list[str]()

    @classmethod
    def of_file(cls, path: Path) -> "NamedWeights | None":
        """Those of a safetensors file, of which only what is asked for is read.

        None where numpy lacks their number format, as bfloat16.

        Raises:
            CheckpointError: it is missing or truncated.
        """
        refuse_other_than_weights(path)
        try:
            file = safe_open(path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: not a whole safetensors file ({error})") from None
        names = list(file.keys())  # type: ignore[no-untyped-call]
        is_readable = all(file.get_slice(name).get_dtype() in FORMATS for name in names)  # type: ignore[no-untyped-call]
        return cls(str(path), names, file.get_tensor) if is_readable else None

    @classmethod
    def of_module(cls, module: "nn.Module") -> "NamedWeights":
        """Those of a PyTorch module on the CPU, as they are now."""
        tensors = module.state_dict()
        return cls(type(module).__name__, tensors.keys(), lambda name: tensors[name].detach().numpy())

    def take(self, name: str, *shape: int) -> np.ndarray:
        """One of them, as float32.

        Raises:
            CheckpointError: missing, of another shape, or not finite.
        """
        if name not in self._names:
            raise CheckpointError(f"{self._source}: tensor {name} is missing, expected shape {shape}")
        array = self._read(name)
        if array.shape != shape:
            raise CheckpointError(f"{self._source}: tensor {name} has shape {array.shape}, expected {shape}")
        array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise CheckpointError(f"{self._source}: tensor {name} holds non-finite values")
        self._taken.append(name)
        return array

    def refuse_others(self, *known: str) -> None:
        """Hold the file to what was taken of it; names may be there as well that begin as one of `known` does.

        Raises:
            CheckpointError: something else is there.
        """
        others = sorted(
            name for name in self._names if name not in self._taken and not name.startswith(known)
        )
        if others:
            expected = ", ".join(self._taken)
            raise CheckpointError(f"{self._source}: unknown tensor {others[0]}, expected only {expected}")
