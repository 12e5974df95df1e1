"""Native networks of a tick give what PyTorch gives."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from spec_control_ros.core.corrector import FeatureHistory, TickFeatures
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.kinds import CORRECTORS
from spec_control_ros.correctors.learned_corrector import LearnedCorrector
from spec_control_ros.world_model import inference_program
from spec_control_ros.world_model.inference_program import why_not_native
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.layers import MLP, sim_norm
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.named_weights import NamedWeights
from spec_control_ros.world_model.native_library import NativeLibraryError, native_library
from spec_control_ros.world_model.tick_networks import Residual, native_mlp, native_residual

CLOSE = {"rtol": 1e-4, "atol": 5e-6}


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    try:
        native_library()
    except NativeLibraryError as error:
        pytest.skip(str(error))


@pytest.fixture
def rng() -> Iterator[np.random.Generator]:
    torch.manual_seed(0)
    return np.random.default_rng(0)


def randomise(module: torch.nn.Module) -> None:
    """Every parameter counts: none is left at zero or one."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))


# The last one's blocks of columns are not all whole; the widths in and out are no multiples of anything.
@pytest.mark.parametrize("widths", [(67, 256, 128), (5, 16, 16, 16), (24, 400, 48)])
@pytest.mark.parametrize("last", [sim_norm, None])
def test_mlp_is_the_models_own(
    widths: tuple[int, ...], last: Callable | None, rng: np.random.Generator
) -> None:
    dims = widths if last is sim_norm else (*widths, 7)
    mlp = MLP(dims, last_activation=last)
    randomise(mlp)
    first, second, action = (rng.standard_normal(n, np.float32) for n in (widths[0] - 4, 3, 1))
    run = native_mlp(NamedWeights.of_module(mlp), "", dims, is_last_sim_norm=last is sim_norm)
    assert run is not None
    for scale in (1.0, 30.0, 1000.0):  # activations saturate
        row = np.concatenate((scale * first, second, action))
        with torch.inference_mode():
            expected = mlp(torch.from_numpy(row).unsqueeze(0))[0].numpy()
        np.testing.assert_allclose(run(scale * first, second, action), expected, **CLOSE)


def test_without_a_library_pytorch_computes_and_the_reason_is_known(
    small_model: Callable[..., WorldModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise NativeLibraryError("no C++ compiler here")

    assert why_not_native() == ""
    monkeypatch.setattr(inference_program, "_library", refuse)
    assert why_not_native() == "no C++ compiler here"
    model = small_model()
    obs = np.ones(model.dims.obs, np.float32)
    expected = model.encode(torch.from_numpy(obs).unsqueeze(0))[0].numpy()
    np.testing.assert_array_equal(tick_model(model).encode(obs), expected)


def test_mlp_lets_nan_through(rng: np.random.Generator) -> None:
    weights = NamedWeights.of_module(MLP((4, 16, 16), last_activation=sim_norm))
    run = native_mlp(weights, "", (4, 16, 16), is_last_sim_norm=True)
    assert run is not None
    assert np.isnan(run(np.full(4, np.nan, np.float32))).all()
    assert np.isfinite(run(np.ones(4, np.float32))).all()  # and keeps nothing of it


def test_widths_that_do_not_suit_are_left_to_pytorch() -> None:
    weights = NamedWeights.of_module(MLP((4, 24, 16), last_activation=sim_norm))
    assert native_mlp(weights, "", (4, 24, 16), is_last_sim_norm=True) is None
    dims = CorrectorDimensions(16, 2, hidden=24)
    assert native_residual("temporal", dims, NamedWeights.of_module(CORRECTORS["temporal"](dims))) is None


def corrector_of(kind: str, **dims: int) -> LearnedCorrector:
    corrector = CORRECTORS[kind](CorrectorDimensions(**{"latent": 40, "action": 21, **dims}))
    randomise(corrector)
    return corrector.eval().requires_grad_(False)


def native_of(kind: str, corrector: LearnedCorrector) -> Residual | None:
    return native_residual(kind, corrector.dims, NamedWeights.of_module(corrector))


@pytest.mark.parametrize(
    ("kind", "dims"),
    [
        ("two_tower", {"window": 1}),
        ("two_tower", {"window": 6, "hidden": 48, "action": 1}),
        ("temporal", {}),
        ("temporal", {"window": 4, "hidden": 16, "heads": 2, "layers": 1}),
    ],
)
def test_residual_is_the_correctors_own_from_an_epochs_first_tick_on(
    kind: str, dims: dict[str, int], rng: np.random.Generator
) -> None:
    corrector = corrector_of(kind, **dims)
    native, history = native_of(kind, corrector), FeatureHistory(corrector.dims.window)
    assert native is not None
    for tick in range(20):
        if tick == 12:
            history.clear()  # what the last epoch has left in the buffer must not be looked at
        latents = rng.standard_normal((2, corrector.dims.latent), np.float32)
        action = rng.uniform(-1, 1, corrector.dims.action).astype(np.float32)
        history.append(TickFeatures(*latents, action, tick % 6))
        expected = corrector.residual(history)
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(native(history), expected, **CLOSE)


def test_residuals_do_not_change_with_later_ticks(rng: np.random.Generator) -> None:
    corrector = corrector_of("two_tower")
    native, history = native_of("two_tower", corrector), FeatureHistory(1)
    assert native is not None
    kept = []
    for _ in range(2):
        latents = rng.standard_normal((2, 40), np.float32)
        history.append(TickFeatures(*latents, np.zeros(21, np.float32), 0))
        residual = native(history)
        kept.append((residual, residual.copy()))
    assert all(np.array_equal(residual, copy) for residual, copy in kept)
