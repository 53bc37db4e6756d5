"""Checks of the locale."""

from __future__ import annotations

from checks.facts.locales import ProcessLocale, Setting, SystemLocale, is_utf8
from checks.model import Scalar, Severity, Verdict
from checks.registry import check, unless, when
from checks.verdicts import fail, msg, passed, skip, warn

_UTF8_PAGE = "65001"


@check(
    "locale.utf8",
    severity=Severity.P2,
    about="process",
    owner="customer-it",
    system=unless("process", SystemLocale()),
    running=when("process", ProcessLocale("{process}")),
)
def utf8_locale(system: Setting | None, running: tuple[str, ...] | None, process: str = "") -> Verdict:
    """Programs get a locale with UTF-8.

    Without `process` it is what the system sets for services and logins (/etc/locale.conf,
    /etc/default/locale), and whether the C library has that locale: one that was never generated is none.
    With `process` it is what the running processes of that name have in LC_ALL, LC_CTYPE or LANG; nothing
    else of their environment is kept. A container where nothing is set is skipped: its programs get theirs
    from whoever starts it.

    Remedy: `localectl set-locale LANG=C.UTF-8` (or de_DE.UTF-8 and so on, made with `locale-gen` or
    `localedef` before); for one service `systemctl edit {process}` with `[Service]` and
    `Environment=LANG=C.UTF-8`; for a container `ENV LANG=C.UTF-8`. Restart what runs already. On Windows:
    Region, "Use Unicode UTF-8".
    Source: our judgement: names of customers and files are not ASCII; PostgreSQL's initdb, Python and Perl
    take the character set from there. That a name says UTF-8 by its codeset is locale(7).
    """
    if running is not None:
        return _of_process(running)
    assert system is not None
    evidence: dict[str, Scalar] = {"locale": system.name, "file": system.file}
    if system.code_page:
        return _of_windows(system.code_page)
    args: dict[str, Scalar] = {"name": system.name, "file": system.file}
    if not system.name:
        if system.container:
            return skip("nothing is set in this container", cause="container")
        return warn("no locale is set, so programs may take everything for ASCII", cause="unset")
    if not is_utf8(system.name):
        said = msg("{file} sets {name}, which is not UTF-8", **args)
        return fail(said, cause="not-utf8", evidence=evidence)
    if not system.known:
        said = msg("{file} sets {name}, which this system does not have", **args)
        return fail(said, cause="unknown", evidence=evidence)
    return passed(msg("{name}", **args), evidence=evidence)


def _of_process(running: tuple[str, ...]) -> Verdict:
    if not running:
        return skip("no process of that name is running", cause="absent")
    shown = ", ".join(name or "none" for name in running)
    evidence = {"locales": shown}
    others = [name or "none" for name in running if not is_utf8(name)]
    if others:
        said = msg("runs with locale {others}, which is not UTF-8", others=", ".join(others))
        return fail(said, cause="not-utf8", evidence=evidence)
    return passed(msg("runs with {shown}", shown=shown), evidence=evidence)


def _of_windows(page: str) -> Verdict:
    evidence = {"code_page": page}
    if page == _UTF8_PAGE:
        return passed("the code page is that of UTF-8", evidence=evidence)
    said = msg("programs that know no Unicode get code page {page}", page=page)
    return warn(said, cause="not-utf8", evidence=evidence)
