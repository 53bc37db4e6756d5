"""What goss files ask for and little else does: links, sums, texts, groups, mounts, interfaces."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.facts.given import GivenContent
from checks.facts.groups import Group
from checks.facts.interfacestate import DeviceAddresses, NetworkDevice
from checks.facts.links import FileSum, SymbolicLink
from checks.facts.mountpoint import MountPoint
from checks.facts.texts import CommandText, FileText
from checks.facts.webtext import WebText

if TYPE_CHECKING:
    from checks.fact import Fact

_ports: dict[str, int] = {}
TEXT = '{"all":[{"some":{"matches":"^b$"}},{"not":{"contains":"zz"}}]}'


def samples(world: Any) -> dict[str, Fact]:
    folder, web = f"{world.folder}/goss", _ports.get("web", 1)
    return {
        "SymbolicLink": SymbolicLink(f"{folder}/link"),
        "SymbolicLink that leads nowhere": SymbolicLink(f"{folder}/lost"),
        "SymbolicLink in a circle": SymbolicLink(f"{folder}/circle"),
        "SymbolicLink with an odd target": SymbolicLink(f"{folder}/odd"),
        "SymbolicLink that is a file": SymbolicLink(f"{folder}/text"),
        "SymbolicLink that is not there": SymbolicLink(f"{folder}/nowhere"),
        "FileSum": FileSum(f"{folder}/text"),
        "FileSum by MD5": FileSum(f"{folder}/text", "md5"),
        "FileSum of an odd name": FileSum(f"{folder}/back\\slash\n", "md5"),
        "FileSum of a folder": FileSum(folder),
        "FileSum that is not there": FileSum(f"{folder}/nowhere"),
        "FileSum that may not be read": FileSum(f"{folder}/closed"),
        "FileText": FileText(f"{folder}/text", TEXT),
        "FileText that is not so": FileText(f"{folder}/text", '{"contains":"zz"}'),
        "FileText that is binary": FileText(f"{folder}/binary", TEXT),
        "FileText that is too long for its pattern": FileText(f"{folder}/long", '{"matches":"x"}'),
        "FileText that is not there": FileText(f"{folder}/nowhere", TEXT),
        "FileText that may not be read": FileText(f"{folder}/closed", TEXT),
        "CommandText": CommandText(("printf 'a\\nb\\n'; exit 3",), shell=True, condition=TEXT),
        "CommandText of errors": CommandText(
            ("ls", "/flt-nosuch"), stream="stderr", condition='{"length":0}'
        ),
        "CommandText that is long": CommandText(("seq", "1", "9999"), condition='{"some":{"equals":"9999"}}'),
        "CommandText of nothing": CommandText(("flt-nosuch",), condition=TEXT),
        "WebText": WebText(f"http://127.0.0.1:{web}/", condition='{"contains":"well"}'),
        "WebText of headers": WebText(
            f"http://127.0.0.1:{web}/", part="headers", condition='{"contains":"X-Ab: 1"}'
        ),
        "WebText refused": WebText(f"http://127.0.0.1:{world.closed_port}/", condition=TEXT),
        "Group": Group("root"),
        "Group that is not there": Group("flt-nosuch"),
        "Group of a wrong name": Group("-g"),
        "MountPoint": MountPoint("/proc"),
        "MountPoint of nothing": MountPoint(folder),
        "NetworkDevice": NetworkDevice("lo"),
        "NetworkDevice that is not there": NetworkDevice("flt9"),
        "NetworkDevice of a wrong name": NetworkDevice("../lo"),
        "DeviceAddresses": DeviceAddresses("lo"),
        "DeviceAddresses of nothing": DeviceAddresses("flt9"),
        "GivenContent": GivenContent('{"a": [1, null]}'),
        "GivenContent that is none": GivenContent("{"),
        "GivenContent that is unmapped": GivenContent("", "MX records are not asked for here"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    own = folder / "goss"
    own.mkdir()
    (own / "text").write_text("a\nb\nc\n")
    (own / "back\\slash\n").write_text("odd")
    (own / "binary").write_bytes(b"\0\1")
    (own / "long").write_text("y" * 5000)
    (own / "closed").write_text("closed")
    (own / "closed").chmod(0)
    for name, target in (
        ("link", "text"),
        ("lost", "/flt-nosuch"),
        ("circle", "circle"),
        ("odd", "two\nlines "),
    ):
        (own / name).symlink_to(target)
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    _ports["web"] = listener.getsockname()[1]
    stack.callback(_ports.clear)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link, contextlib.suppress(OSError):
                    link.settimeout(10)
                    if link.recv(4096):
                        link.sendall(b"HTTP/1.1 200 OK\r\nx-ab: 1\r\nContent-Length: 11\r\n\r\nall is well")

    taker = threading.Thread(target=serve, daemon=True)
    taker.start()
    stack.callback(taker.join, 5)
    stack.callback(listener.shutdown, socket.SHUT_RDWR)
