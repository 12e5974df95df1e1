"""What all tests share: one torch thread, deterministic hypothesis, and small world models."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hub_server import Hub, serving
from hypothesis import HealthCheck, settings

from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.model import WorldModel

settings.register_profile(
    "repository",
    deadline=None,  # nothing here is timed
    derandomize=os.environ.get("HYPOTHESIS_RANDOM") is None,  # set it to search further
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("repository")
torch.set_num_threads(1)

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def _same_torch_randomness() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True)
def _same_process() -> Iterator[None]:
    """A test that leaves its process in real time, or without garbage collection, would starve those after it."""
    before = os.sched_getscheduler(0), gc.isenabled()
    yield
    assert (os.sched_getscheduler(0), gc.isenabled()) == before


@pytest.fixture
def parity() -> Path:
    """Folder of the numbers that the official code produced."""
    return DATA / "parity"


@pytest.fixture
def hub_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A local Hugging Face hub, empty."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving() as hub:
        yield hub


@pytest.fixture(scope="session")
def small_model() -> Callable[..., WorldModel]:
    """Makes random world models of a few thousand parameters whose heads are not zero."""
    return make_model


def make_model(**dimensions: int) -> WorldModel:
    sizes = {
        "obs": 5,
        "action": 2,
        "latent": 16,
        "encoder": 16,
        "encoder_layers": 1,
        "hidden": 24,
        "q_members": 3,
        **dimensions,
    }
    model = WorldModel(Dimensions(**sizes))
    for head in (model.reward_head, model.q_head):
        torch.nn.init.normal_(head.last.weight, std=0.05)
    return model.eval().requires_grad_(False)
