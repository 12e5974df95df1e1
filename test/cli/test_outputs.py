"""Every command refuses an output that it could not write, before it does anything else."""

from pathlib import Path

import pytest
from every_command import every_command

from spec_control_ros.core.errors import SettingsError

GROUP = every_command()
# By command: the arguments that it needs, none of which there is; by option: what cannot be written.
NEEDED = {
    "run": ["walker"],
    "convert": ["none.pt"],
    "download": ["walker-walk"],
    "train": ["no-task"],
    "bench-learner": [],
    "expert": ["no-task"],
    "bench": ["no-task"],
    "sweep": ["no-task", "--set", "gate.mode=fixed"],
    "bench-executor": [],
    "regret": ["no-task"],
    "collect": ["no-task"],
    "train-transformer": ["no-task", "--dataset", "none"],
    "bench-drafts": ["no-task"],
    "analyze": ["none"],
    "hil": ["none"],
    "bench-planner": [],
    "bench-fleet": ["no-task"],
    "replay": ["none"],
}
FILE, FOLDER = "{tmp}/none/a.json", "{tmp}/file/deep"
BAD = {
    ("run", "--json"): FILE,
    ("run", "--plot"): "{tmp}/a.xyz",
    ("run", "--video"): "{tmp}/a.xyz",
    ("run", "--record"): "{tmp}/file",
    ("convert", "folder"): FOLDER,
    ("download", "--folder"): FOLDER,
    ("train", "--folder"): FOLDER,
    ("train", "--export"): FOLDER,
    ("bench-learner", "--json"): FILE,
    ("expert", "--out"): "{tmp}/a.xyz",
    ("expert", "--folder"): FOLDER,
    ("bench", "--report"): FOLDER,
    ("bench", "--json"): FILE,
    ("bench", "--csv"): FILE,
    ("sweep", "--report"): FOLDER,
    ("sweep", "--json"): FILE,
    ("sweep", "--csv"): FILE,
    ("bench-executor", "--json"): FILE,
    ("regret", "--report"): FOLDER,
    ("collect", "--folder"): FOLDER,
    ("train-transformer", "--folder"): FOLDER,
    ("train-transformer", "--export"): FOLDER,
    ("bench-drafts", "--json"): FILE,
    ("collect", "--json"): FILE,
    ("regret", "--json"): FILE,
    ("analyze", "--html"): FILE,
    ("analyze", "--json"): FILE,
    ("analyze", "--csv"): FOLDER,
    ("hil", "--report"): FOLDER,
    ("hil", "--html"): FOLDER,
    ("hil", "--json"): FOLDER,
    ("hil", "--junit"): FOLDER,
    ("bench-planner", "--json"): FILE,
    ("bench-fleet", "--json"): FILE,
    ("bench-fleet", "--plot"): "{tmp}/a.xyz",
    ("replay", "--json"): FILE,
    ("replay", "--plot"): "{tmp}/a.xyz",
}
OUTPUTS = {"json", "plot", "video", "record", "folder", "export", "out", "report", "csv", "html", "junit"}
OTHERS = {("convert", "--task"): "walker-walk", ("expert", "--out"): "{tmp}/a.npz"}


def test_no_output_option_is_forgotten() -> None:
    found = {
        (command, parameter.name)
        for command, known in GROUP.commands.items()
        for parameter in known.params
        if parameter.name in OUTPUTS
    }
    assert found == {(command, option.removeprefix("--")) for command, option in BAD}


@pytest.mark.parametrize(("command", "option"), BAD, ids="".join)
def test_output_that_cannot_be_written_is_refused_before_anything_else(
    command: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    bad = BAD[command, option].format(tmp=tmp_path)
    words = [command, *NEEDED[command]]
    for (other, name), value in OTHERS.items():
        words += (
            [name, value.format(tmp=tmp_path)]
            if (other, name) != (command, option) and other == command
            else []
        )
    words += [option, bad] if option.startswith("--") else [bad]
    assert refusal(words, capsys).startswith(bad)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said; `hil` has an exit code of its own for it."""
    try:
        GROUP(words, standalone_mode=False)
    except SettingsError as error:
        return str(error)
    return capsys.readouterr().err.removeprefix("error: ")
