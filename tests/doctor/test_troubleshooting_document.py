"""docs/troubleshooting.md names what doctor looks at, all of it and nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "docs"))  # for `document_reader`

from document_reader import read, table

import agent.examine


def test_the_table_has_every_line_that_doctor_may_print() -> None:
    folder = Path(agent.examine.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    said = {name for text in texts for name in re.findall(r'Symptom\(\s*"([a-z]+)",', text)}
    said |= {"schedule NAME"}
    shown = {row["line"].strip("`") for row in table(read("troubleshooting.md"), "line", "says")}
    assert shown | {"salts"} == said
