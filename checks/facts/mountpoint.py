"""What is mounted at a path; the options of the mount and those of its filesystem are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.host import MOUNT_TABLE
from checks.facts.secrets import masked, names_a_secret

if TYPE_CHECKING:
    from checks.facts.host import Host


class MountState(msgspec.Struct, frozen=True):
    """What a path is the mount point of; nothing where `mounted` is False. Secrets in options are masked."""

    mounted: bool
    source: str = ""
    type: str = ""
    options: tuple[str, ...] = ()
    filesystem_options: tuple[str, ...] = ()


@fact
class MountPoint(Fact, frozen=True):
    """The mount at a path; of several over each other the last one counts."""

    value_type: ClassVar[type] = MountState
    path: str

    def describe(self) -> str:
        return f"read {MOUNT_TABLE}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(MOUNT_TABLE),)

    def read(self, host: Host) -> MountState:
        mounts = host.mounts()
        if not mounts:
            raise NotReadable("this system shows no mount table", "unsupported")
        point = self.path.rstrip("/") or "/"
        for mount in reversed(mounts):
            if mount.point == point:
                return MountState(
                    True,
                    masked(mount.source),
                    mount.type,
                    _options(mount.options),
                    _options(mount.super_options),
                )
        return MountState(False)


def _options(text: str) -> tuple[str, ...]:
    found = []
    for option in text.split(","):
        name, equals, _ = option.partition("=")
        found.append(f"{name}=***" if equals and names_a_secret(name) else masked(option))
    return tuple(sorted({*found} - {""}))
