"""The one place that writes to the terminal takes text as text."""

import io
from pathlib import Path

import pytest
from rich.table import Table

from spec_control_ros.cli.terminal import coloured, progress, right, terminal, track

PACKAGE = Path(__file__).resolve().parents[2] / "spec_control_ros"
HOSTILE = ["[red]a[/blue]", "[/]", "[link=x]", ":skull:", "[bold", "\\[x]"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_printed_as_it_is(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    console = terminal()
    console.print(text, style="yellow", soft_wrap=True)
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    console.print(table, coloured(True, text))
    assert capsys.readouterr().out.count(text) == 6
    assert list(track([1, 2], text, 2, console=console)) == [1, 2]
    with progress(console, "{task.fields[mean]}") as bar:
        bar.add_task(text, total=1, mean=text)
    assert text in capsys.readouterr().out


def test_nothing_else_makes_a_console_or_writes_markup() -> None:
    forbidden = (" Console(", "=Console(", "rich.print", "from_markup", "markup=True", "[/]")
    for path in PACKAGE.rglob("*.py"):
        if path.name != "terminal.py":
            assert [word for word in forbidden if word in path.read_text()] == [], path


def test_terminal_that_lacks_a_character_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    monkeypatch.setattr("sys.stdout", stream)
    terminal().print("± 5")
    stream.flush()
    assert b"5" in stream.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", ["80", "20"])
def test_nothing_is_cut_short_or_broken(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No number of a table is shortened that is wider than the terminal; a log keeps a path whole."""
    monkeypatch.setenv("COLUMNS", width)
    table = Table(*right("return", "of replanning", "decisions"))
    row = ("963.2 ± 8.1", "100.0 %", "/".join(["100000"] * 20))
    table.add_row(*row)
    terminal().print(table)
    printed = capsys.readouterr().out
    assert [cell in printed for cell in row] == [True] * 3
    assert "…" not in printed
    path = "/folder of a user" * 20
    terminal().print(f"report: {path}")
    assert path in capsys.readouterr().out
