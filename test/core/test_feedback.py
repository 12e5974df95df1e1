from pathlib import Path

import numpy as np
import pytest

from spec_control_ros.core.corrector import FeatureHistory, TickFeatures, load_corrector
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.tick_model import TickModel

FOLDER = Path("robot")


def model(*, has_policy: bool) -> TickModel:
    return TickModel(3, 3, 2, lambda obs: obs, policy=(lambda z: np.tanh(z[:2])) if has_policy else None)


def test_policy_feedback_moves_a_queued_action_as_the_policy_moves_from_predicted_to_real() -> None:
    corrector = load_corrector("policy", FOLDER, model(has_policy=True))
    assert corrector is not None
    real, predicted, action = (np.array(v, np.float32) for v in ([1, 0, 0], [0.5, 0, 9], [0.3, -0.2]))
    history = FeatureHistory(corrector.window)
    history.append(TickFeatures(real, predicted, action, steps_ahead=2))
    expected = [np.tanh(1.0) - np.tanh(0.5), 0.0]
    np.testing.assert_allclose(corrector.residual(history), expected, rtol=1e-6)


def test_policy_feedback_of_a_model_without_a_policy_is_refused() -> None:
    with pytest.raises(CheckpointError, match="robot has no policy"):
        load_corrector("policy", FOLDER, model(has_policy=False))
