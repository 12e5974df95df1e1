from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from spec_control_ros.core import registry
from spec_control_ros.core.errors import SettingsError


def test_what_a_package_raises_while_it_is_imported_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_package_of_theirs.py").write_text("import os\nos.environ['THEIR_LICENCE_' * 9]\n")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("theirs", "a_package_of_theirs:make", "spec_control_ros.planners")
    with pytest.raises(
        SettingsError,
        match=r"^planner format theirs: a_package_of_theirs:make cannot .* KeyError: .*_of_theirs\.py, line 2\)\)?$",
    ):
        registry.load(point, "planner format theirs")
