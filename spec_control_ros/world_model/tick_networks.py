"""The networks of a tick as native programs: those of the world model that the executor needs, and both correctors.

They give what PyTorch gives but for the order of sums, and need none of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.inference_program import (
    LANES,
    LARGEST_WIDTH,
    LARGEST_WINDOW,
    Opcode,
    ProgramBuilder,
    Slot,
)
from spec_control_ros.world_model.named_weights import NamedWeights

Rows = Callable[..., np.ndarray]
Residual = Callable[[FeatureHistory], np.ndarray]  # -> (action,)


def native_tick_model(dims: Dimensions, weights: NamedWeights) -> TickModel | None:
    """Encoder, policy prior and dynamics of a world model of these dimensions; None where their widths do not suit.

    Raises:
        NativeLibraryError: there is no library.
        CheckpointError: a weight is missing, of another shape or not finite.
    """
    action = dims.action
    encode = native_mlp(weights, "encoder.", dims.encoder_widths, is_last_sim_norm=True)
    raw_prior = native_mlp(weights, "prior_head.", dims.head_widths(2 * action, sees_action=False))
    following = native_mlp(weights, "dynamics.", dims.head_widths(dims.latent), is_last_sim_norm=True)
    if encode is None or raw_prior is None or following is None:
        return None

    def prior(latent: np.ndarray) -> np.ndarray:
        return np.tanh(raw_prior(latent)[:action])

    return TickModel(dims.obs, dims.latent, action, encode, prior, following)


def native_mlp(
    weights: NamedWeights, name: str, widths: Sequence[int], *, is_last_sim_norm: bool = False
) -> Rows | None:
    """The network from the parts of a row to its outputs; None where its widths do not suit.

    Args:
        weights: Weights of a `layers.MLP`.
        name: What the names of its weights begin with.
        widths: Widths of the input and of every layer.
        is_last_sim_norm: Whether the last layer has SimNorm, and not no activation.

    Raises:
        NativeLibraryError: there is no library.
        CheckpointError: a weight is missing, of another shape or not finite.
    """
    last = len(widths) - 2
    if not all(_suits(width) for width in widths[1 : None if is_last_sim_norm else -1]):
        return None
    builder = ProgramBuilder(weights)
    x = joint = builder.slot(widths[0])
    for i, width in enumerate(widths[1:]):
        x = builder.linear(x, f"{name}{i}", width)
        if i < last or is_last_sim_norm:
            kind = Opcode.SIM_NORM if i == last else Opcode.MISH
            x = builder.activate(kind, builder.norm(x, f"{name}{i}.ln"))
    program = builder.finish()
    given, out = program.view(joint), program.view(x)

    def run(*parts: np.ndarray) -> np.ndarray:
        np.concatenate(parts, out=given)
        program.run()
        return out.copy()

    return run


@dataclass(frozen=True, slots=True)
class NativeCorrector:
    """A `core.corrector.Corrector`."""

    kind: str
    dims: CorrectorDimensions
    residual: Residual

    @property
    def window(self) -> int:
        """Ticks that it looks back."""
        return self.dims.window


def native_residual(kind: str, dims: CorrectorDimensions, weights: NamedWeights) -> Residual | None:
    """What the `residual` of a corrector gives; None where its kind or its widths do not suit.

    Raises:
        NativeLibraryError: there is no library.
        CheckpointError: a weight is missing, of another shape or not finite, or there are others.
    """
    make = {"two_tower": _two_tower, "temporal": _temporal}.get(kind)
    if make is None or not _suits(dims.hidden) or dims.window > LARGEST_WINDOW:
        return None
    residual = make(dims, weights)
    weights.refuse_others()
    return residual


def _two_tower(dims: CorrectorDimensions, weights: NamedWeights) -> Residual:
    latent, action, hidden = dims.latent, dims.action, dims.hidden
    builder = ProgramBuilder(weights)
    observed, predicted = builder.slot(latent), builder.slot(latent)
    # [difference, its norm, queued action, steps ahead]
    features = builder.slot(latent + 1 + action + 1)
    difference = builder.combine(Opcode.DIFFERENCE, observed, predicted, features.part(0, latent))
    builder.length(difference, features.part(latent, 1))

    def tower(x: Slot, name: str) -> Slot:
        x = builder.norm(builder.linear(x, f"{name}.0", hidden), f"{name}.1")
        x = builder.linear(builder.activate(Opcode.SILU, x), f"{name}.3", hidden)
        return builder.activate(Opcode.SILU, x)

    mismatch = tower(features, "mismatch_pathway")
    towers = tower(observed, "observed_tower"), tower(predicted, "predicted_tower"), mismatch
    gate = builder.activate(Opcode.SIGMOID, builder.linear(mismatch, "gate", action))
    head = builder.linear(tower(builder.joined(towers), "trunk"), "head", action)
    out = builder.combine(Opcode.MULTIPLY, gate, head)
    program = builder.finish()
    of_observed, of_predicted, given, residual = map(program.view, (observed, predicted, features, out))

    def run(history: FeatureHistory) -> np.ndarray:
        newest = history.newest
        of_observed[:], of_predicted[:] = newest.observed, newest.predicted
        given[latent + 1 : -1], given[-1] = newest.action, 0.1 * newest.steps_ahead
        program.run()
        return residual.copy()

    return run


def _temporal(dims: CorrectorDimensions, weights: NamedWeights) -> Residual:
    latent, action, hidden, window = dims.latent, dims.action, dims.hidden, dims.window
    builder = ProgramBuilder(weights)
    # [observed, difference, queued action, steps ahead]
    tokens = builder.slot(2 * latent + action + 1, window)
    predicted, first = builder.slot(latent, window), builder.slot(1)
    for i in range(window):
        observed, difference = (tokens.row(i).part(start, latent) for start in (0, latent))
        builder.combine(Opcode.DIFFERENCE, observed, predicted.row(i), difference)
    position = builder.slot(hidden, window)
    x = builder.combine(Opcode.ADD, builder.linear(tokens, "embed", hidden), position)
    for layer in range(dims.layers):
        block = f"blocks.{layer}"
        normed = builder.norm(x, f"{block}.attention_norm")
        mixed = builder.attend(builder.linear(normed, f"{block}.qkv", 3 * hidden), first, dims.heads)
        if layer == dims.layers - 1:  # from here on no row looks at another, and the newest alone counts
            x, mixed = x.row(-1), mixed.row(-1)
        x = builder.combine(Opcode.ADD, x, builder.linear(mixed, f"{block}.out", hidden))
        wide = builder.linear(builder.norm(x, f"{block}.mlp.0"), f"{block}.mlp.1", 2 * hidden)
        narrow = builder.linear(builder.activate(Opcode.SILU, wide), f"{block}.mlp.3", hidden)
        x = builder.combine(Opcode.ADD, x, narrow)
    out = builder.linear(builder.norm(x, "norm"), "head", action)
    program = builder.finish()
    program.view(position)[:] = weights.take("position", window, hidden)
    given, foreseen, first_row, residual = map(program.view, (tokens, predicted, first, out))

    def run(history: FeatureHistory) -> np.ndarray:
        first_row[0] = start = window - len(history)
        for i, tick in enumerate(history, start):
            given[i, :latent], foreseen[i] = tick.observed, tick.predicted
            given[i, 2 * latent : -1], given[i, -1] = tick.action, 0.1 * tick.steps_ahead
        program.run()
        return residual.copy()

    return run


def _suits(width: int) -> bool:
    return width % LANES == 0 and width <= LARGEST_WIDTH
