"""What people write, and what they get wrong."""

from pathlib import Path

import pytest

from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError


def test_file_is_read_as_yaml_has_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1, x]")
    (tmp_path / "empty.yaml").write_text("")
    assert read_yaml(tmp_path / "a.yaml") == {"a": [1, "x"]}
    assert read_yaml(tmp_path / "empty.yaml") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"a: [", "not YAML"),
        (b"a\tb: :", "not YAML"),
    ],
)
def test_file_that_tells_nothing_is_refused_by_name(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"a\.yaml: {message}"):
        read_yaml(path)
