"""Measured episodes on the disk: they outlive an interruption, and tell what they are of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.measurement_file import MeasurementFile

CONFIGURATION = {"task": "cup-catch", "settings": {"gate": {"accept": 0.1}}}


@pytest.fixture
def path(tmp_path: Path, measurement: Callable[..., Measurement]) -> Path:
    path = tmp_path / "episodes" / "replan.jsonl"
    file = MeasurementFile(path, CONFIGURATION, Measurement.from_json)
    for seed in (4, 5):
        file.add(measurement(seed=seed, epoch=seed + 1))
    return path


def test_measurement_survives_as_it_was(measurement: Callable[..., Measurement]) -> None:
    made = measurement()
    again = Measurement.from_json(made.to_json())
    assert again.to_json() == made.to_json()
    assert again.latencies_s == made.latencies_s
    assert again.mismatches[0] != again.mismatches[0]  # NaN


def test_what_was_measured_is_there_again(path: Path) -> None:
    again = MeasurementFile(path, CONFIGURATION, Measurement.from_json)
    found = again.get(5, 6)
    assert found is not None
    assert found.episode_return == 10.0
    assert again.get(5, 7) is None  # at another place of the run the planner's noise is another
    assert again.get(6, 7) is None


def test_line_that_was_cut_off_is_as_good_as_none(
    path: Path, measurement: Callable[..., Measurement]
) -> None:
    whole = path.read_text()
    path.write_text(whole[:-20])
    again = MeasurementFile(path, CONFIGURATION, Measurement.from_json)
    assert again.get(4, 5) is not None
    assert again.get(5, 6) is None
    again.add(measurement(seed=5, epoch=6))
    assert path.read_text() == whole


def test_line_that_another_command_still_writes_is_left_to_it(path: Path) -> None:
    whole = path.read_text()
    path.write_text(whole[:-20])
    MeasurementFile(path, CONFIGURATION, Measurement.from_json)
    with path.open("a") as file:
        file.write(whole[-20:])
    assert MeasurementFile(path, CONFIGURATION, Measurement.from_json).get(5, 6) is not None


def test_first_line_that_was_cut_off_begins_anew(path: Path, measurement: Callable[..., Measurement]) -> None:
    path.write_text('{"format"')
    again = MeasurementFile(path, CONFIGURATION, Measurement.from_json)
    again.add(measurement())
    assert MeasurementFile(path, CONFIGURATION, Measurement.from_json).get(0, 1) is not None


def test_other_configuration_is_refused_with_what_differs(path: Path) -> None:
    other = {"task": "cup-catch", "settings": {"gate": {"accept": 0.2}}, "delay_ticks": 1}
    with pytest.raises(
        BenchmarkError, match=r"delay_ticks was None, now 1; settings.gate.accept was 0.1, now 0.2"
    ):
        MeasurementFile(path, other, Measurement.from_json)


def test_what_fills_pages_is_not_told_to_its_end(path: Path) -> None:
    with pytest.raises(
        BenchmarkError, match=r"gate was None, now \[0, 0, .*\.\.\.\. remove the file"
    ) as raised:
        MeasurementFile(path, CONFIGURATION | {"gate": [0] * 1000}, Measurement.from_json)
    assert len(str(raised.value).removeprefix(str(path))) < 300


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"epoch":5', '"epoch":', "line 2: not a measured episode"),
        ('"kinds":[2,0,1]', '"kinds":[2,0,7]', "line 2: not a measured episode"),
        ('"kinds":[2,0,1]', '"kinds":[2,0]', "line 2: seed 4: got sequences"),
        ('"seed":4,', "", "line 2: not a measured episode"),
        ('{"format"', '["format"', "line 1: expected what was measured"),
    ],
)
def test_damage_is_refused_with_its_line_and_what_to_do(path: Path, old: str, new: str, said: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(BenchmarkError, match=f"{said}.*remove the file to measure anew"):
        MeasurementFile(path, CONFIGURATION, Measurement.from_json)


def test_binary_damage_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchmarkError, match="cannot be read"):
        MeasurementFile(path, CONFIGURATION, Measurement.from_json)
