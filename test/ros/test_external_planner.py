"""A planner of somebody else's, in a process and an environment of its own: without torch, MuJoCo and dm_control."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from constant_planner import ACTION, OBS, QUEUE
from ros_support import Background, Probe, first_plan

from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import Reason

HEAVY = (
    "torch",
    "functorch",
    "torchgen",
    "mujoco",
    "dm_control",
    "safetensors",
    "rosbags",
    "pandas",
    "plotly",
    "scipy",
)
ENTRY_POINTS = "[spec_control_ros.planners]\nconstant = constant_planner:ConstantFormat\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with all packages but the heavy ones, and with the planner's."""
    root = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
    ours = Path(sysconfig.get_path("purelib"))
    theirs = root / ours.relative_to(sys.prefix)
    for path in ours.iterdir():
        if not path.name.startswith(HEAVY):
            (theirs / path.name).symlink_to(path)
    shutil.copy(Path(__file__).parents[1] / "constant_planner.py", theirs)
    info = theirs / "constant_planner-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: constant-planner\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return root


@pytest.fixture
def planner(environment: Path, domain: int, tmp_path: Path) -> Iterator[Background]:
    model = tmp_path / "mine"
    model.mkdir()
    (model / "planner.json").write_text(json.dumps({"format": "constant", "control_period_s": 0.05}))
    words = ["-m", "spec_control_ros.nodes.planner", "--ros-args", "-r", "__node:=planner"]
    given = ["-p", f"model:={model}", "-p", "planner.level:=0.25", "-p", "planner.seed:=7"]
    python = str(environment / "bin/python")
    with Background([python, *words, *given], tmp_path / "log", {"HOME": str(tmp_path)}) as process:
        yield process


def test_plans_through_the_usual_node(planner: Background, probe: Probe) -> None:
    assert os.environ["AMENT_PREFIX_PATH"]
    diagnostics = probe.hear_diagnostics("planner")
    client, answer, plan = first_plan(probe, planner, OBS)
    assert (plan.plan_id, plan.start_tick, plan.predicts) == (answer.plan_id, 4, False)
    np.testing.assert_array_equal(plan.actions, np.full((QUEUE, ACTION), 0.25))
    probe.until(lambda: diagnostics and "heavy_packages" in str(diagnostics[-1]), "no diagnostics")
    assert "none" in {v.value for v in diagnostics[-1].values if v.key == "heavy_packages"}
    wrong = probe.call(client, Replan.Request(epoch=1, observation=[0.1] * 7, reason=int(Reason.EMPTY)))
    assert "got an observation of 7 values, expected 3" in wrong.message


def test_example_plans_in_that_environment(
    environment: Path, domain: int, tmp_path: Path, probe: Probe
) -> None:
    example = Path(__file__).parents[2] / "examples/external_planner.py"
    words = [str(environment / "bin/python"), str(example), "--ros-args", "-p", "model:=walker-walk"]
    with Background(words, tmp_path / "log", {"HOME": str(tmp_path)}) as process:
        _, _, plan = first_plan(probe, process, 24)
    assert (plan.start_tick, plan.actions.shape, plan.predicts) == (4, (10, 6), False)
