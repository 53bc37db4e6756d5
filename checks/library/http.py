"""Checks of what web servers answer."""

from __future__ import annotations

from typing import Final, Literal

from checks.facts.config import Setting
from checks.facts.http import WebAnswer, WebPage
from checks.facts.texts import Held
from checks.facts.webtext import WebText
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.patterns import Pattern
from checks.registry import check
from checks.units import Span
from checks.verdicts import error, fail, msg, passed, warn

_SAYS: Final = {
    "refused": "the connection was refused: the host answers, nothing listens there or a firewall rejects",
    "timeout": "{detail}",
    "dns": "the name is not known: {detail}",
    "no-route": "there is no route: {detail}",
    "failed": "the connection failed: {detail}",
    "tls": "no TLS connection came about: {detail}",
    "broken": "what it answered is not HTTP: {detail}",
    "redirects": "{detail}",
}


@check(
    "http.ok",
    severity=Severity.P1,
    about="url",
    owner="vendor",
    answer=WebPage(
        "{url}", "{method}", "{headers}", "{body}", "{follow}", "{verify}", "{ca}",
        "{user}", "{password}", "{bearer}", "{timeout}", "{contains}", "{matches}", "{json}", "{header}",
    ),
)  # fmt: skip
def answering_page(
    answer: WebAnswer,
    url: str,
    method: Literal["GET", "HEAD", "POST"] = "GET",
    status: Matcher | None = None,
    contains: str = "",
    matches: Pattern = "",
    json: str = "",
    header: str = "",
    value: Matcher | None = None,
    warn_above: Span | None = None,
    timeout: Span = 5,
    follow: bool = True,
    headers: tuple[str, ...] = (),
    body: str = "",
    user: str = "",
    password: str = "",
    bearer: str = "",
    verify: bool = True,
    ca: str = "",
) -> Verdict:
    """A web address answers as it should.

    `status` is a condition, any 2xx without one. Of the body, of which 1 MiB is read, `contains` is a text in
    it, `matches` a regular expression found in one of its lines, `json` a dotted path such as
    `checks[0].status`; `header` is the name of a header; `value` is the condition on what is found at `json`
    or in `header` (give one of both), which without one only has to be there. `timeout` is for everything:
    name, connections, redirects, body; `warn_above` warns before. Up to ten redirects are followed, each
    from where the first request was made; a login goes to no other server.

    `user` with `password`, or `bearer`, log in: the secrets are named, `env:NAME` or `file:/path`, and so are
    headers that carry one, `headers: ["X-Api-Key: env:KEY"]`, and a `body` that does. Certificates are
    verified against those that the agent's machine trusts, or those in the file `ca` there; `verify: false`
    takes any. No proxy and no cookies are used. At a target reached over SSH the request is made from there;
    the way to the target is in the time, which is then shown and not judged.

    Remedy: `curl -sv -o /dev/null {url}` from that host shows the same. Refused or no answer: is the service
    up (`systemctl status`), does it listen (`ss -ltn`), does a firewall drop it? 5xx: the service's own log;
    502 and 504: what stands behind the proxy. A certificate: tls.verify tells more.
    Source: our judgement: 5 s is as long as a person or a load balancer waits.
    """
    evidence: dict[str, Scalar] = {
        "outcome": answer.outcome,
        "status": answer.status,
        "latency_ms": answer.latency_ms,
        "hops": " → ".join(answer.hops),
        "size": answer.size,
    }
    if answer.outcome != "answered":
        certificate = "the certificate is not trusted: {detail}"
        said = _SAYS.get(
            answer.outcome, certificate if answer.outcome.startswith("tls-") else _SAYS["failed"]
        )
        return fail(msg(said, detail=answer.detail), cause=answer.outcome, evidence=evidence)
    if status is not None and not status.holds(answer.status):
        told = msg("it answered {code}, wanted: {wanted}", code=answer.status, wanted=str(status))
        return fail(told, cause="status", evidence=evidence)
    if status is None and not 200 <= answer.status < 300:
        return fail(msg("it answered {code}", code=answer.status), cause="status", evidence=evidence)
    for found, cause, what in (
        (answer.contains, "contains", "the body does not contain {contains}"),
        (answer.matches, "matches", "nothing in the body matches {matches}"),
    ):
        if found is False:
            if answer.cut:
                return error("the body is larger than 1 MiB, and the rest was not read", cause="too-large")
            return fail(what, cause=cause, evidence=evidence)
    if answer.unread is not None:
        return error(
            msg("{reason}", reason=answer.unread.reason), cause=answer.unread.cause, evidence=evidence
        )
    wrong = _value(answer.json, json, value, evidence) or _value(answer.header, header, value, evidence)
    if wrong is not None:
        return wrong
    say = msg("{code} in {latency} ms", code=answer.status, latency=round(answer.latency_ms, 1))
    if warn_above is not None and not answer.tunnelled and answer.latency_ms > warn_above * 1000:
        return warn(say, cause="slow", evidence=evidence)
    return passed(say, evidence=evidence)


@check(
    "http.text",
    severity=Severity.P1,
    about="url",
    owner="vendor",
    held=WebText(
        "{url}", "{method}", "{headers}", "{body}", "{follow}", "{verify}", "{ca}",
        "{user}", "{password}", "{bearer}", "{timeout}", part="{part}", condition="{text}",
    ),
)  # fmt: skip
def page_text(
    held: Held,
    url: str,
    text: Matcher,
    part: Literal["body", "headers"] = "body",
    method: Literal["GET", "HEAD", "POST"] = "GET",
    timeout: Span = 5,
    follow: bool = True,
    headers: tuple[str, ...] = (),
    body: str = "",
    user: str = "",
    password: str = "",
    bearer: str = "",
    verify: bool = True,
    ca: str = "",
) -> Verdict:
    """What a web address answers meets a condition as a whole.

    `text` is held against the body, of up to 1 MiB, or against all headers, `Name: value` on a line each,
    whatever the status is: ``{contains: a}``, ``{some: {matches: "^b"}}`` for a line, ``{not: {contains:
    c}}``. Of the text nothing comes into the report but which parts of the condition do not hold. How the
    request is made is said as for http.ok.

    Remedy: `curl -si {url}` from that host shows what came; then the service's own log.
    Source: our judgement; the profile that sets the condition names its source.
    """
    if not held.found:
        return fail(msg("there is no answer: {why}", why=held.start), cause="no-answer")
    evidence: dict[str, Scalar] = {"status": held.status, "lines": held.lines}
    if not held.holds:
        said = msg("the {part} is not as wanted: {failing}", failing="; ".join(held.failing))
        return fail(said, cause=part, evidence=evidence)
    return passed(msg("the {part} is as wanted ({status})", status=held.status), evidence=evidence)


def _value(
    found: Setting | None, name: str, value: Matcher | None, evidence: dict[str, Scalar]
) -> Verdict | None:
    """What is wrong with a part of the answer; None where nothing is, or it was not asked for."""
    if found is None:
        return None
    if not found.found:
        return fail(msg("there is no {name} in the answer", name=name), cause="missing", evidence=evidence)
    if found.withheld:
        if value is None:
            return None
        return error(msg("{name} looks secret, so its value is not read", name=name), cause="unsupported")
    actual = "nothing" if found.value is None else str(found.value)
    evidence[name] = actual
    if value is None or value.holds(found.value):
        return None
    said = msg("{name} is {actual}, wanted: {wanted}", name=name, actual=actual, wanted=str(value))
    return fail(said, cause="differs", evidence=evidence)
