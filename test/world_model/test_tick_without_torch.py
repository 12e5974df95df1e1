"""What the executor takes from a TD-MPC2 model is had without PyTorch, and is what PyTorch's modules give."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spec_control_ros.core.corrector import FeatureHistory, TickFeatures
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder
from spec_control_ros.world_model.named_weights import NamedWeights
from spec_control_ros.world_model.native_library import NativeLibraryError, native_library
from spec_control_ros.world_model.tick_networks import NativeCorrector

MODELS = Path(__file__).parents[2] / "models"
EXECUTOR = """
import sys
sys.modules |= dict.fromkeys(("torch", "mujoco", "dm_control", "scipy"))  # importing one of them fails
import spec_control_ros.nodes.executor
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.world_model.card import named_format, model_folder
law = make_executor(named_format(sys.argv[1]).load_parts(model_folder(sys.argv[1])), corrector=sys.argv[2])
print(type(law).__name__)
"""


@pytest.fixture(autouse=True)
def _library() -> None:
    try:
        native_library()
    except NativeLibraryError as error:
        pytest.skip(str(error))


def numbers(model: TickModel) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    obs, action = (rng.standard_normal(size, np.float32) for size in (model.obs_dim, model.action_dim))
    latent = model.encode(obs)
    assert model.policy is not None
    assert model.step is not None
    return [latent, model.policy(latent), model.step(latent, action)]


@pytest.mark.parametrize("name", ["walker-walk", "humanoid-walk-5m"])
def test_shipped_model_gives_what_its_pytorch_modules_give(name: str) -> None:
    folder = ModelFolder(MODELS / name)
    read, made = folder.tick_model(), tick_model(folder.world_model()[0])
    for got, expected in zip(numbers(read), numbers(made), strict=True):
        np.testing.assert_array_equal(got, expected)
    for kind in folder.correctors:
        native, network = folder.named_corrector(kind, read), folder.learned_corrector(kind, read)
        assert isinstance(native, NativeCorrector)
        history, rng = FeatureHistory(native.window), np.random.default_rng(1)
        for tick in range(8):
            latents = rng.dirichlet(np.ones(8), (2, read.latent_dim // 8)).reshape(2, -1).astype(np.float32)
            action = rng.uniform(-1.0, 1.0, read.action_dim).astype(np.float32)
            history.append(TickFeatures(*latents, action, tick % 6))
            np.testing.assert_allclose(
                native.residual(history), network.residual(history), rtol=1e-4, atol=5e-6
            )


@pytest.mark.parametrize("corrector", ["two_tower", "temporal", "none"])
def test_executor_of_a_shipped_model_starts_without_pytorch(corrector: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", EXECUTOR, "walker-walk", corrector],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == "PlanExecutor", run.stderr


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
def test_weights_in_other_number_formats_give_the_same(
    dtype: torch.dtype, small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    save_world_model(tmp_path / WEIGHTS, small_model(), {})
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(tmp_path / WEIGHTS).items()}
    save_file(tensors, tmp_path / WEIGHTS)
    folder = ModelFolder(tmp_path)
    assert (NamedWeights.of_file(tmp_path / WEIGHTS) is None) == (dtype is torch.bfloat16)
    for got, expected in zip(
        numbers(folder.tick_model()), numbers(tick_model(folder.world_model()[0])), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_task_of_a_multi_task_model_is_pytorchs_to_cut_out(
    small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    save_world_model(tmp_path / WEIGHTS, small_model(tasks=2, task_embedding=4), {})
    folder = ModelFolder(tmp_path)
    for got, expected in zip(
        numbers(folder.tick_model(1)), numbers(tick_model(folder.world_model(task_index=1)[0])), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    with pytest.raises(SettingsError, match="task_index: got none, expected 0 to 1"):
        folder.tick_model()


def test_surplus_weights_of_a_corrector_are_refused() -> None:
    weights = NamedWeights("it.safetensors", ["head.bias", "surplus"], lambda _: np.zeros(2))
    assert weights.take("head.bias", 2).dtype == np.float32
    with pytest.raises(
        CheckpointError, match=r"it\.safetensors: unknown tensor surplus, expected only head\.bias"
    ):
        weights.refuse_others("reward_head.")
