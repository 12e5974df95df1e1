"""`spec-control analyze` as a user calls it: reports, exit codes, and damaged bags by the hundred."""

import csv
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from damage import mutated
from made_bag import OURS, MadeBag, make_bag

from spec_control_ros.analysis.bag.writer import Storage
from spec_control_ros.cli.main import main

MUTATIONS = 150  # of each storage


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the command; returns its exit code."""

    def call(*words: Any) -> int:
        monkeypatch.setattr("sys.argv", ["spec-control", "analyze", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return call


@pytest.fixture
def short_lock_timeout() -> Iterator[None]:
    """Turns a hang into a failure."""
    signal.alarm(300)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("storage", Storage)
def test_whole_bag_is_reported_in_every_form(
    call: Any, tmp_path: Path, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag(tmp_path / "bag", storage, ticks=20)
    page, report, tables = tmp_path / "a.html", tmp_path / "a.json", tmp_path / "tables"
    assert call(bag, "--html", page, "--json", report, "--csv", tables) == 0
    epochs = json.loads(report.read_text())["epochs"]
    named = {"epoch", "ticks", "return", "planning_inferences", "decisions", "mismatch", "latency_s"}
    assert {*named, "missed_ticks", "dropped"} <= epochs[0].keys()
    assert [(e["epoch"], e["ticks"], e["return"]) for e in epochs] == [(1, 20, 20.0), (2, 20, 20.0)]
    with (tables / "ticks.csv").open() as file:
        ticks = list(csv.DictReader(file))
    assert [(row["epoch"], row["tick"]) for row in ticks] == [
        (str(e), str(t)) for e in (1, 2) for t in range(20)
    ]
    assert (ticks[0]["decision"], ticks[0]["reason"], ticks[0]["return"]) == ("replan", "empty", "1.0")
    with (tables / "epochs.csv").open() as file:
        assert [row["latency_s_p50"] for row in csv.DictReader(file)] == ["0.001", "0.001"]
    assert page.read_text().startswith("<!doctype html>")
    said = capsys.readouterr()
    assert said.err == ""
    assert "written: " in said.out


def test_two_bags_are_compared(call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = make_bag(tmp_path / "first", ticks=20)
    second = make_bag(tmp_path / "second", Storage.SQLITE3, ticks=10, mismatch=0.2)
    assert call(first, second, "--json", tmp_path / "a.json") == 0
    bags = json.loads((tmp_path / "a.json").read_text())["bags"]
    assert [bag["all"]["ticks"] for bag in bags] == [40, 20]
    assert "side by side" in capsys.readouterr().out


def test_cut_bag_gives_a_report_and_says_what_was_lost(
    call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = make_bag(tmp_path / "bag").glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert call(tmp_path / "bag", "--json", tmp_path / "a.json") == 0
    out = capsys.readouterr().out
    assert "warning: the bag is damaged, this report is partial; lost:" in out
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["losses"]
    assert all(loss in out for loss in report["losses"])
    assert 0 < report["all"]["ticks"] < 100


def test_what_cannot_be_analyzed_is_one_clear_error(
    call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = make_bag(tmp_path / "bag", ticks=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.mcap").touch()
    for words, said in (
        ([tmp_path / "none"], "does not exist; expected the folder of a bag"),
        ([tmp_path / "empty"], "is not a bag; expected a folder with .mcap or .db3 files"),
        ([tmp_path / "empty.mcap"], "lost: empty.mcap: everything: the file is empty"),
        ([bag, bag, bag], "got 3 bags, expected one, or two to compare"),
        ([bag, "--html", tmp_path / "none" / "a.html"], "its folder does not exist; make it first"),
        ([bag, "--html", tmp_path / "empty"], "is a folder, expected the name of a file"),
    ):
        assert call(*words) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert said in error


@pytest.mark.usefixtures("short_lock_timeout")
@pytest.mark.parametrize("storage", Storage)
def test_damaged_bag_is_a_report_or_an_error_and_never_anything_else(
    call: Any, tmp_path: Path, storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (
        f for f in make_bag(tmp_path / "bag", storage, epochs=[1], ticks=25).iterdir() if f.suffix != ".yaml"
    )
    whole, report = file.read_bytes(), tmp_path / "a.json"
    ended = {0: 0, 1: 0}
    for seed in range(MUTATIONS):
        file.write_bytes(mutated(bytearray(whole), random.Random(1000 + seed)))
        code = call(file, "--json", report)
        said = capsys.readouterr()
        ended[code] += 1
        assert "Traceback" not in said.err
        if code == 0:
            json.loads(report.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        else:
            assert said.err.startswith("error: ")
    assert ended[0] > MUTATIONS / 3


def test_values_of_another_world_are_drawn_all_the_same(call: Any, tmp_path: Path) -> None:
    """As a flipped bit makes them where the storage has no checksums."""
    large = 2**32 - 1
    with MadeBag(tmp_path / "bag", Storage.SQLITE3) as bag:
        bag.run(epochs=[1], ticks=10)
        status = {"epoch": 1, "steps_ahead": large, "queue_depth": large, "latency": 1e308, "mismatch": -3e38}
        bag.say("/status", f"{OURS}/ExecutorStatus", tick=large, **status, correction_norm=float("inf"))
        bag.say(
            "/episode", f"{OURS}/Episode", epoch=large, tick=large, reward=-1e308, episode_return=float("nan")
        )
        bag.say("/plan", f"{OURS}/Plan", epoch=1, plan_id=large, reason=255, planning_time=float("-inf"))
    words = ("--html", tmp_path / "a.html", "--json", tmp_path / "a.json", "--csv", tmp_path / "tables")
    assert call(tmp_path / "bag", *words) == 0
    assert len(json.loads((tmp_path / "a.json").read_text())["epochs"]) == 2
