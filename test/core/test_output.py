import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spec_control_ros.core.errors import OutputError, SettingsError
from spec_control_ros.core.output import (
    PICTURES,
    refuse_bag,
    refuse_file,
    refuse_folder,
    write_all,
    write_text,
    written,
)


def test_file_that_can_be_written_is_not_refused_and_nothing_is_left(tmp_path: Path) -> None:
    refuse_file(tmp_path / "a.png", PICTURES)
    refuse_file(tmp_path / "none" / "a.json", makes_folder=True)
    refuse_folder(tmp_path / "none" / "deep")
    refuse_bag(tmp_path / "bag")
    refuse_file(Path("/dev/stdout"))
    for nothing in (refuse_file, refuse_folder, refuse_bag):
        nothing(None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("refuse", "name", "said"),
    [
        (
            lambda path: refuse_file(path, PICTURES),
            "a.bmp",
            "got the ending '.bmp', expected one of .png, .pdf",
        ),
        (lambda path: refuse_file(path, PICTURES), "a", "got the ending '', expected one of .png"),
        (refuse_file, "none/a.json", "its folder does not exist; make it first"),
        (refuse_file, "file/a.json", "its folder does not exist; make it first"),
        (refuse_file, "", "is a folder, expected the name of a file"),
        (refuse_file, "x" * 250 + ".json", "File name too long; choose another place"),
        (lambda path: refuse_file(path, makes_folder=True), "file/deep/a.json", "file is not a folder"),
        (refuse_folder, "file", "file is not a folder; choose another place"),
        (refuse_folder, "file/deep", "file is not a folder"),
        (refuse_bag, "file", "must not exist yet, and its parent must"),
        (refuse_bag, "none/bag", "must not exist yet, and its parent must"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, refuse: object, name: str, said: str) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SettingsError, match=said):
        refuse(tmp_path / name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "kept")]


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """No file may be longer than `size` bytes. Not a fixture: pytest's own output may be a file as well."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_file_that_grows_too_large_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "before")
    with no_file_above(4096), pytest.raises(OutputError, match=r"a.json: cannot be written: File too large"):
        write_text(path, "x" * 5000)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "before")]


def test_folder_that_is_full_is_refused(tmp_path: Path) -> None:
    said = "cannot be written: File too large; choose another place"
    with no_file_above(100), pytest.raises(SettingsError, match=said):
        refuse_file(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_device_is_written_as_it_is() -> None:
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left on device"):
        write_text(Path("/dev/full"), "text")
    assert Path("/dev/full").is_char_device()


def test_link_stays_and_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("old")
    (tmp_path / "link").symlink_to("source")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "source").read_text() == "new"


def test_nothing_is_seen_before_it_is_whole_and_an_error_of_ours_leaves_what_was_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"

    def fail() -> None:
        with written(path) as part:
            part.write_text("half")
            assert part.suffix == ".txt"
            assert not path.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_every_file_is_tried_and_all_failures_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"(?s)/dev/full: cannot.*none/b.txt: cannot be written: No such file"
    ):
        write_all(
            lambda: write_text(Path("/dev/full"), "a"),
            lambda: write_text(tmp_path / "none" / "b.txt", "b"),
            lambda: write_text(tmp_path / "c.txt", "c"),
        )
    assert (tmp_path / "c.txt").read_text() == "c"
