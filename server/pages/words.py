"""How pages say things: moments, ages, shares, and the machine's short words in plain English.

Everything here is a Jinja filter or a table the templates read; nothing asks the database.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

STATUS = {
    "pass": "pass",
    "warn": "warning",
    "fail": "fail",
    "error": "could not tell",
    "skip": "does not apply",
    "manual": "manual",
    "gone": "object gone",
}

SEVERITY = {
    "P0": "stops the business; a human answers within one hour",
    "P1": "urgent",
    "P2": "soon",
    "P3": "when convenient",
}

UNATTRIBUTED = {
    "site": "It stands outside every project, so it belongs to the site.",
    "no-holder": "Nobody held (all of) the role in the project when it opened.",
    "first-seen": "It was never seen in a decisive state before, so nobody here is known to have caused it.",
    "warned-before": "It did not pass when it was last seen before it opened.",
    "rule-changed": "The rule changed since it last passed, so the pass and the failure cannot be compared.",
    "not-seen-since-handover": "It had not been seen passing since the holder took over.",
    "before-baseline": "It opened and closed before the handover baseline.",
}
"""Why a part of an episode is nobody's, by the reason that attribution stored."""

CHARGED = {
    "holder": "Held the role when it opened, and it had passed under the same rule since they took over.",
    "predecessor": "It already failed at the handover baseline, so it stays with who handed over.",
    "ruling": "Decided by a ruling.",
}

STATE = {
    "open": "open",
    "lapsed": "lapsed: no longer checked, never seen passing",
    "closed": "closed",
}

CLOSED = {
    "verified": "verified by a passing run under the same rule",
    "rule-changed": "passed only after the rule had changed, so it does not count as verified",
}

HELD = {
    "skew": "The agent's clock was more than 24 hours off. An administrator decides whether the run counts.",
    "fork": "Another run claims the same place in the agent's sequence: a cloned machine or a restored disk."
    " The agent's page says what can be done.",
}

FLAGS = {
    "skew": "clock off by more than 5 minutes",
    "adhoc": "ad hoc: does not open, close or count",
    "fork": "sequence claimed twice",
    "other-machine": "made on another machine than the enrolled one",
    "left": "on a branch that an administrator has left for another",
    "part-adhoc": "partly ad hoc: results under a rule nobody accepted do not count",
}

SITE_STATE = {
    "red": "needs action",
    "amber": "needs attention",
    "green": "in order",
    "grey": "never reported",
}

AGENT_STATE = {
    "forked": "forked",
    "late": "late",
    "revoked": "revoked",
    "new": "not seen yet",
    "fine": "on time",
}

AGENT_CHIP = {"forked": "red", "late": "amber", "revoked": "quiet", "new": "quiet", "fine": "green"}
"""The stylesheet's word for the colour of an agent's state."""

DEED = {
    "enrol": "enrolled",
    "enrol-again": "enrolled again",
    "rotate-key": "took a new key",
    "revoke-agent": "revoked its keys",
    "accept-branch": "accepted a branch",
}

CAUSE = {
    "implementation": "implementation",
    "product": "product",
    "environment": "the customer's environment",
    "third_party": "a third party",
    "unknown": "unknown (counts as implementation once the unit matures)",
}

MATURITY = {"mature": "counts", "pending": "too early to say", "unverifiable": "could not be verified"}
EXCLUSION = {
    "customer-request": "requested by the customer",
    "data-error": "wrong data",
    "planned-maintenance": "planned maintenance",
    "force-majeure": "force majeure",
    "duplicate": "counted twice",
}


def said(word: str, table: dict[str, str]) -> str:
    """The plain words for a short one, or the short one itself where the table does not know it."""
    return table.get(word, word)


def reasons(stored: str) -> list[str]:
    """The sentences for a stored set of reasons (short words with commas between)."""
    return [said(word.strip(), UNATTRIBUTED) for word in stored.split(",") if word.strip()]


def flags(stored: str) -> list[str]:
    """The short words in a receipt's flags."""
    return stored.replace(",", " ").split()


def utc(moment: datetime) -> str:
    """``2025-03-01 14:05 UTC``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(moment: datetime) -> str:
    """``2025-03-01``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def iso(moment: datetime) -> str:
    """For the datetime attribute: RFC 3339 with Z, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(length: timedelta | float | int) -> str:
    """A length of time in its two largest useful parts: ``3 d 4 h``, ``12 min``; seconds when a number."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min"
    if seconds < 10 * HOUR:
        minutes = seconds % HOUR // MINUTE
        return f"{seconds // HOUR:.0f} h" + (f" {minutes:.0f} min" if minutes else "")
    if seconds < 2 * DAY:
        return f"{seconds // HOUR:.0f} h"
    if seconds < 10 * DAY:
        hours = seconds % DAY // HOUR
        return f"{seconds // DAY:.0f} d" + (f" {hours:.0f} h" if hours else "")
    return f"{seconds // DAY:.0f} d"


def every(seconds: int) -> str:
    """An interval as people say it: ``every day``, ``every 6 h``."""
    names = {3600: "hour", 86_400: "day", 604_800: "week"}
    return f"every {names[seconds]}" if seconds in names else f"every {span(seconds)}"


def ago(moment: datetime, now: datetime) -> str:
    """How long before (or after) now a moment lies."""
    if abs(now - moment) < timedelta(seconds=5):
        return "just now"
    return f"{span(now - moment)} ago" if moment <= now else f"in {span(moment - now)}"


def clip(text: str, length: int = 300) -> str:
    """At most `length` characters of a text that came from outside, with control characters made visible."""
    text = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= length else text[: length - 1] + "…"


def unmarked(name: str) -> str:
    """A name beside which the page says "example" itself, without the name's own mark."""
    return name.removesuffix(" (example)")


def prose(text: str) -> Markup:
    """A text from outside, escaped, with what stands between backticks set as code."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # an odd backtick stays what it is
        parts[-2:] = [parts[-2] + "`" + parts[-1]]
    set_as_code = (Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts))
    return Markup("").join(set_as_code)


def percent(share: float, digits: int = 0) -> str:
    """``42 %`` for 0.42."""
    return f"{share * 100:.{digits}f} %"


def count(number: float) -> str:
    """A count as it is said: whole where it is whole, else with up to two decimals (weighted units)."""
    rounded = round(number, 2)
    return f"{rounded:.0f}" if rounded == int(rounded) else f"{rounded:.2f}".rstrip("0")


def size(octets: float) -> str:
    """``62.1 KiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if octets < 1024 or unit == "GiB":
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1024
    raise AssertionError("unreachable")
