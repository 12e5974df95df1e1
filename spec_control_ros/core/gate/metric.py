"""How far reality is from what a plan takes for granted."""

from enum import Enum
from math import sqrt

import numpy as np
from jaxtyping import Float, Float32


class Metric(str, Enum):
    """Distances of two latents, and one of two actions."""

    L2 = "l2"  # |observed - predicted|
    RELATIVE_L2 = "relative_l2"  # the same over |predicted|
    VALUE = "value"  # relative as well, every component weighted by how much the value depends on it
    ACTION = "action"  # root mean square of queued action - policy(observed): for plans that predict nothing


LATENT_METRICS = (Metric.L2, Metric.RELATIVE_L2, Metric.VALUE)


def mismatch(
    observed: Float32[np.ndarray, "latent"],
    predicted: Float32[np.ndarray, "latent"],
    metric: Metric,
    value_weights: Float[np.ndarray, "latent"] | None = None,
) -> float:
    """Distance of an observed latent from the predicted one; a zero prediction is infinitely far, relatively.

    Args:
        observed: The real latent.
        predicted: The plan's latent for the same tick.
        metric: Which distance of latents is taken.
        value_weights: Weights of the components, for `Metric.VALUE`; None: all alike.
    """
    # Squares of float32 neither overflow nor vanish in float64: an infinite scale would make any mismatch small.
    wide = predicted.astype(np.float64)
    difference = observed - wide
    if metric is Metric.VALUE and value_weights is not None:
        difference, wide = difference * value_weights, wide * value_weights
    distance = sqrt(difference @ difference)
    if metric is Metric.L2:
        return distance
    scale = sqrt(wide @ wide)
    if scale == 0.0:
        return 0.0 if distance == 0.0 else float("inf")
    return distance / scale


def action_distance(queued: Float32[np.ndarray, "action"], chosen: Float32[np.ndarray, "action"]) -> float:
    """Root mean square over the components of two actions' difference; from 0 to 2 for actions in [-1, 1]."""
    difference = queued.astype(np.float64) - chosen
    return sqrt(difference @ difference / len(difference))
