"""Paths in profiles: what begins at a root is one, what begins nowhere is refused."""

from __future__ import annotations

import pytest

from checks.paths import read_absolute


@pytest.mark.parametrize("path", ["/", "/srv/data", "C:\\", "d:/erp", "\\\\nas\\share", "", "/with blank"])
def test_what_begins_at_a_root_or_a_drive_is_a_path(path: str) -> None:
    assert read_absolute(path) == path


@pytest.mark.parametrize("path", ["srv/data", "./x", "~/x", "C:x", "\\x", " /srv", "a\0b", "/a\0b"])
def test_what_begins_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not an absolute path; write one such as /srv/data"):
        read_absolute(path)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a path"):
        read_absolute(["/srv"])
