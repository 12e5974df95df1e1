"""Lets these tests make bags as those of `analysis` do."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "analysis"))
