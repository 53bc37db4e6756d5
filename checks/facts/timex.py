"""The kernel's own account of its clock, by the system call adjtimex(2), which only reads here."""

from __future__ import annotations

import struct
from typing import Final

from checks.fact import NotReadable

# The head of struct timex (adjtimex(2)): modes, offset, freq, maxerror, esterror, status.
_TIMEX: Final = "@Illlli"


def kernel_max_error_us() -> int:
    """How wrong the kernel says its clock may be, in microseconds.

    Raises `NotReadable`: unsupported, denied.
    """
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError, TypeError) as error:
        raise NotReadable("this system has no adjtimex call", "unsupported") from error
    timex = ctypes.create_string_buffer(1024)
    if adjtimex(timex) < 0:
        import os

        reason = os.strerror(ctypes.get_errno())
        raise NotReadable(f"the kernel does not tell its clock's state here: {reason}", "denied")
    return int(struct.unpack_from(_TIMEX, timex)[3])
