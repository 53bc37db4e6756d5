"""People who can log in, and the accounts that programs run as."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.discover.areas.products import running_programs
from agent.discover.seen import Area, Choices, Entry, Finding, Note, Seen, slug
from checks.fact import Fact
from checks.facts.accountlist import AccountList, AccountTable
from checks.facts.accounts import Account
from checks.facts.programs import Programs

NAME = "users"
ROOT = "root"


def facts(seen: Seen) -> Iterator[Fact]:
    yield AccountList()
    yield Programs()
    for name in _chosen(seen):
        yield Account(name)


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    yield from seen.unread(NAME, "the accounts", AccountList())
    yield from seen.unread(NAME, "as whom programs run", Programs())
    for name, why in _chosen(seen).items():
        fact = Account(name)
        yield from seen.unread(NAME, f"the account {name}", fact)
        user = seen.value(fact)
        if user is None:
            continue
        if not user.exists:
            yield Note(NAME, f"{name} runs programs, and no account of that name is known")
            continue
        parameters: dict[str, Any] = {"name": name, "uid": user.uid, "group": user.group}
        others = [group for group in user.groups if group != user.group]
        if others:
            parameters["groups"] = others
        parameters |= {"home": user.home, "shell": user.shell}
        yield Entry(NAME, f"user.{slug(name)}", "user.account", parameters, why)


def _chosen(seen: Seen) -> dict[str, str]:
    """Names, and why each is one that counts, by name."""
    runs: dict[str, list[str]] = {}
    for program in running_programs(seen):
        for user in program.users:
            runs.setdefault(user, []).append(program.name)
    table: AccountTable | None = seen.value(AccountList())
    listed = {account.name: account for account in (table.accounts if table is not None else ())}
    chosen = {}
    for name in sorted({*listed, *runs}):
        account = listed.get(name)
        if name == ROOT:
            chosen[name] = "the superuser"
        elif account is not None and account.person and account.logs_in:
            chosen[name] = "can log in"
        elif name in runs and not name.isdecimal():
            shown = ", ".join(runs[name][:5])
            chosen[name] = f"runs {shown}{' and others' if len(runs[name]) > 5 else ''}"
    return chosen


AREA = Area(NAME, "Accounts", facts, findings)
