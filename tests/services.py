"""What a test needs beyond Python: found, or skipped with one line that says what to install.

Under FIRSTLIGHT_REQUIRE_SERVICES=1 a missing service is a failure, never a skip.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(service: str, install: str) -> NoReturn:
    """Skip (or fail, where services are required) with one line."""
    line = f"{service} is not here; {install}"
    if os.environ.get("FIRSTLIGHT_REQUIRE_SERVICES") == "1":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


def program(name: str, package: str) -> str:
    """The path of a program of a Debian package, looked up as root would."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        missing(name, f"apt-get install {package}")
    return path
