"""The resource types of goss that are about the network: port, addr, dns, interface, http."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from checks.goss.attributes import Attributes, Failed, Said, given_empty, matched, one_condition, presence
from checks.goss.conditions import Unmapped

_RECORDS: Final = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT")


def port(attributes: Attributes) -> Iterator[Said | Failed]:
    written = attributes.text("port", attributes.resource.id)
    found = re.fullmatch(r"(?:(tcp|udp)(6?):)?(\d{1,5})", written)
    if found is None or not 0 < int(found[3]) < 65536:
        raise Unmapped(f"{written!r:.60} is no port such as tcp:22 or udp6:53")
    base = {
        "port": int(found[3]),
        "protocol": found[1] or "tcp",
        "family": "ipv6" if found[2] else "ipv4",
    }
    yield from presence(attributes, "net.listening", base, "listening", "listening")
    if given_empty(attributes, "ip"):
        return
    yield from one_condition(
        attributes, "ip", "list", "net.listening", base | {"optional": True}, "addresses"
    )


def addr(attributes: Attributes) -> Iterator[Said | Failed]:
    written = attributes.text("address", attributes.resource.id)
    found = re.fullmatch(r"(?:(\w+)://)?(\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+):(\d{1,5})", written)
    if found is None or (found[1] or "tcp") not in ("tcp", "tcp4", "tcp6") or not 0 < int(found[3]) < 65536:
        raise Unmapped(
            f"{written!r:.60} is no address such as tcp://host:443; of others nothing is known here"
        )
    if (node := attributes.take("local-address")) is not None and node.value:
        yield Failed(
            "local-address", "from which of its addresses a machine connects cannot be chosen here", node
        )
        attributes.take("reachable")
        return
    base = {
        "host": found[2].strip("[]"),
        "port": int(found[3]),
        "timeout": attributes.seconds("timeout", 0.5),
    }
    yield from presence(attributes, "net.port_reach", base, "reachable", "reachable")


def dns(attributes: Attributes) -> Iterator[Said | Failed]:
    name = attributes.text("resolve", attributes.resource.id)
    server = attributes.text("server", "")
    kind, colon, _ = name.partition(":")
    if colon and kind.upper() in _RECORDS:
        raise Unmapped(
            f"{kind.upper()} records are not asked for here, only what the machine's own resolver says"
        )
    if server:
        raise Unmapped(f"the server {server:.60} is not asked here, only the machine's own resolver")
    base = {
        "name": name,
        "reverse": False,
        "warn_above": 3600,
        "timeout": max(attributes.seconds("timeout", 5.0), 5.0),
    }
    for each in ("resolvable", "resolveable"):
        yield from presence(attributes, "net.dns", base, each, "resolves")
    if given_empty(attributes, "addrs"):
        return
    yield from one_condition(attributes, "addrs", "list", "net.dns", base, "addresses")


def interface(attributes: Attributes) -> Iterator[Said | Failed]:
    base = {"name": attributes.text("name", attributes.resource.id)}
    there = base | {"optional": True}
    yield from presence(attributes, "net.interface", base)
    yield from one_condition(attributes, "addrs", "list", "net.interface", there, "addresses")
    yield from one_condition(attributes, "mtu", "text", "net.interface", there, "mtu")


def http(attributes: Attributes) -> Iterator[Said | Failed]:
    base: dict[str, Any] = {"url": attributes.text("url", attributes.resource.id)}
    base["timeout"] = attributes.seconds("timeout", 5.0)
    for name in ("cert-file", "key-file", "proxy"):
        if attributes.text(name, ""):
            raise Unmapped(f"{name} is not known here")
    method = attributes.text("method", "GET").upper()
    if method not in ("GET", "HEAD", "POST"):
        raise Unmapped(f"{method:.20} is not sent here: nothing is changed by looking")
    body = attributes.text("request-body", "")
    if body and method != "POST":
        raise Unmapped(f"a request-body is sent with POST only, not with {method}")
    user, password = attributes.text("username", ""), attributes.text("password", "")
    if password and not re.fullmatch(r"env:[A-Za-z_]\w*|file:/.+", password):
        raise Unmapped("a password does not stand in a file here: write password: env:NAME, or file:/path")
    more = {
        "method": method,
        "body": body,
        "user": user,
        "password": password,
        "headers": attributes.texts("request-headers") or attributes.texts("request-header"),
        "ca": attributes.text("ca-file", ""),
    }
    base |= {name: value for name, value in more.items() if value and value != "GET"}
    base |= {"verify": False} if attributes.flag("allow-insecure") else {}
    base |= {"follow": False} if attributes.flag("no-follow-redirects") else {}
    yield from one_condition(attributes, "status", "text", "http.ok", base, "status")
    for name, part, older in (("body", "body", ()), ("headers", "headers", ("header",))):
        if given_empty(attributes, name) or any(given_empty(attributes, each) for each in older):
            continue
        for said, failed in matched(attributes, name, "lines", *older):
            where = {"part": part} if part != "body" else {}
            yield failed or (name, "http.text", base | where | {"text": said})
