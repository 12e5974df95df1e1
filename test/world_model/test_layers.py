import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.world_model.layers import MLP, Layer, mish, sim_norm
from spec_control_ros.world_model.two_hot import (
    NUM_BINS,
    V_MAX,
    V_MIN,
    expected_value,
    soft_cross_entropy,
    symexp,
    symlog,
    two_hot,
)

numbers = st.floats(-1e4, 1e4, width=32)
many = st.lists(numbers, min_size=1, max_size=20)


@given(many)
@pytest.mark.parametrize("is_training", [True, False])
def test_mish_is_torch_s_own_with_its_gradient(is_training: bool, values: list[float]) -> None:
    x = torch.tensor(values, requires_grad=is_training)
    ours = mish(x)
    torch.testing.assert_close(ours, F.mish(x), atol=1e-6, rtol=1e-5)
    if is_training:
        (own,) = torch.autograd.grad(F.mish(x).sum(), x)
        (got,) = torch.autograd.grad(ours.sum(), x)
        torch.testing.assert_close(got, own, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("value", [-1e38, -100.0, -1e-30, 0.0, 1e-30, 19.99, 20.0, 20.01, 88.0, 1e38])
def test_mish_is_finite_and_exact_at_extremes(value: float) -> None:
    x = torch.tensor([value])
    before = x.clone()
    torch.testing.assert_close(mish(x), F.mish(x), atol=1e-6, rtol=1e-5)
    assert torch.equal(x, before)  # in place within, not on its input


def test_mish_passes_non_finite_values_on() -> None:
    assert mish(torch.tensor([torch.nan])).isnan().all()


def test_sim_norm_gives_simplices_of_eight() -> None:
    x = torch.randn(3, 32) * 10
    groups = sim_norm(x).unflatten(-1, (-1, 8))
    torch.testing.assert_close(groups.sum(-1), torch.ones(3, 4))
    assert (groups >= 0).all()


@given(many)
def test_symexp_inverts_symlog(values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(symexp(symlog(x)), x)
    torch.testing.assert_close(symlog(x), torch.sign(x) * torch.log(1 + x.abs()))


@given(many)
def test_two_hot_is_a_distribution_over_two_neighbours_whose_mean_is_the_scalar(values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    code = two_hot(x)
    torch.testing.assert_close(code.sum(-1), torch.ones_like(x))
    assert (code >= 0).all()
    assert ((code > 1e-9).sum(-1) <= 2).all()
    bins = torch.linspace(V_MIN, V_MAX, NUM_BINS, dtype=torch.float64)
    torch.testing.assert_close(code @ bins, symlog(x).clamp(V_MIN, V_MAX))


def test_two_hot_of_scalars_beyond_the_bins_is_the_outermost_bin() -> None:
    code = two_hot(torch.tensor([-1e9, 1e9]))
    assert code.argmax(-1).tolist() == [0, NUM_BINS - 1]
    assert torch.equal(code.max(-1).values, torch.ones(2))


@given(st.lists(st.floats(-2e4, 2e4), min_size=1, max_size=10))
def test_logits_of_the_two_hot_code_stand_for_its_scalar(values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    logits = torch.log(two_hot(x).clamp(min=1e-30))
    torch.testing.assert_close(expected_value(logits), x, rtol=1e-6, atol=1e-6)


def test_soft_cross_entropy_is_torch_s_own_against_the_code() -> None:
    logits, target = torch.randn(7, NUM_BINS), torch.randn(7) * 20
    expected = F.cross_entropy(logits, two_hot(target), reduction="none")
    torch.testing.assert_close(soft_cross_entropy(logits, target), expected)


class TestEnsemble:
    @pytest.fixture
    def head(self) -> MLP:
        head = MLP([6, 8, 8, 3], members=4).eval()
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter)
        return head

    def test_whole_ensemble_is_its_members(self, head: MLP) -> None:
        x, own, singles = torch.randn(10, 6), MLP([6, 8, 8, 3]).eval(), []
        for member in range(4):
            own.load_state_dict({name: tensor[member] for name, tensor in head.state_dict().items()})
            singles.append(own(x))
        torch.testing.assert_close(head(x), torch.stack(singles), atol=1e-5, rtol=1e-5)

    def test_layer_is_linear_norm_and_mish(self) -> None:
        layer = Layer(6, 8, activation=mish)
        x = torch.randn(10, 6)
        normed = F.layer_norm(F.linear(x, layer.weight, layer.bias), (8,))
        torch.testing.assert_close(layer(x), F.mish(normed))

    def test_dropout_acts_in_training_only(self) -> None:
        head = MLP([6, 64, 3], members=2, dropout=0.5)
        x = torch.randn(10, 6)
        assert not torch.equal(head(x), head(x))
        head.eval()
        assert torch.equal(head(x), head(x))
