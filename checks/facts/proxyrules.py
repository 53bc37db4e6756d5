"""Proxy variables: how files write them, which hosts they leave out, and what is wrong with them.

Passwords are masked before anything is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from checks.facts.secrets import masked

NAMES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_SET: Final = r"\s*(?:export\s+|declare\s+-x\s+|setenv\s+)?([A-Za-z]{2,5}_(?:proxy|PROXY))(?:\s*=\s*|\s+)(.*)"
_APT_FLAT: Final = r'(?i)Acquire::(https?|ftp)::proxy\s+"([^"\n]{0,2000})"'
_APT_DEEP: Final = r'(?i)(?<![\w:])(https?|ftp)\s*\{[^{}]{0,300}?\bproxy\s+"([^"\n]{0,2000})"'
_URL: Final = (
    r"(?:(https?|socks[45][ah]?)://)?(?:[^@/\s]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(?::(\d{1,5}))?/?"
)


def parse_variables(text: str) -> dict[str, str]:
    """Proxy variables that lines of pam_env or of a shell set; a value that a shell would work out is left
    out."""
    found = {}
    for line in text.splitlines():
        match = re.match(_SET, line[:4000])
        if match is None or match[1].lower() not in NAMES:
            continue
        value = match[2].strip()
        if value[:1] in ("'", '"'):
            value = value[1:].partition(value[0])[0]
        else:
            value = re.split(r"[;#]|\s", value, maxsplit=1)[0]
        if "$" not in value and "`" not in value:
            found[match[1]] = kept(match[1], value)
    return found


def parse_apt(text: str) -> dict[str, str]:
    """Proxies of apt.conf(5), flat or in braces; ``DIRECT`` is none."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("//", "#")))
    found = {}
    for pattern in (_APT_DEEP, _APT_FLAT):
        for kind, value in re.findall(pattern, plain):
            if value.upper() != "DIRECT":
                found[f"{kind.lower()}_proxy"] = kept("proxy", value)
    return found


def parse_environment(data: bytes) -> dict[str, str]:
    """Proxy variables out of /proc/PID/environ; of all others not even the name is kept."""
    found = {}
    for entry in data.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals and len(name) < 12 and name.lower().decode("ascii", errors="replace") in NAMES:
            text = name.decode("ascii")
            found[text] = kept(text, value[:4000].decode(errors="replace"))
    return found


def place_of(proxy: str) -> tuple[str, str, int] | None:
    """Scheme (``http`` where none is named), host and port of a proxy's address; None where it is none."""
    found = re.fullmatch(_URL, proxy.strip()[:4000])
    if found is None:
        return None
    scheme = found[1] or "http"
    port = int(found[3] or {"https": 443, "http": 80}.get(scheme, 1080))
    return (scheme, found[2].strip("[]"), port) if 0 < port < 65536 else None


def shown(proxy: str) -> str:
    """A proxy's address without its password."""
    proxy = proxy.strip()
    return masked(proxy if "://" in proxy or "@" not in proxy else f"http://{proxy}")[:500]


def excluded(host: str, no_proxy: str) -> bool:
    """Whether a host is not to be asked for through the proxy.

    Entries are names (which stand for what is below them too, with or without a dot or ``*.`` before),
    addresses, networks such as ``10.0.0.0/8``, or ``*``; a port behind one narrows nothing here.
    """
    wanted = host.strip("[]").rstrip(".").lower()
    address = _address(wanted)
    for entry in re.split(r"[,\s|]+", no_proxy.lower())[:1000]:
        if entry == "*":
            return True
        if address is not None:
            if _holds(entry, address):
                return True
        elif entry:
            name = re.sub(r":\d+$", "", entry).removeprefix("*").lstrip(".").rstrip(".")
            if name and (wanted == name or wanted.endswith(f".{name}")):
                return True
    return False


def wrong_settings(
    settings: Mapping[str, str], proxy: str, internal: tuple[str, ...], apt: bool
) -> list[tuple[str, str]]:
    """What is wrong in one place, as cause and sentence."""
    found = []
    for name, value in sorted(settings.items()):
        other = settings.get(name.upper() if name.islower() else name.lower(), value)
        if other != value and name.islower():
            found.append(("case", f"{name} is {value}, and {name.upper()} {other}"))
        if name.lower() == "no_proxy" or not value:
            continue
        if place_of(value) is None:
            found.append(("malformed", f"{name} is {value}, which is no address of a proxy"))
        elif proxy and place_of(value) != place_of(proxy):
            found.append(("differs", f"{name} is {value}, and should be {shown(proxy)}"))
    proxied = any(value for name, value in settings.items() if name.lower() != "no_proxy")
    if proxied and not apt:
        for name in [each for each in ("no_proxy", "NO_PROXY") if each in settings] or ["no_proxy"]:
            left = [host for host in internal if not excluded(host, settings.get(name, ""))]
            if left:
                found.append(("internal", f"{name} does not leave out {', '.join(left[:5])}"))
    return found


def _address(text: str) -> object | None:
    from ipaddress import ip_address

    try:
        return ip_address(text)
    except ValueError:
        return None


def _holds(entry: str, address: object) -> bool:
    from ipaddress import ip_network

    try:
        network = ip_network(entry.strip("[]") if entry.endswith("]") else entry, strict=False)
    except ValueError:
        return False
    return address in network if type(address).__name__[:4] == type(network).__name__[:4] else False


def kept(name: str, value: str) -> str:
    return value[:2000] if name.lower() == "no_proxy" else shown(value)
