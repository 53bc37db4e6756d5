"""A power cut in the middle of the agent's writes, at a step that the test chooses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

CALLS = ("write", "fsync", "replace", "unlink", "utime")


class PowerCut(BaseException):
    """No `except OSError` of the agent sees it; from then on nothing is written any more."""


@contextmanager
def cut_after(steps: int) -> Iterator[None]:
    """Let so many changing system calls happen, then none."""
    left = steps

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left <= 0:
                raise PowerCut
            left -= 1
            return call(*args, **kwargs)

        return counting

    with mock.patch.multiple(os, **{name: counted(getattr(os, name)) for name in CALLS}):
        yield
