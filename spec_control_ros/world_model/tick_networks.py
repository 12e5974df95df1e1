"""The networks of a tick as native programs: those of the world model that the executor needs, and both correctors.

They give what PyTorch gives but for the order of sums.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.correctors.learned_corrector import LearnedCorrector, Residual
from spec_control_ros.correctors.temporal import Block, TemporalCorrector
from spec_control_ros.correctors.two_tower import TwoTowerCorrector
from spec_control_ros.world_model.inference_program import (
    LANES,
    LARGEST_WIDTH,
    LARGEST_WINDOW,
    Opcode,
    ProgramBuilder,
)
from spec_control_ros.world_model.layers import MLP, Layer, sim_norm
from spec_control_ros.world_model.native_library import NativeLibraryError

Rows = Callable[..., np.ndarray]


def why_not_native() -> str:
    """Why there are no native programs here; empty where there are."""
    try:
        ProgramBuilder()
    except NativeLibraryError as error:
        return str(error)
    return ""


def native_mlp(mlp: MLP, embedding: Tensor) -> Rows | None:
    """The network from a row [first, embedding, others] to its outputs, given as rows first and others.

    None where its widths do not suit.

    Raises:
        NativeLibraryError: there is no library.
    """
    layers = [layer for layer in mlp if isinstance(layer, Layer)]
    if not all(_suits(len(layer.bias)) for layer in layers if layer.activation is not None):
        return None
    builder = ProgramBuilder()
    x = joint = builder.slot(layers[0].weight.shape[1])
    for layer in layers:
        x = builder.linear(x, layer.weight, layer.bias)
        if layer.activation is not None:
            kind = Opcode.SIM_NORM if layer.activation is sim_norm else Opcode.MISH
            x = builder.activate(kind, builder.norm(x, layer.ln["weight"], layer.ln["bias"]))
    program = builder.finish()
    given, out = program.view(joint), program.view(x)
    constant = embedding.detach().numpy()

    def run(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
        np.concatenate((first, constant, *others), out=given)
        program.run()
        return out.copy()

    return run


def native_residual(corrector: LearnedCorrector) -> Residual | None:
    """What the corrector's `residual` gives; None where its kind or its widths do not suit.

    Raises:
        NativeLibraryError: there is no library.
    """
    if not _suits(corrector.dims.hidden) or corrector.dims.window > LARGEST_WINDOW:
        return None
    if isinstance(corrector, TwoTowerCorrector):
        return _two_tower(corrector)
    return _temporal(corrector) if isinstance(corrector, TemporalCorrector) else None


def _two_tower(corrector: TwoTowerCorrector) -> Residual:
    latent, action = corrector.dims.latent, corrector.dims.action
    builder = ProgramBuilder()
    observed, predicted = builder.slot(latent), builder.slot(latent)
    # [difference, its norm, queued action, steps ahead]
    features = builder.slot(latent + 1 + action + 1)
    difference = builder.combine(Opcode.DIFFERENCE, observed, predicted, features.part(0, latent))
    builder.length(difference, features.part(latent, 1))
    mismatch = builder.module(features, corrector.mismatch_pathway)
    towers = (
        builder.module(observed, corrector.observed_tower),
        builder.module(predicted, corrector.predicted_tower),
        mismatch,
    )
    gate = builder.activate(Opcode.SIGMOID, builder.module(mismatch, corrector.gate))
    head = builder.module(builder.module(builder.joined(towers), corrector.trunk), corrector.head)
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


def _temporal(corrector: TemporalCorrector) -> Residual:
    latent, window, heads = corrector.dims.latent, corrector.dims.window, corrector.dims.heads
    builder = ProgramBuilder()
    # [observed, difference, queued action, steps ahead]
    tokens = builder.slot(2 * latent + corrector.dims.action + 1, window)
    predicted, first = builder.slot(latent, window), builder.slot(1)
    for i in range(window):
        observed, difference = (tokens.row(i).part(start, latent) for start in (0, latent))
        builder.combine(Opcode.DIFFERENCE, observed, predicted.row(i), difference)
    position = builder.slot(corrector.dims.hidden, window)
    x = builder.combine(Opcode.ADD, builder.module(tokens, corrector.embed), position)
    for block in corrector.blocks:
        assert isinstance(block, Block)
        mixed = builder.attend(
            builder.module(builder.module(x, block.attention_norm), block.qkv), first, heads
        )
        if block is corrector.blocks[-1]:  # from here on no row looks at another, and the newest alone counts
            x, mixed = x.row(-1), mixed.row(-1)
        x = builder.combine(Opcode.ADD, x, builder.module(mixed, block.out))
        x = builder.combine(Opcode.ADD, x, builder.module(x, block.mlp))
    out = builder.module(builder.module(x, corrector.norm), corrector.head)
    program = builder.finish()
    program.view(position)[:] = corrector.position.detach().numpy()
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
