"""How a bench prints and keeps what it measured: one table of rows, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def show(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[object]], goals: Mapping[str, bool]
) -> None:
    """Print a table and which goals were met; write ``bench/results/<name>.json``."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *texts]) for i in range(len(columns))]
    print(f"\n{name}")
    for line in [list(columns), ["-" * width for width in widths], *texts]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for goal, met in goals.items():
        print(f"  {'met   ' if met else 'MISSED'}  {goal}")
    RESULTS.mkdir(exist_ok=True)
    record = {
        "bench": name,
        "rows": [dict(zip(columns, row, strict=True)) for row in rows],
        "goals": dict(goals),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2, default=str) + "\n")


def _text(cell: object) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
