"""What the help of options says."""

from typing import Any

import pytest
from every_command import every_command

OPTIONS = [
    pytest.param(option, id=f"{name} {option.name}")
    for name, command in every_command().commands.items()
    for option in command.params
    if "[default: " in (getattr(option, "help", None) or "")
]


@pytest.mark.parametrize("option", OPTIONS)
def test_help_tells_one_default(option: Any) -> None:
    assert option.default in (None, "") or not option.show_default
