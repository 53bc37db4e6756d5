"""Whether the kernel believes its clock, and who keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, AskClock, ListProcesses
from checks.facts.system import CONTAINER_ASKS, container_of

if TYPE_CHECKING:
    from checks.facts.host import Host

SERVICES: Final = ("chronyd", "ntpd", "systemd-timesyncd", "openntpd", "ptp4l", "phc2sys", "timemaster")

_MAX_ERROR_LIMIT_US: Final = 16_000_000


class ClockState(msgspec.Struct, frozen=True):
    """Seconds, None where only the word of the machine is known. `services` are the time services that run
    there, `container` is empty on a machine."""

    synchronised: bool
    max_error_s: float | None = 0.0
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

    def asks(self) -> tuple[Ask, ...]:
        return (AskClock(), ListProcesses(), *CONTAINER_ASKS)

    def read(self, host: Host) -> ClockState:
        max_error_us = host.clock_error_us()
        running = {process.name for process in host.processes()}
        return ClockState(
            max_error_us is None or max_error_us < _MAX_ERROR_LIMIT_US,
            None if max_error_us is None else max_error_us / 1e6,
            tuple(name for name in SERVICES if name in running),
            container_of(host),
        )

    @classmethod
    def settled(cls, value: ClockState) -> dict[str, Any]:
        """All but the size of the possible error, which never stands still."""
        return {name: getattr(value, name) for name in ("synchronised", "services", "container")}
