"""What fixes a world model's tensors: the official sizes, and the dimensions of one model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spec_control_ros.core.errors import CheckpointError, SettingsError

# Every value estimate averages two members of the ensemble.
LOWEST = {"tasks": 0, "task_embedding": 0, "has_termination": 0, "q_members": 2}


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of every layer; with them the state dict's shapes are known."""

    obs: int  # observation, padded to the widest task's in multi-task models
    action: int  # likewise
    latent: int
    encoder: int  # hidden width of the encoder
    encoder_layers: int  # hidden layers of the encoder
    hidden: int  # hidden width of all other heads
    q_members: int
    tasks: int = 0  # 0: single-task
    task_embedding: int = 0
    has_termination: bool = False

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            lowest = LOWEST.get(name, 1)
            if not isinstance(value, int):
                raise SettingsError(f"dimension {name}: got {value!r}, expected a whole number")
            if value < lowest:
                raise SettingsError(f"dimension {name}: got {value}, expected at least {lowest}")
        if self.latent % 8:
            raise SettingsError(
                f"dimension latent: got {self.latent}, expected a multiple of 8 (SimNorm groups)"
            )

    @property
    def encoder_widths(self) -> list[int]:
        """Widths of the encoder, from what it sees to the latent."""
        return [self.obs + self.task_embedding, *[self.encoder] * self.encoder_layers, self.latent]

    def head_widths(self, out: int, *, sees_action: bool = True) -> list[int]:
        """Widths of another head, from the latent, and the action where it sees it, to `out` values."""
        state = self.latent + self.task_embedding
        return [state + self.action if sees_action else state, self.hidden, self.hidden, out]

    @property
    def size(self) -> str:
        """The official size's name (millions of parameters), or `custom`."""
        own = (self.encoder, self.hidden, self.latent, self.encoder_layers, self.q_members)
        # The multi-task 19M checkpoint of 30 tasks has a narrower latent than the single-task one.
        if own == (1024, 1024, 512, 2, 5):
            return "19"
        return next((name for name, sizes in SIZES.items() if tuple(sizes.values()) == own), "custom")


def dimensions_of(card: Mapping[str, Any], name: str) -> Dimensions:
    """The dimensions that a world model's card tells; `name` is the card's in messages.

    Raises:
        CheckpointError: it is another planner's card, or they make no model.
    """
    if card.get("format") != "tdmpc2":
        raise CheckpointError(f"{name}: format {card.get('format')!r}, expected 'tdmpc2'")
    try:
        return Dimensions(**card["dimensions"])
    except (KeyError, TypeError, SettingsError) as error:
        raise CheckpointError(f"{name}: dimensions do not make a model ({error})") from None


SIZES: dict[str, dict[str, int]] = {
    "1": {"encoder": 256, "hidden": 384, "latent": 128, "encoder_layers": 1, "q_members": 2},
    "5": {"encoder": 256, "hidden": 512, "latent": 512, "encoder_layers": 1, "q_members": 5},
    "19": {"encoder": 1024, "hidden": 1024, "latent": 768, "encoder_layers": 2, "q_members": 5},
    "48": {"encoder": 1792, "hidden": 1792, "latent": 768, "encoder_layers": 3, "q_members": 5},
    "317": {"encoder": 4096, "hidden": 4096, "latent": 1376, "encoder_layers": 4, "q_members": 8},
}


def official_dimensions(
    size: str, obs: int, action: int, *, tasks: int = 0, task_embedding: int = 0
) -> Dimensions:
    """Dimensions of an official size for one task's observation and action.

    Raises:
        SettingsError: there is no such size.
    """
    if size not in SIZES:
        raise SettingsError(f"model size: got {size!r}, expected one of {', '.join(SIZES)}")
    widths: dict[str, Any] = {**SIZES[size]}
    return Dimensions(obs=obs, action=action, tasks=tasks, task_embedding=task_embedding, **widths)
