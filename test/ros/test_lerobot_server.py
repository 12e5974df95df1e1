"""A policy of the real LeRobot behind the planner node; skipped where its environment is missing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ros_support import Background, Probe, first_plan

from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import Reason

EXAMPLE = Path(__file__).parents[2] / "examples/lerobot"
PYTHON = "LEROBOT_PYTHON"
# An untrained ACT with the features of the example's contract
UNTRAINED = """
import sys
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

config = ACTConfig(
    input_features={
        "observation.state": PolicyFeature(FeatureType.STATE, (14,)),
        "observation.environment_state": PolicyFeature(FeatureType.ENV, (24,)),
    },
    output_features={"action": PolicyFeature(FeatureType.ACTION, (6 + 24,))},
    normalization_mapping=dict.fromkeys(("STATE", "ENV", "ACTION"), NormalizationMode.IDENTITY),
    chunk_size=24, n_action_steps=24, dim_model=32, n_heads=2, dim_feedforward=32, n_encoder_layers=1,
    use_vae=False, device="cpu", push_to_hub=False,
)
for part in (ACTPolicy(config), *make_pre_post_processors(config)):
    part.save_pretrained(sys.argv[1])
"""


@pytest.fixture
def python() -> str:
    found = os.environ.get(PYTHON, "")
    if not Path(found).is_file():
        pytest.skip(f"{PYTHON} names no Python of an environment that examples/lerobot/setup.sh has made")
    return found


def test_served_policy_plans_chunks(python: str, domain: int, tmp_path: Path, probe: Probe) -> None:
    model = tmp_path / "act"
    model.mkdir()
    shutil.copy(EXAMPLE / "policy.yaml", model)
    (model / "planner.json").write_text(json.dumps({"format": "chunk_policy", "control_period_s": 0.05}))
    subprocess.run([python, "-c", UNTRAINED, str(model / "pretrained_model")], check=True)
    words = [python, str(EXAMPLE / "serve_policy.py"), "--ros-args", "-r", "__node:=planner"]
    with Background([*words, "-p", f"model:={model}"], tmp_path / "log", {"HOME": str(tmp_path)}) as process:
        client, _, plan = first_plan(probe, process, 24)
        wrong = probe.call(client, Replan.Request(epoch=1, observation=[0.1] * 7, reason=int(Reason.EMPTY)))
    assert (plan.start_tick, plan.actions.shape, plan.latents.shape) == (4, (24, 6), (25, 24))
    assert "got an observation of 7 values, expected 24" in wrong.message
