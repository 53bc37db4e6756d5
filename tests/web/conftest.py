"""One nginx for all tests of a worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nginx import Web, start_nginx


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    # Its workers have to be able to enter the folder, unlike those of pytest.
    with tempfile.TemporaryDirectory(prefix="flt-web-") as folder:
        Path(folder).chmod(0o755)
        with start_nginx(Path(folder)) as started:
            yield started
