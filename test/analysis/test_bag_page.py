"""The page of a bag, opened in a real browser where there is one."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from made_bag import MadeBag, make_bag

from spec_control_ros.analysis import bag_page
from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag_log import BagLog, RobotLog
from spec_control_ros.analysis.bag_page import write_bag_page
from spec_control_ros.analysis.bag_summary import bag_summary

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=5000 --enable-logging=stderr --v=0 "
    "--window-size=1400,1600 --dump-dom"
)
# Runs inside the page, looks at what is really drawn, then does what a user does.
PROBE = """
<script>
window.addEventListener("load", async () => {
  const seen = {requests: performance.getEntriesByType("resource").map(r => r.name)};
  const ribbons = () => timeline.calcdata.map(c => c[0]).filter(c => c.trace.type === "heatmap");
  const cells = () => ribbons().map(c => [...c.z[0]].filter(z => Number.isFinite(z)).length);
  const drawn = () => [...timeline.querySelectorAll(".heatmaplayer image")].map(i => i.getAttribute("href").length);
  while (!document.body.dataset.ready) await new Promise(resolve => setTimeout(resolve, 50));
  seen.ribbons = cells();
  seen.images = drawn();
  seen.axes = Object.keys(timeline._fullLayout).filter(k => /^xaxis/.test(k));
  seen.figures = document.querySelectorAll(".main-svg").length;
  await Plotly.relayout(timeline, {"xaxis.range": [5, 15]});
  seen.zoomed = timeline._fullLayout.xaxis.range;
  Plotly.Fx.hover(timeline, {xval: 10}, ["xy"]);
  await new Promise(resolve => setTimeout(resolve, 300));
  seen.hover = timeline.querySelector(".hoverlayer").textContent;
  seen.rows = document.querySelectorAll("tr.epoch").length;
  document.querySelectorAll("tr.epoch")[1].click();
  await new Promise(resolve => setTimeout(resolve, 300));
  seen.second = cells();
  seen.chosen = [...document.querySelectorAll("tr.chosen")].map(row => row.dataset.choice);
  document.body.insertAdjacentHTML("beforeend", `<pre id="seen">${JSON.stringify(seen)}</pre>`);
});
</script>
"""


def analyzed(*bags: Path) -> tuple[list[dict[str, Any]], list[RobotLog]]:
    logs = [BagLog(Bag(bag)) for bag in bags]
    robots = [log.robot() for log in logs]
    return [bag_summary(log, robot) for log, robot in zip(logs, robots, strict=True)], robots


def page_of(folder: Path, *bags: Path) -> Path:
    write_bag_page(*analyzed(*bags), folder / "page.html")
    return folder / "page.html"


def opened(page: Path, profile: Path) -> dict[str, Any]:
    """What the probe saw in the browser, and what the browser complained about."""
    if BROWSER is None:
        pytest.skip("there is no Chromium on this machine; install it to test the page")
    page.write_text(page.read_text() + PROBE)
    profile_option = f"--user-data-dir={profile}"
    words = [
        BROWSER,
        *OPTIONS.split(),
        profile_option,
        "--host-resolver-rules=MAP * ~NOTFOUND",
        page.as_uri(),
    ]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=180, check=True)
    found = re.search(r'<pre id="seen">(\{.*)</pre>', ended.stdout)
    assert found is not None, f"the probe never ended: {ended.stderr}"
    complaints = [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
    return {"complaints": complaints, **json.loads(unescape(found[1]))}


def test_page_renders_offline_with_a_cell_for_every_tick(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], skipped=[7, 8, 30])
        bag.run(epochs=[2], ticks=40)
    seen = opened(page_of(tmp_path, tmp_path / "bag"), tmp_path / "profile")
    assert seen["complaints"] == []
    assert seen["requests"] == []
    assert (seen["ribbons"], seen["second"]) == ([47], [40])
    assert all(length > 100 for length in seen["images"])
    assert len(seen["images"]) == 1
    assert seen["axes"] == ["xaxis"]  # one for all panels: they zoom together
    assert seen["zoomed"] == [5, 15]
    assert "replan (empty)" in seen["hover"]
    assert "queue" in seen["hover"] or "rows left" in seen["hover"]
    assert (seen["rows"], seen["chosen"]) == (2, ["1"])


def test_page_of_two_bags_shows_both_on_one_axis(tmp_path: Path) -> None:
    first = make_bag(tmp_path / "first", ticks=30)
    second = make_bag(tmp_path / "second", ticks=20, mismatch=0.2)
    page = page_of(tmp_path, first, second)
    text = page.read_text()
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", text)
    assert ("ticks", "60", "40", "-33.3 %") in rows
    assert ("mismatch p50", "0.350", "0.700", "+100.0 %") in rows
    seen = opened(page, tmp_path / "profile")
    assert seen["complaints"] == []
    assert (seen["ribbons"], len(seen["images"])) == ([30, 20], 2)
    assert (seen["rows"], seen["chosen"]) == (4, ["1", "1"])


def test_page_says_how_many_epochs_the_mean_return_is_of(tmp_path: Path) -> None:
    whole = make_bag(tmp_path / "whole", ticks=10)
    with MadeBag(tmp_path / "cut") as bag:
        bag.run(epochs=[1], ticks=20)
        bag.tick(2, 0)
    page = page_of(tmp_path, whole).read_text()
    assert "<b>10.0</b><span>return, mean of 2</span>" in page
    page = page_of(tmp_path, tmp_path / "cut").read_text()
    assert "<b>20.0</b><span>return, mean of the 1 of 2 that were not cut off</span>" in page
    page = page_of(tmp_path, whole, tmp_path / "cut").read_text()
    assert "<td>return (mean of epochs not cut off)</td><td>10.0</td><td>20.0</td>" in page
    assert "<td>of these not cut off</td><td>2</td><td>1</td>" in page


def test_page_says_what_was_lost_and_escapes_it(tmp_path: Path) -> None:
    reports, robots = analyzed(make_bag(tmp_path / "<b>", ticks=5))
    reports[0]["losses"] = ["</script><script>alert(1)"]
    write_bag_page(reports, robots, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "This report is partial. Lost:" in text
    assert "alert(1)" in text
    assert "<script>alert(1)" not in text


def test_page_of_many_epochs_shows_the_first_ones_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bag_page, "MAX_TIMELINES", 3)
    with MadeBag(tmp_path / "bag") as bag:
        for epoch in range(5):
            bag.tick(epoch, 0)
    text = page_of(tmp_path, tmp_path / "bag").read_text()
    assert text.count('id="timeline-') == text.count('<tr class="epoch"') == 3
    assert text.count("<option") == 3
    assert "The first 3 epochs" in text
    assert "<td>4</td>" in text


def test_page_needs_nothing_else(tmp_path: Path) -> None:
    text = page_of(tmp_path, make_bag(tmp_path / "bag", ticks=5)).read_text()
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=[\"'](?!data:)", text)
