"""Lets the tests of this folder and below share what makes bags."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
