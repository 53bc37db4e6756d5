"""Who has an account on a machine: the names in /etc/passwd, and what kind of account each is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, fact
from checks.facts.accounts import PASSWD, optional_text, parse_passwd
from checks.facts.accountsurvey import LOGIN_DEFS, first_person, logs_in
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

NOBODY: tuple[int, ...] = (65534, 99)
"""Ids of accounts that stand for nobody, by the Linux Standard Base and by old Red Hat releases."""


class Listed(msgspec.Struct, frozen=True):
    """An account: `person` by its id (UID_MIN of login.defs), `logs_in` where its shell lets somebody in."""

    name: str
    uid: int
    person: bool = False
    logs_in: bool = False


class AccountTable(msgspec.Struct, frozen=True):
    """All of them, by name, each once."""

    accounts: tuple[Listed, ...] = ()


@fact
class AccountList(Fact, frozen=True):
    """The accounts of /etc/passwd. Those that LDAP or SSSD know of are not among them."""

    value_type: ClassVar[type] = AccountTable

    def describe(self) -> str:
        return f"read {PASSWD} and {LOGIN_DEFS}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(PASSWD), ReadFile(LOGIN_DEFS))

    def read(self, host: Host) -> AccountTable:
        host.want(self.asks())
        entries = parse_passwd(host.read_text(PASSWD))
        first = first_person(optional_text(host, LOGIN_DEFS))
        found: dict[str, Listed] = {}
        for each in entries:
            person = each.uid >= first and each.uid not in NOBODY
            found.setdefault(each.name, Listed(each.name, each.uid, person, logs_in(each)))
        return AccountTable(tuple(found[name] for name in sorted(found)))
