"""What lies beside these tests and is used by them: the certificates of tests/web."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "web"))
