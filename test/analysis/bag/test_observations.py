"""What a recorded robot sensed."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from made_bag import MadeBag

from spec_control_ros.analysis.bag.observations import read_observations
from spec_control_ros.analysis.bag.reader import Bag, Recorded
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.errors import SpecControlError


def test_observations_come_in_their_order_with_times_since_the_first(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=(1,), ticks=5)
    sensed = read_observations(tmp_path / "bag")
    assert [o.observation.tick for o in sensed] == [0, 1, 2, 3, 4]
    assert sensed[0].time_s == 0.0
    assert sensed[4].time_s > sensed[1].time_s > 0.0


def test_observation_of_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=(1,), ticks=1)
    older = SimpleNamespace(epoch=1, tick=0, data=[0.0])  # without a header
    told = [Recorded("/observation", TOPICS["observation"], 0, older)]
    monkeypatch.setattr(Bag, "messages", lambda *_: iter(told))
    with pytest.raises(SpecControlError, match=r"damaged or of another version .* no attribute 'header'"):
        read_observations(tmp_path / "bag")
