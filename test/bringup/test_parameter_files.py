"""Parameter files as ROS reads them, without ROS."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.parameter_files import read_parameters, write_parameters
from spec_control_ros.core.errors import SettingsError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_later_file_wins_value_by_value(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", "executor: {ros__parameters: {gate: {accept: 0.1, replan: 0.5}}}")
    second = write(tmp_path / "b.yaml", "executor: {ros__parameters: {gate.accept: 0.2, corrector: none}}")
    assert read_parameters([first, second]) == {
        "executor": {"gate": {"accept": 0.2, "replan": 0.5}, "corrector": "none"}
    }


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    parameters = {"planner": {"planner": {"queue_length": 4}}, "executor": {"corrector": "none"}}
    write_parameters(tmp_path / "p.yaml", parameters)
    assert read_parameters([tmp_path / "p.yaml"]) == parameters


def test_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read_parameters([write(tmp_path / "a.yaml", "")]) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("[1, 2]", "got a list, expected nodes by name"),
        ("executor: {gate: {}}", "executor: expected `ros__parameters:`"),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "a.yaml", text)
    with pytest.raises(SettingsError, match=said):
        read_parameters([path])


def test_missing_file_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: cannot be read"):
        read_parameters([Path("/nowhere.yaml")])
