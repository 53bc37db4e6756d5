"""What discovery lists: services, accounts, packages, programs, name servers, files of a pattern."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checks.fact import Fact
from checks.facts.accountlist import AccountList, AccountTable
from checks.facts.foundfiles import FoundFiles
from checks.facts.nameservers import NameServers
from checks.facts.packagelist import PackageList
from checks.facts.programs import Programs, ProgramTable
from checks.facts.servicelist import ServiceList
from checks.facts.tlsfiles import TlsFiles

PROGRAM = Path("/proc/1/comm").read_text().strip()
"""What always runs."""


def samples(world: Any) -> dict[str, Fact]:
    folder = f"{world.folder}/found"
    return {
        "ServiceList": ServiceList(),
        "AccountList": AccountList(),
        "PackageList": PackageList(),
        "Programs": Programs(),
        "NameServers": NameServers(),
        "FoundFiles": FoundFiles(f"{folder}/*/*/server.conf"),
        "FoundFiles of names": FoundFiles(f"{folder}/a/*"),
        "FoundFiles without a pattern": FoundFiles(f"{folder}/a/1/server.conf"),
        "FoundFiles of a folder": FoundFiles(f"{folder}/a"),
        "FoundFiles that are not there": FoundFiles(f"{folder}/nowhere/*.conf"),
        "FoundFiles below a file": FoundFiles(f"{folder}/a/1/server.conf/*"),
        "FoundFiles of a closed folder": FoundFiles(f"{world.folder}/closed/*"),
        "FoundFiles of no absolute path": FoundFiles("etc/*"),
        "TlsFiles": TlsFiles(f"{folder}/a/1/server.conf"),
        "TlsFiles of no file": TlsFiles(f"{folder}/nowhere"),
        "TlsFiles that may not be read": TlsFiles(f"{world.folder}/secret"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    del stack
    for name in (
        "a/1/server.conf",
        "a/2/server.conf",
        "b/1/server.conf",
        "b/1/other.conf",
        "a/.hidden",
        "a/odd '$x",
    ):
        path = folder / "found" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ssl_certificate /etc/a b.pem;\nssl_certificate '/etc/a b.pem';\n")
    (folder / "found" / "c").symlink_to("b")
    (folder / "found" / "a" / "dangling").symlink_to("nowhere")
    (folder / "found" / "a" / "linked").symlink_to("1/server.conf")


STANDING: dict[type, Callable[[Any], object]] = {
    # Other tests make accounts and run programs meanwhile; of those that run, one always does.
    AccountTable: lambda seen: [each for each in seen.accounts if not each.name.startswith("flt")],
    ProgramTable: lambda seen: [each for each in seen.programs if each.name == PROGRAM],
}
