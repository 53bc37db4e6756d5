"""Whether the kernel believes its clock, and who keeps it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.system import container_of

if TYPE_CHECKING:
    from checks.facts.host import Host

SERVICES: Final = ("chronyd", "ntpd", "systemd-timesyncd", "openntpd", "ptp4l", "phc2sys", "timemaster")

# The head of struct timex (adjtimex(2)): modes, offset, freq, maxerror, esterror, status.
_TIMEX: Final = "@Illlli"
_MAX_ERROR_LIMIT_US: Final = 16_000_000


class ClockState(msgspec.Struct, frozen=True):
    """Seconds. `services` are the time services that run here, `container` is empty on a machine."""

    synchronised: bool
    max_error_s: float = 0.0
    services: tuple[str, ...] = ()
    container: str = ""


@fact
class TimeSync(Fact, frozen=True):
    """The kernel's own verdict on its clock, which any time service has to keep up.

    It counts as synchronised while the possible error stays below 16 s, which it leaves in ever growing
    steps once nobody corrects it: the rule of ``timedatectl``, which unlike the kernel's flag also holds for
    services that keep the hardware clock themselves.
    """

    value_type: ClassVar[type] = ClockState

    def describe(self) -> str:
        return "call adjtimex (reading only), names of running processes"

    def read(self, host: Host) -> ClockState:
        max_error_us = kernel_max_error_us()
        running = {process.name for process in host.processes()}
        return ClockState(
            max_error_us < _MAX_ERROR_LIMIT_US,
            max_error_us / 1e6,
            tuple(name for name in SERVICES if name in running),
            container_of(host),
        )


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
