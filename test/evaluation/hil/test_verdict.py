"""Verdicts, and the reports that tell them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hil_fakes import Run

from spec_control_ros.analysis.hil_page import write_hil_page, write_junit
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.evaluation.hil.scenario import Scenario, objections, scenario_from
from spec_control_ros.evaluation.hil.verdict import judge

CONFIG = Path(__file__).resolve().parents[3] / "config"


def scenario(**limits: float) -> Scenario:
    content: dict[str, Any] = {
        "robot": "walker",
        "episodes": 2,
        "faults": {
            "sizes": [0, 1],
            "faults": [{"kind": "loss", "when": {"start_tick": 20, "duration_ticks": 5}}],
        },
        "limits": limits,
    }
    return scenario_from("mine", content, CONFIG)


@pytest.fixture
def run() -> Run:
    run = Run()
    run.command(0.5)
    run.episode("c" * 60)
    return run.episode("c" * 20 + "mmmmm" + "h" * 2 + "C" * 13 + "c" * 20, epoch=2)


def test_good_run_passes(run: Run) -> None:
    verdict = judge(scenario(return_min=50, fall_rate_max=0.5, time_to_recover_s_max=0.75), run.trace)
    assert verdict.has_passed
    assert verdict.objections == ()


@pytest.mark.parametrize(
    ("limits", "objection"),
    [
        ({"return_min": 1000}, "return: got .*, expected at least 1000"),
        ({"fall_rate_max": 0.4}, "fall_rate: got 0.5, expected at most 0.4"),
        ({"longest_command_gap_s_max": 0.25}, "longest_command_gap_s: got 0.3, expected at most 0.25"),
        ({"time_to_hold_s_max": 0.2}, "time_to_hold_s: got 0.25, expected at most 0.2"),
        ({"time_to_recover_s_max": 0.7}, "time_to_recover_s: got 0.75, expected at most 0.7"),
    ],
)
def test_run_beyond_a_limit_fails_and_says_why(run: Run, limits: dict[str, float], objection: str) -> None:
    verdict = judge(scenario(**limits), run.trace)
    assert not verdict.has_passed
    (said,) = verdict.objections
    assert re.fullmatch(objection, said)


@pytest.mark.parametrize("limit", ["return_min", "return_max"])
def test_return_that_is_no_number_keeps_to_no_limit(run: Run, limit: str) -> None:
    measures = replace(judge(scenario(), run.trace).measures, return_=float("nan"))
    (said,) = objections({limit: 0.0}, measures)
    assert said.startswith("return: got nan, expected at ")


def test_what_must_never_happen_needs_no_limit(run: Run) -> None:
    run.command(2.0)
    run.episode("c" * 10, epoch=3, is_done=False, unheard=[2])
    said = "\n".join(judge(scenario(), run.trace).objections)
    assert "bad_commands: got 1, expected at most 0" in said
    assert "stale_commands: got 1, expected at most 0" in said
    assert "unfinished_episodes" not in said  # two of two are done
    assert "unfinished_episodes: got 2" in "\n".join(
        judge(scenario(), Run().episode("c", is_done=False).trace).objections
    )


def test_run_whose_commands_nobody_saw_fails() -> None:
    (said,) = judge(scenario(), Run().episode("c").episode("c", epoch=2).trace).objections
    assert said == "commands_seen: got 0, expected at least 1"


def test_run_that_broke_off_fails(run: Run) -> None:
    verdict = judge(scenario(), run.trace, error=SpecControlError("planner died"))
    assert verdict.objections == ("planner died",)
    empty = judge(scenario(), Run().trace)
    assert empty.objections == ("not a single episode was begun",)
    assert empty.as_row()["measured"] is None


@pytest.fixture
def result(run: Run) -> dict[str, Any]:
    verdicts = [
        judge(scenario(return_min=50), run.trace, wall_s=2.0),
        judge(scenario(return_min=1000), run.trace, wall_s=1.5),
        judge(scenario(), Run().trace),
    ]
    return {"passed": False, "machine": "this one", "scenarios": [v.as_row() for v in verdicts]}


def test_report_tells_limits_measures_timelines_and_sizes(result: dict[str, Any]) -> None:
    (row, *_) = json.loads(json.dumps(result, allow_nan=False))["scenarios"]
    assert (row["name"], row["passed"], row["limits"]["return_min"]) == ("mine", True, 50.0)
    assert row["measured"]["fall_rate"] == 0.5
    assert [(s["size"], s["fall_rate"]) for s in row["by_size"]] == [(0.0, 0.0), (1.0, 1.0)]
    assert row["faults"] == [{"kind": "loss", "when": {"start_tick": 20, "duration_ticks": 5}}]
    calm, faulty = row["episodes"]
    assert calm["faults"] == []  # of size 0
    (window,) = faulty["faults"]
    assert (window["kind"], window["start_s"], window["end_s"]) == ("loss", 1.0, 1.25)
    line = faulty["timeline"]
    missed = zip(line["tick"], line["missed"], strict=True)
    assert [tick for tick, is_missed in missed if is_missed] == [20, 21, 22, 23, 24]
    assert line["decision"].count("hold") == 2


def test_junit_has_a_case_for_each_scenario(result: dict[str, Any], tmp_path: Path) -> None:
    write_junit(result, tmp_path / "hil.xml")
    suite = ElementTree.parse(tmp_path / "hil.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("3", "2", "3.500")
    good, bad, empty = suite.findall("testcase")
    assert (good.get("classname"), good.get("name"), good.find("failure")) == ("hil.walker", "mine", None)
    properties = {p.get("name"): p.get("value") for p in good.iter("property")}
    assert (properties["fall_rate"], properties["time_to_hold_s"]) == ("0.5", "0.25")
    assert "expected at least 1000" in (bad.findtext("failure") or "")
    assert empty.findtext("failure") == "not a single episode was begun"


def test_page_needs_nothing_else_and_tells_every_verdict(result: dict[str, Any], tmp_path: Path) -> None:
    write_hil_page(result, tmp_path / "hil.html")
    page = (tmp_path / "hil.html").read_text()
    body = page.split("</script>", 1)[1]  # after plotly itself
    assert '<script src="http' not in page
    assert body.count('class="failed">failed<') == 5  # the whole; twice two scenarios
    assert body.count("plotly-graph-div") == 6  # by size and two episodes, for two scenarios
    assert "expected at least 1000" in body
    assert "kind: loss, when: {duration_ticks: 5, start_tick: 20}" in body
