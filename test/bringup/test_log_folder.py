"""Where logs go."""

import os
from pathlib import Path

import pytest

from spec_control_ros.bringup.log_folder import ensure_log_folder, log_folder


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"ROS_LOG_DIR": "/a", "ROS_HOME": "/b"}, "/a"),
        ({"ROS_LOG_DIR": "", "ROS_HOME": "/b"}, "/b/log"),
        ({}, "~/.ros/log"),
    ],
)
def test_folder_is_the_one_that_ros_has(environment: dict[str, str], folder: str) -> None:
    assert log_folder(environment) == Path(os.path.expanduser(folder))


def test_folder_that_can_be_written_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "logs"))
    assert ensure_log_folder() == ""
    assert (tmp_path / "logs").is_dir()


@pytest.mark.parametrize("kind", ["below a file", "of the system", "a loop"])
def test_where_it_cannot_be_written_logs_go_elsewhere_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    wanted = {
        "below a file": tmp_path / "file/logs",
        "of the system": "/proc/logs",
        "a loop": tmp_path / "loop",
    }[kind]
    monkeypatch.setenv("ROS_LOG_DIR", str(wanted))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = ensure_log_folder()
    assert said.startswith(f"{wanted} cannot be written: logs go to {os.environ['ROS_LOG_DIR']}")
    assert list(Path(os.environ["ROS_LOG_DIR"]).iterdir()) == []
