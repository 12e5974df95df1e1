"""Fault files."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.process_faults import Crash, Hang, Victim
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.window import Window
from spec_control_ros.sim.faults.body import Push, Saturation
from spec_control_ros.sim.faults.schedule import KINDS, FaultSchedule, as_row, read_faults, schedule_from
from spec_control_ros.sim.faults.sensor import Latency, Noise

CONFIG = Path(__file__).resolve().parents[3] / "config" / "faults"


def read(folder: Path, text: str) -> FaultSchedule:
    path = folder / "faults.yaml"
    path.write_text(text)
    return read_faults(path)


def test_file_tells_faults_with_their_windows(tmp_path: Path) -> None:
    schedule = read(
        tmp_path,
        """
        seed: 4
        sizes: [0, 1.5]
        faults:
          - kind: noise
            std: 0.2
            indices: [0, 3]
            when: {start_s: 1.0, duration_s: 2, probability: 0.5}
          - {kind: push, body: torso, force_n: [50, 0, 0], when: {start_tick: 20, duration_ticks: 2}}
          - {kind: hang, process: executor}
        """,
    )
    assert schedule == FaultSchedule(
        faults=(
            Noise(std=0.2, indices=(0, 3), when=Window(start_s=1.0, duration_s=2.0, probability=0.5)),
            Push(force_n=(50.0, 0.0, 0.0), when=Window(start_tick=20, duration_ticks=2)),
            Hang(process=Victim.EXECUTOR),
        ),
        seed=4,
        sizes=(0.0, 1.5),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got no list of `faults`"),
        ("faults: noise", "got no list of `faults`"),
        ("{faults: [], colour: red}", "colour: unknown, expected one of faults, seed, sizes"),
        ("{faults: [], seed: -1}", "seed: got -1"),
        ("{faults: [], sizes: []}", r"sizes: got \[\]"),
        ("{faults: [], sizes: [-1]}", r"sizes: got \[-1\]"),
        ("faults: [noise]", r"faults\[0\].kind: got 'noise', expected one of latency, jitter, loss"),
        ("faults: [{kind: sabotage}]", r"faults\[0\].kind: got 'sabotage'"),
        (
            "faults: [{kind: noise, level: 1}]",
            r"faults\[0\].level: unknown, expected one of when, indices, std",
        ),
        ("faults: [{kind: noise, std: -1}]", r"faults\[0\].std: got -1.0, expected at least 0.0"),
        ("faults: [{kind: noise, indices: 1}]", r"faults\[0\].indices: got 1, expected a list"),
        ("faults: [{kind: noise, when: 3}]", r"faults\[0\].when: got 3, expected settings by name"),
        (
            "faults: [{kind: noise, when: {tick: 3}}]",
            r"faults\[0\].when.tick: unknown, expected one of start_tick",
        ),
        ("faults: [{kind: push, force_n: [1, 2]}]", r"faults\[0\].force_n: got \[1, 2\], expected three"),
        (
            "faults: [{kind: hang, process: cat}]",
            r"faults\[0\].process: got 'cat', expected one of planner, executor",
        ),
        ("faults: [", "not YAML"),
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path))


def test_missing_file_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"/nowhere\.yaml: cannot be read"):
        read_faults(Path("/nowhere.yaml"))


def test_every_kind_has_defaults_and_scales() -> None:
    for kind in KINDS:
        (fault,) = schedule_from({"faults": [{"kind": kind}]}).faults
        assert fault.scaled(1.0) == fault
        assert fault.scaled(0.5) != fault


def test_size_of_a_fault_follows_the_episode() -> None:
    faults = (Latency(ticks=4), Saturation(loss=0.2), Noise(std=1), Crash(when=Window(episode=2)))
    schedule = FaultSchedule(faults=faults, sizes=(0.0, 0.5, 2.0))
    latency, saturation, noise = ([dict(schedule.of_episode(n))[i] for n in range(4)] for i in range(3))
    assert [f.ticks for f in latency] == [0, 2, 8, 0]
    assert [f.loss for f in saturation] == [0.0, 0.1, 0.4, 0.0]
    assert [f.std for f in noise] == [0.0, 0.5, 2.0, 0.0]
    assert [3 in dict(schedule.of_episode(n)) for n in range(4)] == [False, False, True, False]


def test_fault_is_told_as_a_file_has_it() -> None:
    told = [
        {"kind": "noise", "std": 0.2, "indices": [0, 3], "when": {"start_s": 1.0, "probability": 0.5}},
        {"kind": "hang", "process": "executor"},
        {"kind": "loss"},
    ]
    assert [as_row(fault) for fault in schedule_from({"faults": told}).faults] == told


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_can_be_read(path: Path) -> None:
    assert read_faults(path).faults
