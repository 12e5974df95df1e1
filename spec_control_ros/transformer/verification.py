"""Which drafted actions a larger model takes for its own: speculative decoding over Gaussian actions.

Drafts are verified one after the other; the first that is refused is replaced, and what was drafted after it is void
(Leviathan et al., arXiv 2211.17192).
"""

from enum import Enum
from math import log

import numpy as np
from jaxtyping import Float


class Rule(str, Enum):
    """When a drafted action is accepted."""

    NONE = "none"  # there are no drafts: the large model's mean, one row at a time
    SAMPLE = "sample"  # there are no drafts: the large model's own sample, one row at a time
    # It is as near to the large model's mean as is said; that mean takes its place else
    TOLERANCE = "tolerance"
    EXACT = "exact"  # what comes out is distributed as the large model's own sample


DRAFTLESS = (Rule.NONE, Rule.SAMPLE)


def within(
    draft: Float[np.ndarray, "action"],
    mean: Float[np.ndarray, "action"],
    tolerance: Float[np.ndarray, "action"] | float,
) -> tuple[Float[np.ndarray, "action"], bool]:
    """The draft if no component is further from the mean than the tolerance, else the mean; and whether it was."""
    is_near = bool((np.abs(draft - mean) <= tolerance).all())
    return (draft if is_near else mean), is_near


def coupled(
    draft_mean: Float[np.ndarray, "action"],
    mean: Float[np.ndarray, "action"],
    std: Float[np.ndarray, "action"],
    noise: Float[np.ndarray, "action"],
    uniform: float,
) -> tuple[Float[np.ndarray, "action"], bool]:
    """A sample of N(mean, std) that equals the draft as often as any can, and whether it does.

    This is the reflection maximal coupling (Jacob et al., Unbiased Markov chain Monte Carlo methods with couplings,
    2020, section 4.1). It does so with the probability 2 Phi(-|delta| / 2), delta the difference of the means by std.

    Args:
        draft_mean: Mean that was drafted with.
        mean: Mean of the large model.
        std: Standard deviation of both.
        noise: Standard normal numbers; draft_mean + std noise is the draft.
        uniform: Number drawn uniformly from (0, 1].
    """
    delta = (draft_mean - mean) / std
    # Accepted with the probability min(1, q / p), the densities of the draft under both models
    log_ratio = 0.5 * float(noise @ noise - (noise + delta) @ (noise + delta))
    if log(uniform) <= log_ratio:
        return draft_mean + std * noise, True
    direction = delta / np.linalg.norm(delta)
    return mean + std * (noise - 2.0 * (direction @ noise) * direction), False
