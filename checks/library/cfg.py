"""Checks of settings in configuration files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from checks.across import ALONE, compare, not_known
from checks.differences import listed
from checks.fact import Unavailable
from checks.facts.config import ConfigValue, SecretMatches, Setting
from checks.facts.content import AcceptedContent, ConfigState, Was
from checks.facts.digest import Digest, FileDigest
from checks.facts.effective import Effective, Pending, PostgresEffective, UnitEffective
from checks.facts.formats import Choice
from checks.matchers import Matcher
from checks.model import Severity, Verdict
from checks.registry import check, unless, when
from checks.units import Span
from checks.verdicts import error, fail, msg, passed, skip, warn

MISSING: Final = "missing"
DIGEST: Final = "SHA-256 "
"""Opens what stands for a whole file; the value of a key is never written so."""


@check(
    "cfg.value",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    object="{path}:{key}",
    setting=unless("secret", ConfigValue("{path}", "{format}", "{key}", "{include}")),
    same=when("secret", SecretMatches("{path}", "{format}", "{key}", "{secret}", "{include}")),
)
def configured_value(
    setting: Setting | Unavailable | None,
    same: bool | Unavailable | None,
    path: str,
    key: str,
    format: Choice = "auto",
    value: Matcher | None = None,
    present: bool = True,
    secret: str = "",
    include: tuple[str, ...] = (),
) -> Verdict:
    """A key of a configuration file has the value it should.

    `key` is ``section.key`` in an ini file, a dotted path with list indexes in yaml, json and toml:
    ``servers[0].port``; an element or attribute in xml: ``Server/Service/Connector[2]/@port``; a directive in
    nginx: ``http.server[2].listen``; ``Service.LimitNOFILE`` in a unit of systemd; the name alone elsewhere.
    The format is told from the file's name unless it is given; a name that tells nothing is ini. `value` is a
    condition; without one the key only has to be there, and with `present: false` only not to be there.

    The files of nginx, PostgreSQL, MySQL and sshd are read with what they include from the folder they lie
    in, and from the folders that `include` names; a unit of systemd with its drop-ins. A file that includes
    others from elsewhere is an error that names them.

    Keys whose names look secret (password, token, key, …) are never read into a report: name where the right
    value is with `secret: env:NAME` or `secret: file:/path`, and both are compared without being kept.

    Remedy: set `{key}` in {path}, and restart or reload the program that reads it; keep a copy of the file as
    it was.
    Source: our judgement; the profile that sets the value names its source.
    """
    reading = same if secret else setting
    if isinstance(reading, Unavailable):
        return _unread(reading, present)
    if isinstance(reading, bool):
        if reading:
            return passed("it is the secret that was named")
        return fail("it is not the secret that was named", cause="differs")
    if reading is None or not reading.found:
        return fail("it is not set", cause="missing") if present else passed("it is not set, as wanted")
    if not present:
        return fail("it is set, and should not be", cause="present")
    if reading.withheld:
        return _withheld(value)
    actual = _shown(reading.value)
    if value is None:
        return passed(msg("it is {actual}", actual=actual), evidence={"actual": actual})
    evidence = {"actual": actual, "wanted": str(value)}
    if value.holds(reading.value):
        return passed(msg("it is {actual}", actual=actual), evidence=evidence)
    said = msg("it is {actual}, wanted: {wanted}", actual=actual, wanted=str(value))
    return fail(said, cause="differs", evidence=evidence)


@check(
    "cfg.consistent",
    severity=Severity.P1,
    about="path",
    owner="vendor",
    across="site",
    settings=when("key", ConfigState("{path}", "{format}", "{key}", "{include}")),
    digests=unless("key", FileDigest("{path}")),
    accepted=when("baseline", AcceptedContent("{path}", "{format}", "{key}", "{include}")),
)
def consistent_configuration(
    settings: Mapping[str, Setting | Unavailable] | None,
    digests: Mapping[str, Digest | Unavailable] | None,
    accepted: Mapping[str, Was | Unavailable] | None,
    path: str,
    key: str = "",
    format: Choice = "auto",
    include: tuple[str, ...] = (),
    baseline: bool = False,
) -> Verdict:
    """A configuration file, or one key of it, is the same on all targets.

    Without `key` the whole file is compared, byte by byte through its SHA-256. With `key` (written as for
    cfg.value) its values are compared, and strictly: the number 1 is not the text "1", and `yes` not `true`
    where the format has no such words. What is missing on some and there on others differs; what is missing
    everywhere is skipped. A key whose name looks secret, or whose value holds a password, is never read into
    a report, so it cannot be compared: compare the whole file instead. With `baseline` each target is held
    against what was accepted there (`firstlight baseline accept`), and not against the others.

    Remedy: put the right version of {path} on the targets that differ, keep a copy of what was there, and
    restart or reload the program that reads it; `sha256sum {path}` shows which ones are alike.
    Source: our judgement: what differs between servers of one role shows on some requests only.
    """
    held: Mapping[str, Setting | Digest | Unavailable] = {**(settings or {}), **(digests or {})}
    if accepted is not None:
        return _since_accepted(held, accepted)
    if len(held) < 2:
        return ALONE
    what = "{key}" if key else "the file"
    members = compare({name: _content(each) for name, each in held.items()})
    evidence = members.evidence()
    there = compare(
        {name: each if isinstance(each, Unavailable) else each.found for name, each in held.items()}
    )
    if not there.agree:
        say = msg(what + " is {who}", who=there.told(lambda found: "there" if found else "missing"))
        return fail(say, cause="missing", evidence=evidence)
    if not members.agree:
        count = len(members.groups)
        say = msg(what + " has {count} versions: {who}", count=count, who=members.told(_brief))
        return fail(say, cause="differs", evidence=evidence)
    if members.unread:
        return not_known(members)
    (names,) = members.groups
    value = members.values[names[0]]
    if value == MISSING:
        return skip(msg(what + " is missing on all {count} targets", count=len(names)), cause="absent")
    say = msg(what + " is {value} on all {count} targets", value=_brief(value), count=len(names))
    return passed(say, evidence=evidence)


def _since_accepted(
    held: Mapping[str, Setting | Digest | Unavailable], accepted: Mapping[str, Was | Unavailable]
) -> Verdict:
    """Each target against what was accepted there; those without an accepted state are not judged."""
    known = {
        name: was
        for name, was in accepted.items()
        if isinstance(was, Unavailable) or was.setting is not None or was.digest is not None
    }
    if not known:
        return skip("nothing was accepted yet; `firstlight baseline accept` does that", cause="no-baseline")
    changed: dict[str, str | Unavailable] = {}
    for name, was in known.items():
        before = was if isinstance(was, Unavailable) else _content(was.setting or was.digest or Digest(False))
        now = _content(held[name])
        unread = next((each for each in (before, now) if isinstance(each, Unavailable)), None)
        same = "as accepted" if before == now else f"{_brief(str(now))}, accepted was {_brief(str(before))}"
        changed[name] = unread or same
    members = compare(changed)
    evidence = members.evidence()
    differing = [name for name, said in members.values.items() if said != "as accepted"]
    if differing:
        said = "; ".join(f"{members.values[name]} on {name}" for name in differing)
        return fail(
            msg("changed since it was accepted: {said}", said=said), cause="differs", evidence=evidence
        )
    if members.unread:
        return not_known(members)
    who = sorted({by for was in known.values() if isinstance(was, Was) for by in was.by})
    say = msg("as {who} accepted it, on {count} targets", who=listed(who), count=len(known))
    return passed(say, evidence=evidence)


@check(
    "cfg.effective",
    severity=Severity.P2,
    about="unit",
    owner="customer-it",
    object="{unit}{url}",
    service=when("unit", UnitEffective("{unit}")),
    pending=when("url", PostgresEffective("{url}", "{password}", "{tls}", "{ca}", "{timeout}")),
)
def effective_configuration(
    service: Effective | Unavailable | None,
    pending: Pending | Unavailable | None,
    unit: str = "",
    url: str = "",
    password: str = "",
    tls: Literal["auto", "require", "verify", "off"] = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> list[Verdict]:
    """What runs has the settings that its files say.

    `unit` is a service under systemd, such as nginx.service: its files have not changed since systemd read
    them, and its main process has the limits of its unit (a process may raise its own soft limit; that is no
    difference). `url` is a PostgreSQL server (written as for db.connect): no setting waits for a restart, and
    no line of its files is one that it cannot take. Settings that were changed and not reloaded at all are
    not seen there.

    Remedy: `systemctl daemon-reload` and `systemctl restart <unit>` in a maintenance window. PostgreSQL: put
    the lines right that the report names, `SELECT pg_reload_conf();`, and restart it for what waits for that.
    Source: our judgement: what was changed and not put into force surprises at the next restart.
    """
    found = []
    if service is not None:
        found.append(_service(service, unit))
    if pending is not None:
        found += _pending(pending, url)
    return found or [
        error("name a service with `unit`, or a server with `url`", object="*", cause="unsupported")
    ]


def _service(service: Effective | Unavailable, unit: str) -> Verdict:
    if isinstance(service, Unavailable):
        return error(msg("{reason}", reason=service.reason), object=unit, cause=service.cause)
    if not service.found:
        return skip("there is no such service", object=unit, cause="absent")
    if service.reload_needed:
        said = "its files changed since systemd read them"
        return warn(said, object=unit, cause="reload", evidence={"runs": service.runs})
    if not service.runs:
        return skip("it does not run", object=unit, cause="stopped")
    if service.differs:
        shown = ", ".join(f"{each.name} {each.actual}, wanted {each.wanted}" for each in service.differs)
        say = msg("it runs with other limits than its unit has: {shown}", shown=shown)
        return warn(say, object=unit, cause="restart", evidence={"differs": shown})
    return passed("it runs as its unit says", object=unit)


def _pending(pending: Pending | Unavailable, url: str) -> list[Verdict]:
    files = f"{url} files"
    if isinstance(pending, Unavailable):
        return [error(msg("{reason}", reason=pending.reason), object=url, cause=pending.cause)]
    found = []
    if pending.restart:
        names = ", ".join(pending.restart)
        say = msg("{names} wait for a restart", names=names)
        found.append(warn(say, object=url, cause="restart", evidence={"settings": names}))
    else:
        found.append(passed("no setting waits for a restart", object=url))
    if pending.files_unread:
        found.append(error(msg("{reason}", reason=pending.files_unread), object=files, cause="denied"))
    elif pending.wrong:
        say = msg("{count} lines cannot be taken: {first}", count=len(pending.wrong), first=pending.wrong[0])
        found.append(fail(say, object=files, cause="wrong", evidence={"lines": len(pending.wrong)}))
    else:
        found.append(passed("every line of its files can be taken", object=files))
    return found


def _content(held: Setting | Digest | Unavailable) -> str | Unavailable:
    """What is compared, as text that differs where the values do."""
    if isinstance(held, Unavailable):
        return held
    if not held.found:
        return MISSING
    if isinstance(held, Digest):
        return DIGEST + held.sha256
    if held.withheld:
        return Unavailable(
            "what looks secret is not read; compare the whole file, without `key`", "unsupported"
        )
    return _written(held.value)


def _written(value: object) -> str:
    """Text in quotes and the rest bare, so that the number 1 is not the text "1"."""
    return msgspec.json.encode(value).decode()


def _brief(content: str) -> str:
    length = len(DIGEST) + 12 if content.startswith(DIGEST) else 60
    return content if len(content) <= length else content[:length] + "…"


def _unread(reading: Unavailable, present: bool) -> Verdict:
    """A file or key that is not there is an answer; anything else that hindered the reader is none."""
    if reading.cause != "absent":
        return error(msg("{reason}", reason=reading.reason), cause=reading.cause)
    if present:
        return fail(msg("{reason}", reason=reading.reason), cause="absent")
    return passed(msg("{reason}, as wanted", reason=reading.reason))


def _withheld(value: Matcher | None) -> Verdict:
    if value is None:
        return passed("it is set; its value is not shown, because its name looks secret")
    said = "its name looks secret, so its value is not read; name the right one with `secret`"
    return error(said, cause="unsupported")


def _shown(value: object) -> str:
    """A value in a sentence: nothing and empty text are told apart."""
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value) or "empty"
