"""The package's metadata, its imports, its installed files and its messages agree with each other."""

import ast
import importlib.util
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import setuptools
from ament_index_python import get_package_prefix, get_package_share_directory

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
    "SENSOR_FROZEN",
    "OBJECTIVE_CHANGED",
)
STANDARD = {*sys.stdlib_module_names, "compression"}  # the latter from Python 3.14 on
# The distribution of a module, where it has another name.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "backports": "backports-zstd",
    "mcap_ros2": "mcap-ros2-support",
}
# rosdep's keys that mean a package of Ubuntu 24.04 (ros/rosdistro, rosdep/python.yaml), by distribution.
ROSDEP_KEYS = {
    "hypothesis": "python3-hypothesis",
    "imageio": "python3-imageio",
    "jinja2": "python3-jinja2",
    "numpy": "python3-numpy",
    "pandas": "python3-pandas",
    "pillow": "python3-pil",
    "pytest": "python3-pytest",
    "pytest-cov": "python3-pytest-cov",
    "pyyaml": "python3-yaml",
    "scipy": "python3-scipy",
}


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


def dependencies(*tags: str) -> set[str]:
    """What the package's manifest names under these tags."""
    return {found.text or "" for tag in tags for found in manifest(ROOT).iter(tag)}


def requirements(name: str) -> set[str]:
    """The distributions that a requirements file names, and those that it includes."""
    found: set[str] = set()
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            found |= requirements(line.removeprefix("-r "))
        elif word := re.match(r"[\w.-]+", line):
            found.add(word[0].lower().replace("_", "-"))
    return found


def imported_modules(folder: Path) -> Iterator[str]:
    """The top-level modules that files below `folder` import, the standard library's left out."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            yield from (top for name in names if (top := name.split(".")[0]) not in STANDARD)


def imported_distributions(*folders: str) -> set[str]:
    """What files below these folders import from elsewhere, by the names that requirements use."""
    own = {path.stem for path in (ROOT / "test").rglob("*.py")} | {"spec_control_ros", "benchmarks", "tools"}
    found = {name for folder in folders for name in imported_modules(ROOT / folder)} - own
    return {DISTRIBUTIONS.get(name, name).replace("_", "-").lower() for name in found}


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


def test_newest_entry_of_the_changelog_is_the_version(setup_arguments: dict[str, Any]) -> None:
    entries = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert entries[:2] == ["Unreleased", setup_arguments["version"]]


def test_whatever_the_package_imports_is_a_dependency() -> None:
    declared = requirements("requirements.txt") | {
        name.replace("_", "-") for name in dependencies("depend", "exec_depend") if "-" not in name
    }
    assert imported_distributions("spec_control_ros", "launch") - declared == set()


def test_whatever_the_tests_import_is_a_dependency() -> None:
    declared = (
        requirements("requirements-dev.txt")
        | requirements("requirements-build.txt")
        | {name.replace("_", "-") for name in dependencies("depend", "exec_depend", "test_depend")}
    )
    assert imported_distributions("test") - declared == set()


@pytest.mark.parametrize(
    ("file", "tags"),
    [
        ("requirements.txt", ("depend", "exec_depend")),
        ("requirements-dev.txt", ("depend", "exec_depend", "test_depend")),
    ],
)
def test_rosdep_installs_every_requirement_that_it_can(file: str, tags: tuple[str, ...]) -> None:
    keys = {key for name, key in ROSDEP_KEYS.items() if name in requirements(file)}
    assert {name for name in dependencies(*tags) if name.startswith("python3-")} == keys


def test_every_requirement_is_locked() -> None:
    locked = requirements("requirements.lock")
    for file in ("requirements-dev.txt", "requirements-ros.txt"):
        assert requirements(file) - locked - {"torch"} == set()


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


@pytest.mark.parametrize("command", ["install", "develop"])
def test_colcon_build_without_the_messages_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    monkeypatch.setattr(sys, "argv", ["setup.py", command])
    monkeypatch.setenv(
        "PYTHONPATH", "/usr/lib/python3/dist-packages/colcon_core/task/python/colcon_distutils_commands"
    )
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(
        SystemExit, match="ln -s spec_control_ros/spec_control_interfaces src/ && colcon build"
    ):
        runpy.run_path("setup.py")
    packages = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    packages.mkdir(parents=True)
    (packages / "spec_control_interfaces").touch()
    runpy.run_path("setup.py")


def test_wheel_leaves_the_command_to_pip(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(sys, "argv", ["setup.py", "bdist_wheel"])
    assert "bin" not in dict(request.getfixturevalue("setup_arguments")["data_files"])


def test_colcon_finds_both_packages_of_a_workspace_with_the_link(tmp_path: Path) -> None:
    def packages_not_found() -> list[str]:
        command = [
            sys.executable,
            "-m",
            "colcon",
            "build",
            "--packages-skip-regex",
            ".*",
            "--packages-select",
        ]
        ended = subprocess.run(
            [*command, *packages], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 0, ended.stderr
        return [package for package in packages if f"unknown package '{package}'" in ended.stderr]

    packages = ["spec_control_interfaces", "spec_control_ros"]
    source = tmp_path / "src"
    source.mkdir()
    (source / "spec_control_ros").symlink_to(ROOT)
    assert packages_not_found() == ["spec_control_interfaces"]
    (source / "spec_control_interfaces").symlink_to("spec_control_ros/spec_control_interfaces")
    assert packages_not_found() == []


def test_command_is_on_the_path_of_whoever_sources_the_package() -> None:
    command = Path(get_package_prefix("spec_control_ros")) / "bin" / "spec-control"
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == f"spec-control {manifest(ROOT).findtext('version')}\n"


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
