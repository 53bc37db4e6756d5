"""Checks of proxy settings."""

from __future__ import annotations

from typing import Final

from checks.fact import Unavailable
from checks.facts.proxy import Proxies, ProxySettings, ProxyTunnel, Tunnel
from checks.facts.proxyrules import wrong_settings
from checks.model import Scalar, Severity, Verdict
from checks.registry import check, when
from checks.units import Span
from checks.verdicts import error, fail, msg, passed


@check(
    "net.proxy",
    severity=Severity.P2,
    about="system",
    owner="network",
    proxies=ProxySettings("{process}"),
    tunnel=when("reaches", ProxyTunnel("{reaches}", "{proxy}", "{process}", "{login}", "{timeout}")),
)
def proxy_settings(
    proxies: Proxies,
    tunnel: Tunnel | Unavailable | None,
    proxy: str = "",
    process: str = "",
    internal: tuple[str, ...] = (),
    required: bool = False,
    reaches: str = "",
    login: str = "",
    timeout: Span = 5,
) -> Verdict:
    """Proxy settings are right, and leave internal hosts out.

    Looked at are the proxy variables of /etc/environment, /etc/profile.d and apt, and with `process` those of
    the running program. In each place small and capital letters have to say the same, since some programs
    read only one; an address has to be one; and every host of `internal` has to be covered by `no_proxy` (as
    name, parent domain, address or network). `proxy` is the address that is right, `required` says that there
    has to be one. `reaches` is a `host:port` that the proxy has to let through: it is asked to connect there,
    and nothing is sent. `login` names its secret, `user:password`, as env:NAME or file:/path.

    Remedy: set `http_proxy`, `https_proxy` and `no_proxy`, and the same in capitals, in /etc/environment; for
    a service in its unit (`systemctl edit`, `Environment=`), and restart it. `curl -v -x <proxy>
    https://<host>` shows what the proxy says; ask its people to let the destination pass.
    Source: our judgement: what goes to internal hosts through a proxy fails in ways that look like anything
    else; the rules of no_proxy are those of curl 7.86 and later, which most programs share.
    """
    evidence: dict[str, Scalar] = {
        each.where: "; ".join(f"{name} {value}" for name, value in sorted(each.settings.items()))
        for each in proxies.sources[:20]
    }
    for source in proxies.sources:
        for cause, wrong in wrong_settings(source.settings, proxy, internal, "/apt/" in source.where):
            told = msg("{where}: {said}", where=source.where, said=wrong)
            return fail(told, cause=cause, evidence=evidence)
    if not proxies.sources and required:
        return fail("no proxy is set", cause="missing")
    if isinstance(tunnel, Unavailable):
        if tunnel.cause == "absent":
            return fail("no proxy is set", cause="missing")
        return error(msg("{reason}", reason=tunnel.reason), cause=tunnel.cause, evidence=evidence)
    if tunnel is not None:
        evidence |= {"proxy": tunnel.proxy, "status": tunnel.status, "outcome": tunnel.outcome}
        if tunnel.outcome != "open":
            said = msg(_PROXY_SAYS.get(tunnel.outcome, _FAILED), proxy=tunnel.proxy, detail=tunnel.detail)
            return fail(said, cause=tunnel.outcome, evidence=evidence)
        return passed(msg("{proxy} lets through to {reaches}", proxy=tunnel.proxy), evidence=evidence)
    if not proxies.sources:
        return passed("no proxy is set")
    return passed(msg("{count} places agree with themselves", count=len(proxies.sources)), evidence=evidence)


_FAILED: Final = "the connection failed: {detail}"
_PROXY_SAYS: Final = {
    "login": "{proxy} wants a login (407)",
    "denied": "{proxy} does not let through to {reaches}: {detail}",
    "broken": "{proxy} gave no answer of a proxy: {detail}",
    "refused": "{proxy} refused the connection",
    "timeout": "{proxy}: {detail}",
    "dns": "the name of {proxy} is not known: {detail}",
    "no-route": "there is no route to {proxy}: {detail}",
}
