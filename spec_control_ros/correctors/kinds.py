"""The networks that `distill` trains, by the names of their files."""

from spec_control_ros.correctors.dimensions import STUDENT
from spec_control_ros.correctors.learned_corrector import LearnedCorrector
from spec_control_ros.correctors.student import Student
from spec_control_ros.correctors.temporal import TemporalCorrector
from spec_control_ros.correctors.two_tower import TwoTowerCorrector

CORRECTORS: dict[str, type[LearnedCorrector]] = {
    "temporal": TemporalCorrector,
    "two_tower": TwoTowerCorrector,
}
DISTILLED: dict[str, type[LearnedCorrector]] = {**CORRECTORS, STUDENT: Student}
