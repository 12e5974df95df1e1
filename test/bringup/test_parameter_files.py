"""Parameter files as ROS reads them, without ROS."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.parameter_files import (
    NODES,
    Section,
    read_file,
    read_parameters,
    read_system_file,
    write_parameters,
)
from spec_control_ros.core.errors import SettingsError

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = sorted([*CONFIG.glob("*.yaml"), *CONFIG.glob("modes/*.yaml")])


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def with_sections(folder: Path, *keys: str) -> Path:
    """A file with one value a section: the section's key."""
    lines = [f"{key}: {{ros__parameters: {{said_by: {key}}}}}\n" for key in keys]
    return write(folder / "p.yaml", "".join(lines))


def test_later_file_wins_value_by_value(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", "executor: {ros__parameters: {gate: {accept: 0.1, replan: 0.5}}}")
    second = write(tmp_path / "b.yaml", "/**: {ros__parameters: {gate.accept: 0.2, corrector: none}}")
    third = write(tmp_path / "c.yaml", "/**/executor: {ros__parameters: {gate.accept: 3e-1}}")
    assert read_parameters([first, second, third])["executor"] == {
        "gate": {"accept": 0.3, "replan": 0.5},
        "corrector": "none",
    }


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    parameters = {"planner": {"planner": {"queue_length": 4}}, "executor": {"corrector": "none"}}
    write_parameters(tmp_path / "p.yaml", parameters)
    assert read_parameters([tmp_path / "p.yaml"]) == parameters


def test_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read_parameters([write(tmp_path / "a.yaml", "")]) == {}


@pytest.mark.parametrize(
    ("key", "matched"),
    [
        ("executor", ["/executor"]),
        ("/executor", ["/executor"]),
        ("/**/executor", ["/executor", "/left/executor", "/a/left/executor"]),
        ("**/executor", ["/executor", "/left/executor", "/a/left/executor"]),
        ("/*/executor", ["/left/executor"]),
        ("/left/executor", ["/left/executor"]),
        ("/left/*", ["/left/executor"]),
        ("/left/**", ["/left/executor"]),
        ("/**", ["/executor", "/left/executor", "/a/left/executor", "/my_bridge"]),
        ("*", ["/executor", "/my_bridge"]),
        ("my_bridge", ["/my_bridge"]),
        ("exe", []),
    ],
)
def test_section_is_for_the_nodes_that_ros_matches(key: str, matched: list[str]) -> None:
    nodes = ["/executor", "/left/executor", "/a/left/executor", "/my_bridge"]
    assert [node for node in nodes if Section(key, {}).matches(node)] == matched


def test_namespace_may_be_written_as_a_mapping(tmp_path: Path) -> None:
    path = write(tmp_path / "p.yaml", "left: {executor: {ros__parameters: {a: {b: 1}}}}")
    assert read_file(path).sections == (Section("left/executor", {"a.b": 1}),)


@pytest.mark.parametrize(
    ("keys", "node", "said_by"),
    [
        (["executor"], "/executor", ["executor"]),
        (["planner", "sim_bridge"], "/executor", []),  # of others of the system
        (["/left/executor", "/right/executor"], "/right/executor", ["/right/executor"]),
        (["/**", "other_vendors_node"], "/executor", ["/**"]),
        (["/**/executor", "/**"], "/left/executor", ["/**/executor", "/**"]),
    ],
)
def test_node_gets_the_sections_that_are_for_it(
    tmp_path: Path, keys: list[str], node: str, said_by: list[str]
) -> None:
    own = read_file(with_sections(tmp_path, *keys)).sections_for(node, "executor")
    assert [section.values["said_by"] for section in own] == said_by


@pytest.mark.parametrize(
    ("keys", "node", "said"),
    [
        (
            ["executor"],
            "/left/executor",
            "got section executor, which ROS does not apply to the node /left/exec",
        ),
        (["executor", "/**"], "/left/executor", "expected a section `/\\*\\*/executor:`"),
        (
            ["executor"],
            "/mine",
            "expected a section `/\\*\\*/mine:`, which is for mine in any namespace, or `/mine:`",
        ),
        (["exekutor"], "/executor", "got section exekutor"),
        (["planner", "exekutor"], "/executor", "got sections planner, exekutor"),
    ],
)
def test_file_that_is_not_for_the_node_is_refused(
    tmp_path: Path, keys: list[str], node: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        read_file(with_sections(tmp_path, *keys)).sections_for(node, "executor")


def test_file_of_the_system_has_no_section_for_another_node(tmp_path: Path) -> None:
    path = with_sections(tmp_path, "/**/planner", "/**/exekutor", "/left/*")
    with pytest.raises(SettingsError, match=r"got section /\*\*/exekutor, but the system has no such node"):
        read_system_file(path)
    with pytest.raises(SettingsError, match="no such node"):
        read_parameters([path])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("namespace", ["", "/left", "/a/left"])
def test_shipped_file_applies_in_any_namespace(path: Path, namespace: str) -> None:
    file = read_system_file(path)
    for kind in NODES:
        meant = [section for section in file.sections if section.name == kind]
        assert file.sections_for(f"{namespace}/{kind}", kind) == meant


def test_nodes_are_those_of_the_package() -> None:
    modules = CONFIG.parent.glob("spec_control_ros/nodes/[!_]*.py")
    assert sorted(NODES) == sorted(path.stem for path in modules)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("[1, 2]", "got a list, expected nodes by name"),
        ("executor: {gate: {}}", "executor/gate: expected `ros__parameters:`"),
        ("executor: 3", "executor: expected `ros__parameters:`"),
        ("executor:", "executor: expected `ros__parameters:`"),
        ("ex-ecutor: {ros__parameters: {a: 1}}", "ex-ecutor: expected `ros__parameters:`"),
        ("executor: {ros__parameters: {a: {b: }}}", "executor: a.b: got nothing, expected a value"),
        ("executor: {ros__parameters: {a: {}}}", "executor: a: got nothing, expected a value"),
        (
            "executor: {ros__parameters: {a.b: 1, a: {b: 1}}}",
            r"executor: a\.b: got two values for the same name",
        ),
        (
            "executor: {ros__parameters: {a: 1}}\nexecutor: {ros__parameters: {b: 1}}",
            "'executor' is there twice",
        ),
    ],
)
def test_what_is_no_parameter_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "a.yaml", text)
    with pytest.raises(SettingsError, match=said):
        read_parameters([path])


def test_missing_file_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: cannot be read"):
        read_parameters([Path("/nowhere.yaml")])
