"""What installed packages offer by name, as entry points."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from spec_control_ros.core.errors import SettingsError, told_of


def offered(group: str) -> dict[str, EntryPoint]:
    """What is offered in a group, by name, sorted."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def find(group: str, name: str, what: str, *words: str) -> Any:
    """What an installed package offers in a group under a name.

    Raises:
        SettingsError: nobody offers it, or it cannot be imported.
    """
    found = offered(group)
    if name not in found:
        raise SettingsError(f"{what}: got {name!r}, expected one of {listed([*words, *found])}")
    return load(found[name], f"{what} {name}")


def listed(names: Iterable[str]) -> str:
    """Names for a message, or what it means that there are none."""
    return ", ".join(names) or "(none installed: is spec_control_ros installed itself?)"


def load(point: EntryPoint, what: str) -> Any:
    """What an entry point stands for.

    Raises:
        SettingsError: it cannot be imported; begins with `what`.
    """
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{what}: {point.value} cannot be imported ({error})") from None
    except Exception as error:  # a module may raise anything
        raise SettingsError(
            f"{what}: {point.value} cannot be imported, it raised {told_of(error)}"
        ) from error
