import pytest
import torch

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.world_model.device import find_device


@pytest.fixture
def _two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("_two_gpus")
@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_devices_that_are_there(name: str) -> None:
    assert find_device(name) == torch.device(name)


@pytest.mark.usefixtures("_two_gpus")
@pytest.mark.parametrize(
    ("name", "said"),
    [("cuda:2", "PyTorch sees 2 GPUs"), ("gpu", "expected cpu, cuda"), ("meta", "got 'meta'")],
)
def test_others_are_refused(name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        find_device(name)
