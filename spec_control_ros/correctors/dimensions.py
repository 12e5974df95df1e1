"""What fixes a corrector's tensors."""

from dataclasses import asdict, dataclass

import numpy as np

from spec_control_ros.core.corrector import FeatureHistory, TickFeatures
from spec_control_ros.core.errors import SettingsError

STUDENT = "student"  # file name of the policy that is distilled with the correctors


@dataclass(frozen=True, slots=True)
class CorrectorDimensions:
    """Sizes that fix a corrector's tensors."""

    latent: int
    action: int
    hidden: int = 128
    window: int = 6  # ticks of history; 1 for the two-tower corrector
    layers: int = 2  # of the Transformer
    heads: int = 4  # of the Transformer

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int):
                raise SettingsError(f"corrector dimension {name}: got {value!r}, expected a whole number")
            if value < 1:
                raise SettingsError(f"corrector dimension {name}: got {value}, expected at least 1")
        if self.hidden % self.heads:
            raise SettingsError(f"corrector: hidden {self.hidden} must be a multiple of heads {self.heads}")

    def first_history(self) -> FeatureHistory:
        """A history of one tick, all zeros: the first residual, which costs more than others, can be had early."""
        latent, action = (np.zeros(size, np.float32) for size in (self.latent, self.action))
        history = FeatureHistory(self.window)
        history.append(TickFeatures(latent, latent, action, steps_ahead=0))
        return history
