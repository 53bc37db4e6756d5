"""A thin security baseline: SSH logins, accounts, open ports. Nothing of it is on unless a profile asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final, Literal

from checks.fact import Unavailable
from checks.facts.accountsurvey import AccountSurvey, Survey
from checks.facts.listening import OpenPort, OpenPorts, PortTable
from checks.facts.sshdsettings import SshdRules, SshdSettings
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, skip, warn

_ROOT: Final = ("no", "forced-commands-only", "prohibit-password", "yes")
"""PermitRootLogin from strict to open; `without-password` is the old name of the third."""


@check("sec.ssh", severity=Severity.P2, about="system", owner="customer-it", rules=SshdSettings())
def ssh_logins(
    rules: SshdRules | Unavailable,
    root_login: Literal["no", "forced-commands-only", "prohibit-password", "yes"] = "prohibit-password",
    passwords: bool = False,
    empty_passwords: bool = False,
) -> list[Verdict]:
    """SSH lets in whom it should, and how it should.

    The settings in force are told from sshd_config with what it includes, the first value of each counts, as
    for sshd itself; what nobody set is OpenSSH's default. `root_login` is the most that PermitRootLogin may
    be, `passwords` whether people may log in with one (PasswordAuthentication; where PAM is used and
    KbdInteractiveAuthentication is on, that asks for passwords too). What Match blocks of the main file set
    more openly is a warning: it holds for some only, and who that is was not worked out. A machine without
    sshd_config is skipped.

    Remedy: set PermitRootLogin, PasswordAuthentication and KbdInteractiveAuthentication in a file of
    /etc/ssh/sshd_config.d that comes first, look with `sshd -T | grep -iE 'permitroot|password|kbd'`, make
    sure that a key works in a second session, and `systemctl reload sshd`.
    Source: dev-sec SSH baseline, sshd-06 (root with a key at most), sshd-27 to -29 (no passwords, none that
    is empty, none through the keyboard); sshd_config(5) for the defaults.
    """
    if isinstance(rules, Unavailable):
        if rules.cause == "absent":
            return [skip(msg("{reason}", reason=rules.reason), object="*", cause="absent")]
        unread = msg("{reason}", reason=rules.reason)
        return [error(unread, object=name, cause=rules.cause) for name in _NAMES]
    may = (root_login, "yes" if passwords else "no", "yes" if empty_passwords else "no")
    return [_setting(rules, name, most) for name, most in zip(_NAMES, may, strict=True)]


_NAMES: Final = ("PermitRootLogin", "PasswordAuthentication", "PermitEmptyPasswords")


def _setting(rules: SshdRules, name: str, most: str) -> Verdict:
    actual = rules.values.get(name, "")
    evidence: dict[str, Scalar] = {"actual": actual, "most": most, "file": rules.path}
    origin = "set" if name in rules.set else "OpenSSH's default"
    if _openness(actual) is None:
        said = msg("{name} {actual} is not known here", name=name, actual=actual)
        return error(said, object=name, cause="parse", evidence=evidence)
    if _more_open(actual, most):
        said = msg("it is {actual} ({origin}), wanted: at most {most}", origin=origin, **evidence)
        return fail(said, object=name, cause="open", evidence=evidence)
    asks_anyway = rules.values.get("UsePAM") == rules.values.get("KbdInteractiveAuthentication") == "yes"
    if name == "PasswordAuthentication" and most == "no" and asks_anyway:
        said = msg("KbdInteractiveAuthentication and UsePAM are on: PAM asks for passwords all the same")
        return fail(said, object=name, cause="keyboard", evidence=evidence)
    for line in rules.conditional:
        key, _, value = line.partition(" ")
        if key.lower() == name.lower() and _more_open(value.lower(), most):
            said = msg("it is {actual}, but a Match block sets {line}", actual=actual, line=line)
            return warn(said, object=name, cause="conditional", evidence=evidence)
    return passed(msg("it is {actual} ({origin})", origin=origin, **evidence), object=name, evidence=evidence)


def _openness(value: str) -> int | None:
    value = "prohibit-password" if value == "without-password" else value
    return _ROOT.index(value) if value in _ROOT else None


def _more_open(value: str, most: str) -> bool:
    """A value that is not known counts as open."""
    openness = _openness(value)
    return openness is None or openness > _ROOT.index(most)


@check("sec.accounts", severity=Severity.P1, about="system", owner="customer-it", survey=AccountSurvey())
def odd_accounts(
    survey: Survey | Unavailable, roots: tuple[str, ...] = ("root",), shells: tuple[str, ...] = ()
) -> list[Verdict]:
    """Nobody logs in without a password, nobody but root is root, and no account of the system has a shell.

    Judged are the accounts of /etc/passwd and /etc/shadow. `roots` lists who may have the user id 0, `shells`
    which accounts below UID_MIN (login.defs) may have a shell, such as ``postgres``: those only warn. Which
    passwords are empty stands in /etc/shadow, which root alone may read.

    Remedy: `passwd -l <name>` locks an account without a password; a second account with the id 0 gets an own
    one (`usermod -u`), or is removed; `usermod -s /usr/sbin/nologin <name>` takes the shell away.
    Source: dev-sec Linux baseline, os-07 (unique user ids); UID_MIN as in login.defs(5); the rest is our
    judgement.
    """
    if isinstance(survey, Unavailable):
        said = msg("{reason}", reason=survey.reason)
        return [error(said, object=name, cause=survey.cause) for name in _SURVEYED]
    others = [name for name in survey.roots if name not in roots]
    logins = [name for name in survey.shells if name not in shells]
    return [_passwordless(survey), _named(_SURVEYED[1], others, fail), _named(_SURVEYED[2], logins, warn)]


_SURVEYED: Final = ("empty passwords", "user id 0", "shells of the system's accounts")


def _passwordless(survey: Survey) -> Verdict:
    if survey.passwordless is None:
        said = msg("which passwords are empty could not be read: {reason}", reason=survey.unread)
        return error(said, object=_SURVEYED[0], cause=survey.cause or "failed")
    return _named(_SURVEYED[0], list(survey.passwordless), fail)


def _named(object: str, names: list[str], verdict: Callable[..., Verdict]) -> Verdict:
    if not names:
        return passed("none but who may", object=object)
    shown = ", ".join(names[:20])
    return verdict(msg("{names}", names=shown), object=object, cause="found", evidence={"names": shown})


def _no_port_entry(given: Mapping[str, Any]) -> tuple[str, str] | None:
    for entry in given["allow"]:
        who, colon, number = entry.strip().rpartition(":")
        ports = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", number, re.ASCII)
        program = not colon and number and not number[0].isdigit()
        if program or (ports and bool(who) == bool(colon) and _in_order(ports[1], ports[2])):
            continue
        return "allow", f"{entry!r:.60} is not like 22, 8000-8010, sshd or nginx:443"
    return None


def _in_order(first: str, last: str | None) -> bool:
    return 0 < int(first) <= int(last or first) < 65536


@check(
    "sec.listening",
    severity=Severity.P2,
    about="system",
    owner="network",
    refuse=_no_port_entry,
    table=OpenPorts(),
)
def expected_ports(table: PortTable, allow: tuple[str, ...], loopback: bool = False) -> list[Verdict]:
    """Only what was agreed listens for connections from elsewhere.

    `allow` lists TCP ports (``22``), rows of them (``8000-8010``), programs whatever their port (``sshd``)
    or both (``nginx:443``). What listens on this machine's own addresses alone (127.0.0.0/8, ::1) is let pass
    unless `loopback` is set. Who holds a port is known to root only; without root ports have to be listed by
    number. A firewall before the machine is not seen.

    Remedy: `ss -ltnp` shows who it is. Stop and disable what nobody needs (`systemctl disable --now <name>`),
    have it listen on 127.0.0.1, or add it to `allow` in the profile.
    Source: our judgement; the profile says what is expected.
    """
    verdicts = []
    for each in table.ports:
        if not loopback and all(_is_loopback(address) for address in each.addresses):
            continue
        if any(_allows(entry, each) for entry in allow):
            continue
        who = ", ".join(each.processes) or "somebody"
        where = ", ".join(each.addresses[:5])
        said = msg("{who} listens on {where}, which was not agreed", who=who, where=where)
        evidence: dict[str, Scalar] = {"port": each.port, "addresses": where, "processes": who}
        verdicts.append(fail(said, object=f"{each.port}/tcp", cause="unexpected", evidence=evidence))
    return verdicts or [passed(msg("{count} open, all expected", count=len(table.ports)), object="*")]


def _allows(entry: str, port: OpenPort) -> bool:
    who, _, number = entry.strip().rpartition(":")
    if not who and not number[:1].isdigit():
        return number in port.processes
    first, dash, last = number.partition("-")
    fits = int(first) <= port.port <= int(last if dash else first)
    return fits and (not who or who in port.processes)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
