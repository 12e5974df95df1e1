"""Rules of acceptance: what the exact one lets through is distributed as the large model's own samples."""

import numpy as np
import pytest
from scipy import stats

from spec_control_ros.transformer.draft_length import DraftLength, expected_length
from spec_control_ros.transformer.verification import coupled, within

SAMPLES = 20_000
MEAN, STD = np.array([0.3, -0.2, 0.0]), np.array([0.2, 0.5, 1.0])


def sampled(draft_mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    noise, uniform = rng.standard_normal((SAMPLES, 3)), 1.0 - rng.random(SAMPLES)
    pairs = [coupled(draft_mean, MEAN, STD, n, u) for n, u in zip(noise, uniform, strict=True)]
    return np.array([action for action, _ in pairs]), np.array([is_draft for _, is_draft in pairs])


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0, 2.5])
def test_what_comes_out_has_the_distribution_of_the_large_model(shift: float) -> None:
    draft_mean = MEAN + shift * STD * np.array([0.6, -0.8, 0.0])
    actions, is_draft = sampled(draft_mean)
    standard = (actions - MEAN) / STD
    for direction in np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, -0.8, 0], [0.8, 0.6, 0]], float):
        assert stats.kstest(standard @ direction, "norm").pvalue > 1e-3
    assert stats.kstest((standard**2).sum(1), stats.chi2(3).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(standard.T) - np.eye(3)).max() < 0.03
    # And the draft is taken as often as any coupling can: one less the total variation distance
    assert is_draft.mean() == pytest.approx(2.0 * stats.norm.cdf(-shift / 2.0), abs=0.012)


def test_the_drafts_alone_have_another_distribution() -> None:
    """The test above can fail: it does without the replacements."""
    draft_mean = MEAN + 1.0 * STD * np.array([0.6, -0.8, 0.0])
    actions, is_draft = sampled(draft_mean)
    standard = ((actions - MEAN) / STD)[is_draft]
    assert stats.kstest(standard @ np.array([0.6, -0.8, 0.0]), "norm").pvalue < 1e-6


def test_a_draft_within_tolerance_stands_and_the_mean_takes_the_place_of_any_other() -> None:
    mean = np.array([0.0, 0.5])
    near, far = np.array([0.1, 0.4]), np.array([0.0, 0.2])
    assert within(near, mean, 0.11) == (pytest.approx(near), True)
    assert within(far, mean, 0.11) == (pytest.approx(mean), False)


def test_the_expected_length_is_that_of_independent_acceptances() -> None:
    rng = np.random.default_rng(0)
    accepted = rng.random((SAMPLES, 4)) < 0.7
    lengths = np.minimum(accepted.cumprod(1).sum(1) + 1, 4)
    assert lengths.mean() == pytest.approx(expected_length(0.7, 4), rel=0.02)
    assert expected_length(1.0, 4) == 4.0


def test_the_first_guess_weighs_as_much_as_two_rows() -> None:
    drafts = DraftLength(0, 12, 0.05)
    assert drafts.acceptance == pytest.approx(0.7)
    drafts.count(2, 0)
    assert drafts.acceptance == pytest.approx(1.4 / 3.0)
    for _ in range(10):
        drafts.count(2, 0)
    assert drafts.acceptance < 0.15
    drafts.forget()
    assert drafts.acceptance == pytest.approx(0.7)


def test_drafts_grow_with_the_measured_acceptance_and_shrink_again() -> None:
    drafts = DraftLength(0, 12, 0.05)
    for _ in range(50):
        drafts.count(4, 4)
    longest = drafts.best
    for _ in range(200):
        drafts.count(4, 0)
    assert longest > 6
    assert drafts.best <= 2
    assert DraftLength(3, 12, 0.05).best == 3
    assert drafts.acceptance < 0.06
    assert drafts.by_position[:5] == [50 / 250, 1.0, 1.0, 1.0, None]
