"""All packages that are installed; one of them is `checks.facts.packages`, which reads the same list."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, fact
from checks.facts.packages import Manager, Package, installed_packages

if TYPE_CHECKING:
    from checks.facts.asks import Ask
    from checks.facts.host import Host


class Packages(msgspec.Struct, frozen=True):
    """Versions by name, as their manager writes them; several of a kernel, or of two architectures."""

    manager: Manager
    versions: dict[str, tuple[str, ...]] = {}


@fact
class PackageList(Fact, frozen=True):
    """Every installed package with its versions."""

    value_type: ClassVar[type] = Packages
    deadline_s: ClassVar[float] = 30.0

    def describe(self) -> str:
        return "read the list of packages (dpkg-query, rpm -qa, or apk's database)"

    def asks(self) -> tuple[Ask, ...]:
        return Package("").asks()

    def read(self, host: Host) -> Packages:
        manager, listed = installed_packages(host)
        # The list has each package once more with its architecture.
        plain = {name: versions for name, versions in sorted(listed.items()) if ":" not in name}
        return Packages(manager, plain)
