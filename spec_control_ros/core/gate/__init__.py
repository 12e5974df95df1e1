"""The gate: how far may reality be from the prediction?"""

from spec_control_ros.core.gate.calibration import GateCalibration
from spec_control_ros.core.gate.gate import EMPTY, Gate, Verdict
from spec_control_ros.core.gate.metric import Metric, mismatch
from spec_control_ros.core.gate.settings import GateMode, GateSettings

__all__ = ["EMPTY", "Gate", "GateCalibration", "GateMode", "GateSettings", "Metric", "Verdict", "mismatch"]
