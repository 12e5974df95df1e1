import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spec_control_ros.core.corrector import Corrector, FeatureHistory, TickFeatures
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.feature_window import FeatureWindow
from spec_control_ros.correctors.learned_corrector import LearnedCorrector
from spec_control_ros.correctors.student import Student
from spec_control_ros.correctors.temporal import TemporalCorrector
from spec_control_ros.correctors.two_tower import TwoTowerCorrector

LATENT, ACTION, WINDOW = 8, 3, 5
DIMENSIONS = CorrectorDimensions(latent=LATENT, action=ACTION, hidden=16, window=WINDOW, layers=2, heads=2)
KINDS = (TwoTowerCorrector, TemporalCorrector)


def trained(kind: type[LearnedCorrector]) -> LearnedCorrector:
    """A corrector whose weights are as if it had been trained: none of them zero."""
    torch.manual_seed(1)
    corrector = kind(DIMENSIONS)
    for parameter in corrector.parameters():
        nn.init.normal_(parameter, std=0.3)
    return corrector.eval()


def window(batch: int = 4, real: int = WINDOW) -> FeatureWindow:
    return FeatureWindow(
        observed=torch.randn(batch, WINDOW, LATENT),
        predicted=torch.randn(batch, WINDOW, LATENT),
        action=torch.randn(batch, WINDOW, ACTION),
        steps_ahead=torch.randn(batch, WINDOW),
        is_real=(torch.arange(WINDOW) >= WINDOW - real).expand(batch, -1),
    )


def changed(before: FeatureWindow, rows: slice) -> FeatureWindow:
    """The same window with other content in some rows."""

    def other(x: Tensor) -> Tensor:
        y = x.clone()
        y[:, rows] += 3.0
        return y

    names = ("observed", "predicted", "action", "steps_ahead")
    return dataclasses.replace(before, **{name: other(getattr(before, name)) for name in names})


def row(whole: FeatureWindow, index: int) -> FeatureWindow:
    return FeatureWindow(
        *(getattr(whole, f.name)[index : index + 1] for f in dataclasses.fields(FeatureWindow))
    )


def test_student_replaces_what_was_queued_by_its_own_action() -> None:
    torch.manual_seed(1)
    student, history = Student(DIMENSIONS).eval(), FeatureHistory(1)
    seen = features(3)
    history.append(seen)
    assert seen.action + student.residual(history) == pytest.approx(student.action(seen.observed), abs=1e-6)


def features(steps_ahead: int) -> TickFeatures:
    rng = np.random.default_rng(steps_ahead)
    observed, predicted = rng.standard_normal((2, LATENT), np.float32)
    return TickFeatures(observed, predicted, rng.standard_normal(ACTION, np.float32), steps_ahead)


def history(ticks: int) -> FeatureHistory:
    made = FeatureHistory(WINDOW)
    for tick in range(ticks):
        made.append(features(tick))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_corrector_corrects_nothing(kind: type[LearnedCorrector]) -> None:
    residual = kind(DIMENSIONS)(window())
    assert torch.equal(residual, torch.zeros(4, ACTION))


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_corrector_can_learn(kind: type[LearnedCorrector]) -> None:
    corrector = kind(DIMENSIONS)
    corrector(window()).sum().backward()
    assert corrector.head.weight.grad is not None
    assert corrector.head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_batch_gives_what_its_rows_give(kind: type[LearnedCorrector]) -> None:
    corrector, batch = trained(kind), window()
    singles = torch.cat([corrector(row(batch, i)) for i in range(4)])
    torch.testing.assert_close(corrector(batch), singles)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ticks", [1, 2, WINDOW, WINDOW + 3])
def test_residual_of_a_tick_is_an_action(kind: type[LearnedCorrector], ticks: int) -> None:
    corrector = trained(kind)
    assert isinstance(corrector, Corrector)
    residual = corrector.residual(history(ticks))
    assert residual.shape == (ACTION,)
    assert residual.dtype == np.float32
    assert np.isfinite(residual).all()
    assert np.abs(residual).sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_residual_is_the_networks_own_whatever_the_history_holds(kind: type[LearnedCorrector]) -> None:
    corrector, history = trained(kind), FeatureHistory(WINDOW)
    for tick in range(WINDOW + 1):
        history.append(features(tick))
        with torch.inference_mode():
            assert np.array_equal(
                corrector.residual(history), corrector(FeatureWindow.of(history))[0].numpy()
            )


@pytest.mark.parametrize("kind", KINDS)
def test_residual_follows_the_weights_after_training(kind: type[LearnedCorrector]) -> None:
    corrector, history = trained(kind), FeatureHistory(WINDOW)
    history.append(features(0))
    before = corrector.residual(history)
    corrector.train()
    with torch.no_grad():
        corrector.head.bias += 1.0
    assert not np.allclose(corrector.eval().residual(history), before)


def test_two_tower_corrector_ignores_older_rows() -> None:
    corrector, before = trained(TwoTowerCorrector), window()
    assert torch.equal(corrector(before), corrector(changed(before, slice(0, -1))))
    assert not torch.allclose(corrector(before), corrector(changed(before, slice(-1, None))))


def test_temporal_corrector_looks_at_older_real_rows() -> None:
    corrector, before = trained(TemporalCorrector), window()
    assert not torch.allclose(corrector(before), corrector(changed(before, slice(0, 1))))


@pytest.mark.parametrize("real", range(1, WINDOW))
def test_temporal_corrector_ignores_what_padding_holds(real: int) -> None:
    corrector, before = trained(TemporalCorrector), window(real=real)
    assert torch.equal(corrector(before), corrector(changed(before, slice(0, WINDOW - real))))


def test_temporal_corrector_is_causal() -> None:
    corrector, before = trained(TemporalCorrector), window()
    tokens: list[Tensor] = []
    corrector.blocks[-1].register_forward_hook(lambda _, __, out: tokens.append(out))
    corrector(before)
    corrector(changed(before, slice(-1, None)))
    assert torch.equal(tokens[0][:, :-1], tokens[1][:, :-1])
    assert not torch.allclose(tokens[0][:, -1], tokens[1][:, -1])


def test_history_at_the_start_of_an_epoch_is_padded_and_says_so() -> None:
    padded = FeatureWindow.of(history(2))
    assert padded.is_real.tolist() == [[False, False, False, True, True]]
    assert padded.steps_ahead.tolist() == [[0.0, 0.0, 0.0, 0.0, 1.0]]
    assert torch.equal(padded.observed[0, :3], torch.zeros(3, LATENT))
    np.testing.assert_array_equal(padded.observed[0, -1], features(1).observed)
    np.testing.assert_array_equal(padded.predicted[0, -2], features(0).predicted)


def test_history_keeps_the_newest_ticks_oldest_first() -> None:
    full = FeatureWindow.of(history(WINDOW + 2))
    assert full.is_real.all()
    assert full.steps_ahead.tolist() == [[2.0, 3.0, 4.0, 5.0, 6.0]]


def test_cleared_history_begins_anew() -> None:
    made = history(4)
    made.clear()
    made.append(features(9))
    assert FeatureWindow.of(made).is_real.sum() == 1


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"latent": 0}, "latent: got 0, expected at least 1"),
        ({"layers": -1}, "layers: got -1"),
        ({"hidden": 30, "heads": 4}, "hidden 30 must be a multiple of heads 4"),
    ],
)
def test_dimensions_that_make_no_corrector_are_refused(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        CorrectorDimensions(**{"latent": 8, "action": 2, **sizes})
