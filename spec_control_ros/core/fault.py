"""What every fault on demand has: a window, and a size that can be scaled."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

from spec_control_ros.core.settings import Checked
from spec_control_ros.core.window import Window

AnyFault = TypeVar("AnyFault", bound="Fault")


@dataclass(frozen=True, slots=True)
class Fault(Checked):
    """Something that goes wrong on demand while its window is open."""

    SIZE: ClassVar[str] = "when"  # the field that tells how bad it is

    when: Window = field(default_factory=Window)

    def scaled(self: AnyFault, factor: float) -> AnyFault:
        """One that is so many times as bad; 0 is none at all."""
        spec = next(spec for spec in fields(self) if spec.name == self.SIZE)
        return replace(self, **{self.SIZE: _scaled(getattr(self, self.SIZE), factor, type(spec.default))})


def _scaled(size: Any, factor: float, kind: type) -> Any:
    if isinstance(size, Window):
        return size.scaled(factor)
    if kind is tuple:
        return tuple(factor * part for part in size)
    return round(factor * size) if kind is int else factor * size
