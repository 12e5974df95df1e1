"""The gate: how far may reality be from the prediction?"""

from spec_control_ros.core.gate.calibration import GateCalibration
from spec_control_ros.core.gate.gate import EMPTY, Gate, GateVerdict
from spec_control_ros.core.gate.gate_settings import GateMode, GateSettings
from spec_control_ros.core.gate.metric import Metric, mismatch

__all__ = [
    "EMPTY",
    "Gate",
    "GateCalibration",
    "GateMode",
    "GateSettings",
    "GateVerdict",
    "Metric",
    "mismatch",
]
