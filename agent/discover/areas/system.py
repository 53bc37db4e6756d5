"""Time zone, locale and name servers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.discover.seen import NOT_THERE, Area, Choices, Entry, Finding, Note, Seen, Written, slug
from checks.fact import Fact
from checks.facts.locales import SystemLocale, is_utf8
from checks.facts.nameservers import RESOLV, NameServers
from checks.facts.zone import TIMEZONE, TimeZone

NAME = "system"


def facts(seen: Seen) -> Iterator[Fact]:
    del seen
    yield TimeZone()
    yield SystemLocale()
    yield NameServers()


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    yield from seen.unread(NAME, "the time zone", TimeZone())
    yield from seen.unread(NAME, "the locale", SystemLocale(), quiet=NOT_THERE)
    yield from seen.unread(NAME, "the name servers", NameServers())
    zone = seen.value(TimeZone())
    if zone is not None and re.fullmatch(r"[A-Za-z0-9_+/-]{1,60}", zone.name):
        yield Entry(
            NAME,
            "time-zone",
            "file.content",
            {"path": TIMEZONE, "pattern": r"^(\S+)\s*$", "value": Written("${time_zone}")},
            f"the time zone is {zone}",
            variables={"time_zone": zone.name},
        )
    elif zone is not None:
        yield Note(NAME, f"the time zone is {zone}; no file names it, so that no item holds it")
    setting = seen.value(SystemLocale())
    if setting is not None and setting.name and setting.file:
        yield Entry(
            NAME,
            "locale",
            "file.content",
            {
                "path": setting.file,
                "pattern": r"""^\s*(?:export\s+)?(?:LC_ALL|LC_CTYPE|LANG)=["']?([A-Za-z0-9_.@-]+)""",
                "value": Written("${locale}"),
            },
            f"{setting.file} sets the locale {setting.name}",
            variables={"locale": setting.name},
        )
        if is_utf8(setting.name) and setting.known:
            yield Entry(NAME, "locale-utf8", "locale.utf8", {}, "it is one with UTF-8, and it is there")
    for server in seen.value(NameServers()) or ():
        pattern = rf"^\s*nameserver\s+{re.escape(server)}\s*(?:[#;].*)?$"
        parameters = {"path": RESOLV, "pattern": pattern}
        yield Entry(NAME, f"nameserver.{slug(server)}", "file.content", parameters, f"{server} is asked")


AREA = Area(NAME, "Time zone, locale, names", facts, findings)
