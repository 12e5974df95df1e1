"""`spec-control hil`: what is left of it where it is interrupted."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spec_control_ros.cli import hil
from spec_control_ros.cli.bench_options import HilOptions
from spec_control_ros.cli.terminal import INTERRUPTED
from spec_control_ros.evaluation.hil.scenario import Scenario
from spec_control_ros.evaluation.hil.verdict import ScenarioVerdict


@pytest.fixture
def options(tmp_path: Path) -> HilOptions:
    files = [tmp_path / f"{name}.yaml" for name in ("first", "second", "third")]
    for file in files:
        file.write_text("robot: walker\n")
    return HilOptions([str(file) for file in files], report=tmp_path / "report")


def interrupted_after(passed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts: list[ScenarioVerdict] = []

    def run(_: object, scenario: Scenario) -> ScenarioVerdict:
        if len(verdicts) == passed:
            raise KeyboardInterrupt
        verdicts.append(ScenarioVerdict(scenario, None, ()))
        return verdicts[-1]

    monkeypatch.setattr(hil._HilSubject, "run", run)


def test_interrupted_suite_reports_what_was_finished(
    options: HilOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_after(2, monkeypatch)
    assert hil.hil(options) == INTERRUPTED
    result = json.loads((options.report / "hil.json").read_text())
    assert not result["passed"]
    assert {s["name"]: s["passed"] for s in result["scenarios"]} == {
        "first": True,
        "second": True,
        "third": False,
    }
    assert result["scenarios"][2]["failures"] == ["interrupted before there was a verdict"]
    suite = ElementTree.parse(options.report / "hil.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert (options.report / "hil.html").is_file()


def test_suite_that_is_interrupted_before_any_verdict_leaves_older_reports(
    options: HilOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted_after(0, monkeypatch)
    assert hil.hil(options) == INTERRUPTED
    assert not options.report.exists()
