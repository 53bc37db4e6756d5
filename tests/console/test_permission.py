"""A place that may not be written, or not even looked into: one line that says for whom, and no defect.

`tests/deploy` has it happen for real, to an account that is not root.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import cli, console
from agent.operator import account


def test_it_is_told_with_the_whole_path_and_the_account_that_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(_: list[str]) -> int:
        raise PermissionError(13, "Permission denied", "report.html")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "run", forbidden)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["check", "-o", "report.html"])
    assert stopped.value.code == 3
    assert capsys.readouterr().err == (
        f"firstlight: {tmp_path}/report.html: Permission denied (this runs as {account()}); "
        "name another place\n"
    )
