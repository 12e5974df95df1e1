"""Compiles `native/` for the CPU at hand, once, and loads it."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).with_name("native")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-Wno-psabi", "-shared", "-fPIC")
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 60.0


class NativeLibraryError(Exception):
    """There is no library, and why; whoever wants it does without."""


def native_library(sources: Path = SOURCES) -> ctypes.CDLL:
    """The library, out of the user's cache where this compiler has made it of these sources for this CPU.

    Raises:
        NativeLibraryError: there is no C++ compiler, it fails, or what it made cannot be loaded.
    """
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS))), None)
    if compiler is None:
        raise NativeLibraryError(f"no C++ compiler: got none of $CXX, {', '.join(COMPILERS)}")
    try:
        # What the compiler knows of itself and of the CPU
        about = _run(compiler, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull)
        texts = [path.read_text() for path in sorted(sources.iterdir())]
        key = hashlib.sha256("\0".join([about, *FLAGS, *texts]).encode()).hexdigest()[:16]
        return ctypes.CDLL(str(_compiled(compiler, sources, f"native-{key}.so")))
    except OSError as error:
        raise NativeLibraryError(str(error)) from None


def _compiled(compiler: str, sources: Path, name: str) -> Path:
    library = (
        Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")) / "spec_control_ros" / name
    )
    if not library.exists():
        try:
            library.parent.mkdir(parents=True, exist_ok=True)
        except OSError:  # a robot's read-only home: compiled at every start
            library = Path(tempfile.mkdtemp(prefix="spec_control_ros-")) / name
        # Under its name only once it is whole: processes start at the same time.
        unfinished = library.with_suffix(f".{os.getpid()}")
        _run(compiler, *FLAGS, "-o", str(unfinished), str(sources / "layers.cpp"))
        unfinished.replace(library)
    return library


def _run(*command: str) -> str:
    try:
        run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.SubprocessError as error:
        said: str = getattr(error, "stderr", None) or str(error)
        raise NativeLibraryError(f"{command[0]}: {said.strip().splitlines()[0]}") from None
    return run.stdout
