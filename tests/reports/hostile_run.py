"""A run whose every text tries to break the format that it is put into."""

from __future__ import annotations

from sample_run import result, view

from checks.model import Message, ProfileRef, Result, Severity, Status, Target
from reports.run.view import Delivery, RunView

TEXTS = (
    "]]> <script>alert(1)</script> <!-- & \" ' --> &amp;",
    "=1+1|cmd' /C calc'!A0",
    "\t=1+1",
    "  @SUM(A1)",
    "\uff1d1",
    "a\x00b\x1b[2J\x07\x85 \u202egnp.exe \u2066x",
    "\ufffe\uffff\ud800 lone",
    "one\r\ntwo\nthree\u2028four",
    "| pipe | 'q'=1;2;3 | *bold* _x_ # ![p](http://evil.test/x.png) [l](javascript:alert) `",
    "# heading\n\n- list\n> quote\n```\ncode",
    "{0} {{x}} [link](1) \\ back\\slash",
    "",
    "汉字 é 🙂",
    "https://evil.test www.evil.test",
    "x" * 4000,
)


def hostile() -> RunView:
    """One result of every status for every text, at two targets."""
    found: list[Result] = []
    for number, text in enumerate(TEXTS):
        for status in Status:
            found.append(
                result(
                    text[:150] or "empty",
                    status,
                    list(Severity)[number % 4],
                    object=f"{text[:300]}{status}",
                    message=Message("{said}", {"said": text}),
                    title=text[:400],
                    remedy=text,
                    cause=text[:80],
                    owner=text[:90],
                    check=f"area.{text[:50]}",
                    target="a" if number % 2 else text[:150] or "b",
                    evidence={text[:60]: text, "n_percent": 1.5, text[:50] + "=ms": -3, "yes": True},
                )
            )
    return view(
        *found,
        site=TEXTS[0],
        title=TEXTS[0],
        operator=TEXTS[5],
        profile=ProfileRef("p" + TEXTS[5], TEXTS[9][:90]),
        targets=tuple(Target(text[:150] or "b") for text in TEXTS),
        delivery=Delivery("sent", "sent", "javascript:alert(1)"),
        changes={each.key: TEXTS[number % len(TEXTS)] for number, each in enumerate(found)},
        baseline=TEXTS[8],
        unplaced=(TEXTS[8],),
    )
