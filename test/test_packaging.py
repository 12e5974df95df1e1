"""The package's metadata, its installed files and its messages agree with each other."""

import importlib.util
import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import setuptools
from ament_index_python import get_package_share_directory

ROOT = Path(__file__).resolve().parents[1]
INTERFACES = ROOT / "spec_control_interfaces"
DECISIONS = ("ACCEPT", "CORRECT", "REPLAN", "HOLD")
REASONS = (
    "NONE",
    "MISMATCH",
    "EMPTY",
    "STALE",
    "WAITING_FOR_PLAN",
    "PLANNER_SILENT",
    "BAD_OBSERVATION",
    "SENSOR_SILENT",
    "FAULT",
)


@pytest.fixture
def setup_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py hands to setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return given


def manifest(folder: Path) -> ElementTree.Element:
    return ElementTree.parse(folder / "package.xml").getroot()


def files_to_install() -> list[Path]:
    folders = {"launch": "*.launch.py", "config": "*", "models": "*"}
    found = (path for folder, pattern in folders.items() for path in (ROOT / folder).rglob(pattern))
    return sorted(
        path.relative_to(ROOT) for path in found if path.is_file() and "__pycache__" not in path.parts
    )


def constants(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^uint8 ([A-Z_]+)=(\d+)", text, re.MULTILINE)}


def test_setup_and_manifests_agree(setup_arguments: dict[str, Any]) -> None:
    package, interfaces = manifest(ROOT), manifest(INTERFACES)
    assert setup_arguments["name"] == package.findtext("name")
    assert setup_arguments["license"] == package.findtext("license")
    assert setup_arguments["version"] == package.findtext("version") == interfaces.findtext("version")


def test_every_console_script_has_its_module(setup_arguments: dict[str, Any]) -> None:
    scripts = setup_arguments["entry_points"]["console_scripts"]
    modules = {script.split(" = ")[1].split(":")[0] for script in scripts}
    assert {module for module in modules if importlib.util.find_spec(module) is None} == set()


def test_data_files_hold_every_launch_config_and_model_file(setup_arguments: dict[str, Any]) -> None:
    installed = {
        (Path(folder) / Path(name).name, Path(name))
        for folder, names in setup_arguments["data_files"]
        for name in names
    }
    share = Path("share") / "spec_control_ros"
    assert {(share / path, path) for path in files_to_install()} <= installed


def test_colcon_finds_pytest_among_the_test_requirements(setup_arguments: dict[str, Any]) -> None:
    assert "pytest" in setup_arguments["extras_require"]["test"]


def test_installed_share_holds_what_the_checkout_holds() -> None:
    share = Path(get_package_share_directory("spec_control_ros"))
    missing = [str(path) for path in files_to_install() if not (share / path).is_file()]
    assert not missing, f"not installed: {missing}; run scripts/setup.sh"


def test_installed_messages_are_those_of_the_checkout() -> None:
    share = Path(get_package_share_directory("spec_control_interfaces"))
    for path in sorted([*INTERFACES.glob("msg/*.msg"), *INTERFACES.glob("srv/*.srv")]):
        installed = share / path.relative_to(INTERFACES)
        assert installed.read_text() == path.read_text(), (
            f"{path.name} is not installed; run scripts/setup.sh"
        )


def test_decision_constants_are_complete_and_numbered_from_zero() -> None:
    found = constants((INTERFACES / "msg" / "Decision.msg").read_text())
    assert found == {name: number for names in (DECISIONS, REASONS) for number, name in enumerate(names)}


def test_generated_decision_has_the_constants_of_its_definition() -> None:
    from spec_control_interfaces.msg import Decision

    expected = constants((INTERFACES / "msg" / "Decision.msg").read_text())
    assert {name: getattr(Decision, name) for name in expected} == expected


@pytest.mark.parametrize("path", sorted(INTERFACES.glob("*/*.[ms][sr][gv]")), ids=lambda path: path.name)
def test_every_message_field_says_what_it_means(path: Path) -> None:
    lines = [
        line for line in path.read_text().splitlines() if line and line != "---" and not line.startswith("#")
    ]
    assert [line for line in lines if not re.search(r"\s{2,}# \S", line)] == []


@pytest.mark.parametrize("path", sorted(INTERFACES.glob("*/*.[ms][sr][gv]")), ids=lambda path: path.name)
def test_every_message_is_built(path: Path) -> None:
    listed = f'"{path.parent.name}/{path.name}"'
    assert listed in (INTERFACES / "CMakeLists.txt").read_text()
