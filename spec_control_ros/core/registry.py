"""What installed packages offer by name, as entry points."""

from importlib.metadata import entry_points
from typing import Any

from spec_control_ros.core.errors import SettingsError


def names(group: str) -> list[str]:
    """Names that are offered in a group."""
    return sorted({point.name for point in entry_points(group=group)})


def find(group: str, name: str, what: str, *words: str) -> Any:
    """What an installed package offers in a group under a name.

    Args:
        group: of entry points.
        name: in the group.
        what: it is, for messages.
        words: that are allowed as well, for messages.

    Raises:
        SettingsError: nobody offers it, or it cannot be imported.
    """
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        known = (
            ", ".join([*words, *sorted(found)]) or "(none installed: is spec_control_ros installed itself?)"
        )
        raise SettingsError(f"{what}: got {name!r}, expected one of {known}")
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{what} {name}: {found[name].value} cannot be imported ({error})") from None
