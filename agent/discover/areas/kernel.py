"""Kernel parameters that somebody set: by a file, or otherwise than the kernel has them by itself."""

from __future__ import annotations

from collections.abc import Iterator

from agent.discover.seen import Area, Choices, Entry, Finding, Note, Seen, slug
from checks.fact import Fact
from checks.facts.persisted import Parameters, PersistedParameters
from checks.facts.system import Sysctl

NAME = "kernel"

DEFAULTS: dict[str, tuple[str, ...]] = {
    "fs.aio-max-nr": ("65536",),
    "fs.inotify.max_user_instances": ("128",),
    "fs.suid_dumpable": ("0",),
    "kernel.dmesg_restrict": ("0", "1"),
    "kernel.panic": ("0",),
    "kernel.panic_on_oops": ("0", "1"),
    "kernel.randomize_va_space": ("2",),
    "kernel.sem": ("32000 1024000000 500 32000",),
    "kernel.shmall": ("18446744073692774399",),
    "kernel.shmmax": ("18446744073692774399",),
    "kernel.shmmni": ("4096",),
    "net.core.somaxconn": ("4096", "128"),
    "net.ipv4.conf.all.accept_redirects": ("0", "1"),
    "net.ipv4.conf.all.send_redirects": ("1",),
    "net.ipv4.ip_forward": ("0",),
    "net.ipv4.ip_local_port_range": ("32768 60999",),
    "net.ipv4.tcp_fin_timeout": ("60",),
    "net.ipv4.tcp_keepalive_time": ("7200",),
    "net.ipv4.tcp_syncookies": ("1",),
    "net.ipv4.tcp_timestamps": ("1",),
    "net.ipv4.tcp_tw_reuse": ("2", "0"),
    "vm.dirty_background_ratio": ("10",),
    "vm.dirty_ratio": ("20",),
    "vm.max_map_count": ("65530", "1048576"),
    "vm.nr_hugepages": ("0",),
    "vm.overcommit_memory": ("0",),
    "vm.overcommit_ratio": ("50",),
    "vm.swappiness": ("60",),
    "vm.zone_reclaim_mode": ("0",),
}
"""What kernels 4.18 to 6.12 have by themselves (Documentation/admin-guide/sysctl and
Documentation/networking/ip-sysctl.rst, looked up in November 2026); several where that depends on their
configuration or changed meanwhile. Parameters that they work out from the memory are none of these."""

_SHIPPED = ("/usr/lib/", "/lib/")
"""Where files lie that packages bring along; what stands elsewhere an administrator wrote."""


def facts(seen: Seen) -> Iterator[Fact]:
    yield PersistedParameters()
    settings = seen.value(PersistedParameters())
    if settings is None or not settings.container:
        for name in DEFAULTS:
            yield Sysctl(name)


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    yield from seen.unread(NAME, "what files set", PersistedParameters())
    settings: Parameters | None = seen.value(PersistedParameters())
    if settings is not None and settings.container:
        yield Note(NAME, f"a container ({settings.container}): its kernel is that of the machine below")
        return
    done = set()
    for each in settings.parameters if settings is not None else ():
        if each.unread:
            yield Note(NAME, f"could not be read: {each.key}, which {each.file} sets: {each.unread}")
        elif each.running is not None and not each.holds:
            yield Note(NAME, f"{each.key} is {each.running}, and {each.file} sets {each.value}")
        if each.running is None or each.file.startswith(_SHIPPED) or not each.holds:
            continue
        done.add(each.key)
        yield _entry(each.key, each.running, f"{each.file} sets it")
    for name, usual in DEFAULTS.items():
        actual = seen.value(Sysctl(name))
        if actual is None or name in done or actual in usual:
            yield from seen.unread(NAME, name, Sysctl(name), quiet=frozenset({"absent"}))
            continue
        yield _entry(name, actual, f"the kernel has {' or '.join(usual)} by itself")


def _entry(name: str, value: str, why: str) -> Entry:
    number = value.isascii() and value.lstrip("-").isdigit() and len(value) < 16
    parameters = {"name": name, "value": int(value) if number else value}
    return Entry(NAME, f"sysctl.{slug(name)}", "kern.param", parameters, why)


AREA = Area(NAME, "Kernel parameters", facts, findings)
