"""The native library is compiled once, and done without where it cannot be."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from spec_control_ros.world_model import mlp_kernels
from spec_control_ros.world_model import native_library as module
from spec_control_ros.world_model.native_library import NativeLibraryError, native_library

# Compiles in a moment; its name is what the compiler is given.
TRIFLE = 'extern "C" int has_tiles() { return 7; }'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of libraries."""
    if not any(map(shutil.which, module.COMPILERS)):
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "spec_control_ros"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "layers.cpp").write_text(TRIFLE)
    return folder


def test_library_is_kept_and_used_again(cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert native_library(sources).has_tiles() == 7
    (library,) = cache.iterdir()
    written = library.stat().st_mtime_ns
    assert native_library(sources).has_tiles() == 7
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [written]


def test_changed_source_is_compiled_anew(cache: Path, sources: Path) -> None:
    native_library(sources)
    (sources / "layers.cpp").write_text(TRIFLE.replace("7", "8"))
    assert native_library(sources).has_tiles() == 8
    assert len(list(cache.iterdir())) == 2


def test_no_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NativeLibraryError, match=r"no C\+\+ compiler: got none of"):
        native_library()


def test_compiler_s_complaint_is_told_and_nothing_is_kept(cache: Path, sources: Path) -> None:
    (sources / "layers.cpp").write_text("this is no C++")
    with pytest.raises(NativeLibraryError, match="error"):
        native_library(sources)
    assert list(cache.iterdir()) == []


def test_compiler_that_hangs_is_given_up(cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: tuple[str, ...], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 60.0)

    monkeypatch.setattr(module.subprocess, "run", hang)
    with pytest.raises(NativeLibraryError, match=r"timed out after 60\.0 seconds"):
        native_library(sources)


def test_home_that_cannot_be_written_is_no_hindrance(
    cache: Path, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    assert native_library(sources).has_tiles() == 7


def test_damaged_library_is_told(cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native_library(sources)
    (library,) = cache.iterdir()
    elsewhere = sources.parent / "elsewhere"
    damaged = elsewhere / "spec_control_ros" / library.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no library")
    monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere))
    with pytest.raises(NativeLibraryError, match=library.name):
        native_library(sources)


def test_planner_works_without_a_library_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise NativeLibraryError("no C++ compiler")

    monkeypatch.setattr(mlp_kernels, "_library", missing)
    kind = mlp_kernels.kernel_kind(torch.device("cpu"), torch.float32)
    assert kind.make is mlp_kernels.MlpKernel
    assert "several times slower (no C++ compiler)" in kind.description
