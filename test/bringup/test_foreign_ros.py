"""Another ROS 2 in the environment."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.foreign_ros import INDEX, without_foreign_ros


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A Python environment with ROS 2 inside."""
    made = tmp_path / "venv"
    for name in ("rclpy", "rcl", "std_msgs"):
        (made / INDEX).mkdir(parents=True, exist_ok=True)
        (made / INDEX / name).touch()
    (made / "lib").mkdir()
    (made / "lib/librmw_fastrtps_cpp.so").touch()
    return made


def other(tmp_path: Path, *files: str) -> str:
    """A folder with these files."""
    folder = tmp_path / "other"
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return str(folder)


@pytest.mark.parametrize(
    ("variable", "files"),
    [
        ("PYTHONPATH", ["rclpy/__init__.py"]),
        ("PYTHONPATH", ["std_msgs/msg/__init__.py"]),
        ("LD_LIBRARY_PATH", ["librcl.so"]),
        ("AMENT_PREFIX_PATH", [f"{INDEX}/std_msgs"]),
    ],
)
def test_its_folders_are_left_out_and_named(
    tmp_path: Path, prefix: Path, variable: str, files: list[str]
) -> None:
    foreign, harmless = other(tmp_path, *files), str(tmp_path)
    given = {variable: f"{foreign}:{harmless}:{prefix}:{prefix}/lib", "HOME": "/root"}
    clean, named = without_foreign_ros(given, prefix)
    assert named == [foreign]
    assert clean == {**given, variable: f"{harmless}:{prefix}:{prefix}/lib"}


def test_middleware_that_is_not_there_is_left_out(prefix: Path) -> None:
    for name, named in (
        ("rmw_cyclonedds_cpp", ["RMW_IMPLEMENTATION=rmw_cyclonedds_cpp"]),
        ("rmw_fastrtps_cpp", []),
    ):
        given = {"RMW_IMPLEMENTATION": name}
        clean, foreign = without_foreign_ros(given, prefix)
        assert foreign == named
        assert clean == ({} if named else given)


def test_what_is_sourced_stays_where_python_has_no_ros_of_its_own(tmp_path: Path, prefix: Path) -> None:
    (prefix / INDEX / "rclpy").unlink()
    given = {"PYTHONPATH": other(tmp_path, "rclpy/__init__.py"), "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    assert without_foreign_ros(given, prefix) == (given, [])
