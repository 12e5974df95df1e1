"""The verdict on scenarios as JUnit XML, for CI."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from spec_control_ros.core.output import written


def write_junit(result: dict[str, Any], path: Path) -> None:
    """Write a test suite with a case for each scenario."""
    scenarios = result["scenarios"]
    suite = Xml.Element(
        "testsuite",
        name="hil",
        tests=str(len(scenarios)),
        failures=str(sum(not s["passed"] for s in scenarios)),
        errors="0",
        time=f"{sum(s['wall_s'] for s in scenarios):.3f}",
    )
    for s in scenarios:
        case = Xml.SubElement(
            suite, "testcase", name=s["name"], classname=f"hil.{s['robot']}", time=f"{s['wall_s']:.3f}"
        )
        properties = Xml.SubElement(case, "properties")
        for name, value in (s["measured"] or {}).items():
            Xml.SubElement(
                properties, "property", name=name, value="never" if value is None else f"{value:g}"
            )
        if s["failures"]:
            failure = Xml.SubElement(case, "failure", message="; ".join(s["failures"]))
            failure.text = "\n".join(s["failures"])
    suites = Xml.Element("testsuites")
    suites.append(suite)
    Xml.indent(suites)
    with written(path) as part:
        Xml.ElementTree(suites).write(part, encoding="utf-8", xml_declaration=True)
