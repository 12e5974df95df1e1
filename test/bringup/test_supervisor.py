"""How a system's processes are ended."""

import os
import signal
from pathlib import Path

import pytest

from spec_control_ros.bringup.supervisor import Supervisor
from spec_control_ros.bringup.system import Process

ACT = """
import signal, sys, time
from pathlib import Path

def end(*_):
    {end}
    sys.exit()

signal.signal(signal.SIGTERM, end)
Path("{name}").touch()
while True:
    signal.pause()
"""
ENDS = {
    "recorder": 'Path("heard").write_text(str(Path("at_rest").exists()))',
    "executor": 'time.sleep(0.3); Path("at_rest").touch()',
}


def test_restarts_in_vain_are_those_between_which_nothing_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(tmp_path, {})
    monkeypatch.setattr(supervisor, "_spawn", lambda *_: None)
    child = supervisor.start(Process("planner", (), {}))
    told = []
    for work_done in (0, 0, 30, 60, 60, 60):
        supervisor.restart(child, work_done)
        told.append((child.restarts, child.vain_restarts))
    assert told == [(1, 1), (2, 2), (3, 0), (4, 0), (5, 1), (6, 2)]


def test_recorder_hears_how_the_others_come_to_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    acts = tmp_path / "acts"
    acts.mkdir()
    (acts / "__init__.py").touch()
    supervisor = Supervisor(tmp_path / "logs", {**os.environ, "PYTHONPATH": str(tmp_path)})
    for name, end in ENDS.items():
        (acts / f"{name}.py").write_text(ACT.format(name=name, end=end))
        supervisor.start(Process(name, (), {}, package="acts"))
    while not all(Path(name).exists() for name in ENDS):
        assert not supervisor.ended(), [child.tail() for child in supervisor.children]
    supervisor.stop()
    assert [child.popen.returncode for child in supervisor.children] == [0, 0]
    assert Path("heard").read_text() == "True"


def test_process_that_is_stopped_hears_of_the_end_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bridge that stands still would be killed without having left its robot safe."""
    monkeypatch.chdir(tmp_path)
    acts = tmp_path / "acts"
    acts.mkdir()
    (acts / "__init__.py").touch()
    (acts / "bridge.py").write_text(ACT.format(name="bridge", end='Path("safe").touch()'))
    supervisor = Supervisor(tmp_path / "logs", {**os.environ, "PYTHONPATH": str(tmp_path)})
    child = supervisor.start(Process("bridge", (), {}, package="acts"))
    while not Path("bridge").exists():
        assert not supervisor.ended(), child.tail()
    os.killpg(child.popen.pid, signal.SIGSTOP)
    supervisor.stop()
    assert child.popen.returncode == 0
    assert Path("safe").exists()
