"""Chunk policies of others become plans; the adapter of LeRobot is tested with a stand-in of LeRobot's interface."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.chunks.format import ChunkFormat
from spec_control_ros.chunks.planner import ChunkPlanner, ChunkSettings
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import CheckpointError, MisfitError, ObservationError, SettingsError
from spec_control_ros.core.planner import Planner
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.core.student import STUDENT, find_student

OBS, ACTION, CHUNK = 5, 2, 6
YAML = """
observation_dim: 5
action_dim: 2
queue_length: 4
task: walk
low: [0, -10]
high: [4.0, 10.0]
features:
  observation.state: [[0, 2], [4, 5]]
  observation.environment_state: [[0, 5]]
"""
FEATURES = {"observation.state": (3,), "observation.environment_state": (5,)}
EXAMPLE = Path(__file__).parents[2] / "examples/lerobot/serve_policy.py"


class StandIn:
    """A policy with LeRobot's interface: row i of a chunk is i + the first value of the state."""

    def __init__(self, **config: Any):
        shapes = {name: SimpleNamespace(shape=shape) for name, shape in FEATURES.items()}
        given = {"input_features": shapes, "chunk_size": CHUNK, "type": "stand_in", "device": "cpu"}
        given["output_features"] = {"action": SimpleNamespace(shape=(ACTION,))}
        self.config = SimpleNamespace(**{**given, **config})
        self.calls: list[dict[str, Any]] = []
        self.batches: list[dict[str, Any]] = []

    def eval(self) -> None: ...

    def reset(self) -> None:
        self.calls.append({"reset": True})

    def predict_action_chunk(self, batch: dict[str, Any], **guidance: Any) -> torch.Tensor:
        self.batches.append(batch)
        self.calls.append(guidance)
        rows = torch.arange(float(CHUNK))[None, :, None] + batch["observation.state"][:, :1, None]
        return rows.expand(-1, -1, *self.config.output_features["action"].shape)


@pytest.fixture
def lerobot(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, StandIn]:
    """The example's module, on a stand-in of LeRobot whose processors scale by ten and back."""
    policy = StandIn(rtc_config=SimpleNamespace(enabled=True))
    loading = SimpleNamespace(from_pretrained=lambda *_, **__: policy)
    modules = {
        "lerobot": {},
        "lerobot.configs": {},
        "lerobot.policies": {},
        "lerobot.configs.policies": {
            "PreTrainedConfig": SimpleNamespace(from_pretrained=lambda _: policy.config)
        },
        "lerobot.policies.factory": {
            "get_policy_class": lambda _: loading,
            "make_pre_post_processors": lambda *_, **__: (
                lambda batch: {n: v * 10.0 if torch.is_tensor(v) else v for n, v in batch.items()},
                lambda actions: actions / 10.0,
            ),
        },
    }
    for name, values in modules.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("serve_policy", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example, policy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "planner.json").write_text(json.dumps({"format": "chunk_policy", "control_period_s": 0.05}))
    (tmp_path / "policy.yaml").write_text(YAML)
    (tmp_path / "pretrained_model").mkdir()
    (tmp_path / "pretrained_model/config.json").write_text("{}")
    return tmp_path


def load(lerobot: tuple[Any, StandIn], folder: Path, **settings: Any) -> ChunkPlanner:
    kind = ChunkFormat(lerobot[0].LeRobotPolicy)
    return kind.load_planner(folder, ChunkSettings(**settings), PlannerResources())


def request(tick: int, epoch: int = 1, obs: Any = (0.1, 0.2, 0.3, 0.4, 0.5)) -> PlanRequest:
    return PlanRequest(epoch, tick, tick, Reason.EMPTY, np.array(obs, np.float32))


def test_features_and_actions_are_the_contracts(lerobot: tuple[Any, StandIn], folder: Path) -> None:
    planner = load(lerobot, folder)
    assert isinstance(planner, Planner)
    planner.warm_up()
    plan = planner.plan(request(7))
    batch = lerobot[1].batches[-1]
    np.testing.assert_allclose(batch["observation.state"], [[1.0, 2.0, 5.0]])  # pre-processed
    assert batch["task"] == ["walk"]
    assert (plan.start_tick, plan.actions.shape, plan.predicts) == (7, (4, ACTION), False)
    theirs = (np.arange(4) + 1.0) / 10.0  # post-processed
    np.testing.assert_allclose(plan.actions[:, 0], theirs / 2.0 - 1.0, atol=1e-6)  # 0 to 4
    np.testing.assert_allclose(plan.actions[:, 1], theirs / 10.0, atol=1e-6)  # -10 to 10


def test_policy_that_predicts_observations_makes_plans_that_do(
    lerobot: tuple[Any, StandIn], folder: Path
) -> None:
    (folder / "policy.yaml").write_text(YAML + "predicts: true\n")
    with pytest.raises(
        MisfitError, match="actions and predicted observations of 7 values, the policy's have 2"
    ):
        load(lerobot, folder)
    lerobot[1].config.output_features["action"].shape = (ACTION + OBS,)
    planner = load(lerobot, folder)
    plan = planner.plan(request(7))
    theirs = (np.arange(4) + 1.0) / 10.0
    np.testing.assert_allclose(plan.actions[:, 0], theirs / 2.0 - 1.0, atol=1e-6)  # in our unit
    np.testing.assert_array_equal(plan.latents[0], request(7).observation)
    np.testing.assert_allclose(plan.latents[1:], np.tile(theirs[:, None], OBS), atol=1e-6)  # as they are
    model = ChunkFormat().load_tick_model(folder)
    assert model.misfit(plan) == ""
    assert model.warning == ""  # the gate has something to compare


def test_ahead_of_time_the_observation_comes_as_the_latent_that_it_is(
    lerobot: tuple[Any, StandIn], folder: Path
) -> None:
    planner, given = load(lerobot, folder), request(7)
    latent = PlanRequest(1, 7, 7, Reason.EMPTY, None, given.observation)
    np.testing.assert_array_equal(planner.plan(given).actions, load(lerobot, folder).plan(latent).actions)


def test_guided_policy_continues_the_rest_of_its_last_chunk_within_an_epoch(
    lerobot: tuple[Any, StandIn], folder: Path
) -> None:
    planner, policy = load(lerobot, folder, delay_ticks=2), lerobot[1]
    planner.plan(request(7))
    assert policy.calls[-1] == {}
    planner.plan(request(10))
    assert policy.calls[-1]["inference_delay"] == 2
    assert policy.calls[-1]["prev_chunk_left_over"].shape == (1, CHUNK - 3, ACTION)
    planner.plan(request(10 + CHUNK))  # nothing of it is left
    assert policy.calls[-1] == {}
    planner.plan(request(11 + CHUNK))
    planner.plan(request(0, epoch=2))
    assert policy.calls[-2:] == [{"reset": True}, {}]
    unguided = load(lerobot, folder, guided=False)
    unguided.plan(request(7))
    unguided.plan(request(8))
    assert policy.calls[-1] == {}


@pytest.mark.parametrize("obs", [[0.0] * 4, [0.0, np.nan, 0.0, 0.0, 0.0]])
def test_observation_that_does_not_fit_is_refused(
    lerobot: tuple[Any, StandIn], folder: Path, obs: list[float]
) -> None:
    with pytest.raises(ObservationError, match="expected an observation of 5 finite values"):
        load(lerobot, folder).plan(request(0, obs=obs))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "state: [[0, 2], [4, 5]]",
            "state: [[0, 2]]",
            r"has features .*state \[2\].*, the policy takes .*state \[3\]",
        ),
        ("observation.state:", "observation.pose:", r"observation\.pose \[3\]"),
        ("queue_length: 4", "queue_length: 7", "queue_length of 7, the policy's chunks have 6 actions"),
    ],
)
def test_policy_that_does_not_fit_its_contract_is_refused_at_the_start(
    lerobot: tuple[Any, StandIn], folder: Path, old: str, new: str, said: str
) -> None:
    (folder / "policy.yaml").write_text(YAML.replace(old, new))
    with pytest.raises(MisfitError, match=said):
        load(lerobot, folder)


def test_missing_or_broken_policy_is_told(lerobot: tuple[Any, StandIn], folder: Path) -> None:
    with pytest.raises(SettingsError, match="plans in the environment of its own library"):
        ChunkFormat().load_planner(folder, ChunkSettings(), PlannerResources())
    lerobot[1].config.input_features = None
    (folder / "pretrained_model/config.json").unlink()
    with pytest.raises(CheckpointError, match=r"got no config\.json, expected a policy's folder"):
        load(lerobot, folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("task: walk", "tusk: walk", "tusk: unknown, expected one of policy, observation_dim"),
        ("[4, 5]", "[4, 6]", "expected pairs of a first component and the one after the last, from 0 to 5"),
        (
            "[4, 5]",
            "[4, 5.5]",
            r"policy.yaml: features.observation.state: got 5.5 in a range, expected whole",
        ),
        ("[4, 5]", "[4, 5.0]", "got 5.0 in a range, expected whole numbers"),
        ("[4, 5]", "[true, 5]", "got True in a range, expected whole numbers"),
        ("[4, 5]", "four", "policy.yaml: "),
        ("low: [0, -10]", "low: [0]", "low: got 1 values, expected 2 or none"),
        ("low: [0, -10]", "low: [9, -10]", "each of low below that of high"),
        ("observation_dim: 5", "observation_dim: many", "observation_dim: got 'many'"),
        (YAML, "features: {}", "observation_dim: got 0"),
    ],
)
def test_contract_with_a_mistake_is_refused(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "policy.yaml").write_text(YAML.replace(old, new))
    with pytest.raises(SettingsError, match=said):
        ChunkContract.read(folder)


def test_the_policys_own_actions_are_ours_in_its_unit(folder: Path) -> None:
    contract = ChunkContract.read(folder)
    ours = np.array([[-1.0, -1.0], [0.5, 0.5], [1.0, 1.0]], np.float32)
    own = contract.policy_actions(ours)
    np.testing.assert_allclose(own, [[0.0, -10.0], [3.0, 5.0], [4.0, 10.0]])
    np.testing.assert_allclose(contract.actions(own), ours)


def test_student_makes_the_action_that_the_gate_compares_with(folder: Path) -> None:
    kind = ChunkFormat()
    assert "by age alone" in kind.load_tick_model(folder).warning
    rng = np.random.default_rng(0)
    w = [rng.standard_normal(s).astype(np.float32) for s in ((OBS, 8), (8, ACTION))]
    b = [rng.standard_normal(s).astype(np.float32) for s in (8, ACTION)]
    np.savez(folder / STUDENT, w0=w[0], w1=w[1], b0=b[0], b1=b[1])
    model, obs = kind.load_tick_model(folder), rng.standard_normal(OBS).astype(np.float32)
    assert model.policy is not None
    expected = np.tanh(np.maximum(obs @ w[0] + b[0], 0.0) @ w[1] + b[1])
    np.testing.assert_allclose(model.policy(model.latent_of(obs)), expected, rtol=1e-5)
    with pytest.raises(CheckpointError, match="expected ones from 4 to 2 values"):
        find_student(folder, 4, ACTION)
    (folder / STUDENT).write_bytes(b"PK nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        kind.load_tick_model(folder)
