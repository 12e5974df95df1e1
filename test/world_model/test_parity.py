"""The world model against numbers of the official TD-MPC2 code (test/data/parity/README.md)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from spec_control_ros.world_model.checkpoint import load_world_model, save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPINoise, search, shift_warm_start
from spec_control_ros.world_model.official import load_official
from spec_control_ros.world_model.planner_settings import MPPISettings
from spec_control_ros.world_model.planning_model import PlanningModel
from spec_control_ros.world_model.two_hot import expected_value

SETTINGS = MPPISettings(iterations=8)


@pytest.fixture(scope="module")
def numbers(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    folder = request.path.parents[1] / "data" / "parity"
    with np.load(folder / "size1_humanoid.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def official(request: pytest.FixtureRequest) -> WorldModel:
    return load_official(request.path.parents[1] / "data" / "parity" / "size1_humanoid.pt")


@pytest.fixture(scope="module")
def saved(official: WorldModel, tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    path = tmp_path_factory.mktemp("model") / "world_model.safetensors"
    save_world_model(path, official, {})
    return load_world_model(path)[0]


def noise(numbers: dict[str, Tensor]) -> MPPINoise:
    return MPPINoise(
        prior=numbers["pi_eps"].unsqueeze(1),
        samples=numbers["mppi_noise"].unsqueeze(2),
        terminal=numbers["terminal_eps"].unsqueeze(1),
        gumbel=torch.zeros(1, SETTINGS.elites),
        q_members=((0, 1),) * SETTINGS.iterations,
    )


HEADS: dict[str, Callable[[WorldModel, dict[str, Tensor]], Tensor]] = {
    "z": lambda m, d: m.encode(d["obs_batch"]),
    "z_next": lambda m, d: m.next(d["z"], d["action_batch"]),
    "reward_logits": lambda m, d: m.reward_logits(d["z"], d["action_batch"]),
    "reward": lambda m, d: m.reward(d["z"], d["action_batch"]).unsqueeze(-1),
    "q_logits": lambda m, d: m.q_logits(d["z"], d["action_batch"]),
    "q_all": lambda m, d: expected_value(m.q_logits(d["z"], d["action_batch"])).unsqueeze(-1),
    "pi_mean": lambda m, d: m.prior(d["z"]).mean,
    "pi_log_std": lambda m, d: m.prior(d["z"]).log_std,
}


@pytest.mark.parametrize("head", HEADS)
def test_head_equals_the_official_one(head: str, official: WorldModel, numbers: dict[str, Tensor]) -> None:
    with torch.inference_mode():
        got = HEADS[head](official, numbers)
    torch.testing.assert_close(got, numbers[head], atol=1e-5, rtol=0.0)


def test_plan_equals_the_official_one_first_and_warm_started(
    official: WorldModel, numbers: dict[str, Tensor]
) -> None:
    z, model = official.encode(numbers["obs"][None]), PlanningModel(official)
    first = search(model, z, SETTINGS, noise(numbers))
    torch.testing.assert_close(first.mean[0], numbers["plan_mean_first"], atol=1e-4, rtol=0.0)
    warm = shift_warm_start(first.mean, 1)
    second = search(model, z, SETTINGS, noise(numbers), warm)
    torch.testing.assert_close(second.mean[0], numbers["plan_mean_second"], atol=1e-4, rtol=0.0)


def test_model_saved_as_ours_plans_the_same(
    official: WorldModel, saved: WorldModel, numbers: dict[str, Tensor]
) -> None:
    z = official.encode(numbers["obs"][None])
    plans = [search(PlanningModel(m), z, SETTINGS, noise(numbers)) for m in (official, saved)]
    assert torch.equal(plans[0].mean, plans[1].mean)


def test_older_key_layout_gives_the_same_model(parity: Path, tmp_path: Path, official: WorldModel) -> None:
    content = torch.load(parity / "size1_humanoid.pt", weights_only=True)["model"]
    number = {"weight": 0, "bias": 1, "ln.weight": 2, "ln.bias": 3}
    older = {}
    for key, tensor in content.items():
        for head in ("_Qs.params.", "_target_Qs.params.", "_detach_Qs.params."):
            ours = head.replace("_Qs.", "_Qs_") if head != "_Qs.params." else head
            if key.startswith(ours):
                layer, name = key[len(ours) :].split(".", 1)
                older[f"{head}{4 * int(layer) + number[name]}"] = tensor
                break
        else:
            older[key] = tensor
    assert "_Qs.params.9" in older
    assert "_Qs.params.2.weight" not in older
    torch.save({"model": older}, tmp_path / "older.pt")
    loaded = load_official(tmp_path / "older.pt")
    assert loaded.dims == official.dims
    for name, tensor in official.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_bare_state_dict_is_read_as_well(parity: Path, tmp_path: Path, official: WorldModel) -> None:
    content = torch.load(parity / "size1_humanoid.pt", weights_only=True)["model"]
    torch.save(content, tmp_path / "bare.pt")
    assert load_official(tmp_path / "bare.pt").dims == official.dims
