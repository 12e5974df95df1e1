"""Two ways of calling a function of tensors: as it is, and on a GPU as one graph of all its kernels."""

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
WARM_UP_CALLS = 3  # before a capture: libraries set themselves up, which must not be captured


Call = Callable[..., Any]  # calls its first argument, a function of tensors, with the others


def eager_call(function: Callable[..., T], /, *arguments: Any) -> T:
    """Call it as it is."""
    return function(*arguments)


def call_on(device: torch.device) -> Call:
    """The faster way on this device."""
    return CudaGraphs() if device.type == "cuda" else eager_call


@dataclass(frozen=True, slots=True)
class Graph:
    """A captured call: fill the inputs, replay, and the outputs hold what the function gives for them."""

    inputs: Sequence[Tensor]
    outputs: Any
    replay: Callable[[], None]


def capture(function: Callable[..., Any], arguments: Sequence[Any]) -> Graph:
    """Capture a call on the GPU that its tensors are on.

    Raises:
        RuntimeError: it does what cannot be captured, as waiting for the GPU.
    """
    fixed = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
    inputs = [a for a in fixed if isinstance(a, Tensor)]
    with torch.cuda.device(inputs[0].device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_CALLS):
                function(*fixed)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU
            outputs = function(*fixed)
    return Graph(inputs, outputs, graph.replay)


class CudaGraphs:
    """Captures every call the first time and replays it from then on.

    A plan is hundreds of small kernels, and launching one takes longer than most of them run.
    """

    def __init__(self, capture: Callable[[Callable[..., Any], Sequence[Any]], Graph] = capture):
        self._capture = capture
        self._graphs: dict[Hashable, Graph | None] = {}  # by function, shapes and other arguments

    def __call__(self, function: Callable[..., T], /, *arguments: Any) -> T:
        """What the function gives; what cannot be captured is called eagerly, with a warning the first time."""
        key = (function, *(a.shape if isinstance(a, Tensor) else a for a in arguments))
        if key not in self._graphs:
            self._graphs[key] = self._try_to_capture(function, arguments)
        graph = self._graphs[key]
        if graph is None:
            return function(*arguments)
        for own, given in zip(graph.inputs, (a for a in arguments if isinstance(a, Tensor)), strict=True):
            own.copy_(given)
        graph.replay()
        return _copied(graph.outputs)  # the next replay overwrites them

    def _try_to_capture(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Graph | None:
        try:
            return self._capture(function, arguments)
        except RuntimeError as error:
            name = getattr(function, "__name__", str(function))
            warnings.warn(f"no CUDA graph of {name}, it runs kernel by kernel: {error}", stacklevel=2)
            return None


def _copied(outputs: Any) -> Any:
    if isinstance(outputs, Tensor):
        return outputs.clone()
    return type(outputs)._make(tensor.clone() for tensor in outputs)
