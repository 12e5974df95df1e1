"""Whatever stands in the place of an argument: one line that says what is wrong, and never a traceback."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import torch
from every_command import every_command
from official_checkpoint import official_keys, write

from spec_control_ros.cli import main as cli
from spec_control_ros.world_model.model import WorldModel

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))

TEXTS = [
    *(
        "",
        " ",
        "--",
        "[bold]x[/]",
        "[/]",
        "{0}",
        "%s",
        "$x$",
        "a\0b",
        "line\nbreak",
        "\x1b[2J",
        "🤖",
        "\udcff",
    ),
    *("-1", "0", "1e400", "nan", "-inf", "9" * 30, "no-such-task", "~nobody/x", "/proc", "x" * 5000),
]
FILES = {
    "empty": b"",
    "binary": bytes(range(256)) * 8,
    "[text]": b"[red]oops[/blue] \xff",
    "list.yaml": b"- 1\n- {a: [}\n",
    "map.yaml": b"robot: walker\nfaults: [1]\n1: {2: 3}\n",
    "numbers.yaml": b"planner: {ros__parameters: {planner: {queue_length: nan}}}\n",
    "bag.mcap": b"\x89MCAP0\r\n" + bytes(64),
    "bag.db3": b"SQLite format 3\0" + bytes(64),
    "expert.npz": b"PK\x03\x04" + bytes(64),
}
NOWHERE = "/nowhere/at/all"
# What stands in the other places: enough to come to each argument, and something that ends the command before it works.
WORDS = {
    "run": ["walker", "--model", NOWHERE],
    "parameters": ["no-robot", "--mode", "fast"],
    "convert": ["CHECKPOINT", "converted", "--task", "cup-catch"],
    "download": ["humanoid-walk"],
    "train": ["no-such-task", "--minutes", "0"],
    "bench-learner": ["--size", "7"],
    "expert": ["no-such-task", "--out", "expert.npz", "--minutes", "0"],
    "collect": ["walker-walk", "--model", NOWHERE],
    "train-transformer": ["no-such-task", "--dataset", NOWHERE],
    "distill": [NOWHERE],
    "calibrate": [NOWHERE],
    "bench": ["walker-walk", "--model", NOWHERE],
    "sweep": ["walker-walk", "--model", NOWHERE, "--set", "gate.mode=fixed"],
    "bench-drafts": ["walker-walk", "--model", NOWHERE],
    "bench-executor": ["--model", NOWHERE],
    "bench-fleet": [NOWHERE],
    "regret": ["walker-walk", "--model", NOWHERE],
    "analyze": [NOWHERE],
    "hil": [NOWHERE],
    "bench-planner": [NOWHERE],
    "replay": [NOWHERE],
    "publish": [NOWHERE],
}
GROUP = every_command()
COMMANDS = GROUP.commands


@pytest.fixture
def values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_model: Callable[..., WorldModel]
) -> list[str]:
    """What is tried in every place, in a folder where anything may be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cli, "app", GROUP)  # made once: that takes longer than to refuse an argument
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    write(tmp_path / "CHECKPOINT", official_keys(small_model(obs=8)))
    return [*TEXTS, *FILES, "folder", "loop", "missing/file", "empty/file"]


def variants(command: str, values: list[str]) -> list[list[str]]:
    """The command's words, with each value in the place of each argument and each option."""
    lines, places = [], 0
    for parameter in COMMANDS[command].params:
        if isinstance(parameter, click.Argument) or parameter.param_type_name == "argument":
            lines += [
                [*WORDS[command][:places], value, *WORDS[command][places + 1 :]]
                for value in values
                # "--" stands for none: where there is a default, its work would be done
                if parameter.required or value != "--"
            ]
            places += 1
        elif not getattr(parameter, "is_flag", False):
            name = parameter.opts[0]
            lines += [
                [*WORDS[command], f"{name}={value}"]
                for value in values
                if value or name not in WORDS[command]  # empty it would take away what ends the command early
            ]
    return lines


def outcome(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with how the command ends; empty if nothing is."""
    monkeypatch.setattr(sys, "argv", ["spec-control", *words])
    try:
        cli.main()
    except SystemExit as ended:
        printed = capsys.readouterr()
        if "Traceback" in printed.out + printed.err:
            return printed.err[-500:]
        if ended.code not in (0, None) and not printed.err.strip():
            return f"exit code {ended.code} without a word"
        return ""
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:500]
    return ""


def test_every_command_is_tried() -> None:
    assert WORDS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", WORDS)
def test_no_argument_leads_to_a_traceback(
    command: str, values: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, environment = torch.get_num_threads(), dict(os.environ)
    failures = {}
    for words in variants(command, values):
        if wrong := outcome([command, *words], capsys, monkeypatch):
            failures[" ".join(words)[-300:]] = wrong
    torch.set_num_threads(threads)
    os.environ.clear()
    os.environ.update(environment)
    assert failures == {}
