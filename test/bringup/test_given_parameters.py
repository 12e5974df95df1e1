"""What a command line gives to a node, and who gave it."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.given_parameters import Given, given_to, told
from spec_control_ros.core.errors import SettingsError

DEEP = "/**/executor: {ros__parameters: {hold: deep, gate: {accept: 0.1}}}"
BARE = "executor: {ros__parameters: {hold: bare, other: bare}}"
STAR = "/**: {ros__parameters: {hold: star}}"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Three files that say the same in ways of their own."""
    texts = {"deep": DEEP, "bare": BARE, "star": STAR}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in texts}


def command_line(*words: str, node: str = "/executor") -> tuple[dict[str, Given], list[str]]:
    return given_to(node, "executor", ["executor", "--ros-args", *words])


@pytest.mark.parametrize(
    "order", [["deep", "bare", "star"], ["star", "bare", "deep"], ["bare", "star"], ["deep", "bare", "deep"]]
)
def test_last_file_wins_whatever_form_its_keys_have(files: dict[str, str], order: list[str]) -> None:
    words = [word for name in order for word in ("--params-file", files[name])]
    assert command_line(*words)[0]["hold"] == Given(order[-1], files[order[-1]])


def test_value_on_the_command_line_wins_over_files_before_it(files: dict[str, str]) -> None:
    given, _ = command_line(
        "--params-file", files["star"], "--params-file", files["deep"], "-p", "hold:=zero"
    )
    assert given == {"hold": Given("zero", "-p"), "gate.accept": Given(0.1, files["deep"])}


def test_only_arguments_for_ros_count(files: dict[str, str]) -> None:
    words = ["x", "-p", "a:=1", "--ros-args", "--param", "b:=[1, 2]", "--", "-p", "c:=1"]
    assert given_to("/executor", "executor", words)[0] == {"b": Given([1, 2], "-p")}


def test_value_may_name_the_node() -> None:
    assert command_line("-p", "executor:a:=x:y")[0] == {"a": Given("x:y", "-p")}
    with pytest.raises(SettingsError, match="got a value for executor, but this node is /left/executor"):
        command_line("-p", "executor:a:=1", node="/left/executor")


def test_sections_that_nobody_heeds_are_told(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"{DEEP}\ncontroller_manager: {{ros__parameters: {{a: 1}}}}")
    assert command_line("--params-file", str(path))[1] == [f"{path}: section controller_manager"]


def test_values_are_told_by_who_gave_them_as_far_as_they_count(files: dict[str, str]) -> None:
    given, _ = command_line(
        "--params-file", files["deep"], "--params-file", files["bare"], "-p", "other:=true"
    )
    lines = told(given).strip().splitlines()
    assert [line.strip() for line in lines] == [
        f'{files["bare"]}: hold = "bare"',
        f"{files['deep']}: gate.accept = 0.1",
        "-p: other = true",
    ]
