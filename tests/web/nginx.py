"""A real nginx: plain HTTP on one loopback address, and a kind of certificate on each of several others."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services import program
from web_certificates import issue, weak_key

PLAIN = "127.0.0.10"
KINDS = {
    "good": "127.0.0.11",
    "expired": "127.0.0.12",
    "self-signed": "127.0.0.13",
    "wrong-host": "127.0.0.14",
    "incomplete": "127.0.0.15",
    "soon": "127.0.0.16",
    "old": "127.0.0.17",
    "client": "127.0.0.18",
    "unknown-root": "127.0.0.19",
    "weak": "127.0.0.20",
    "later": "127.0.0.21",
    "two things": "127.0.0.22",
}

_LOCATIONS = """
    location = /ok { default_type text/plain; return 200 "all is well\\npassword=hunter2\\n"; }
    location = /json { default_type application/json;
      add_header X-Version 2.7.1; add_header Set-Cookie "session=abc";
      return 200 '{"status": "UP", "token": "abc", "parts": [{"name": "db", "free": 12}]}'; }
    location = /redirect { return 302 /ok; }
    location = /circle { return 302 /circle; }
    location = /login-first { return 302 /ok?code=very-secret; }
    location = /away { return 302 http://127.0.0.10:@PORT@/headers; }
    location = /nowhere { return 302 ftp://127.0.0.10/; }
    location = /broken { return 503 "no"; }
    location = /headers { default_type text/plain; return 200
"auth=[$http_authorization] key=[$http_x_api_key]
cookie=[$http_cookie] method=[$request_method]"; }
    location = /basic { auth_basic x; auth_basic_user_file @FOLDER@/users; try_files /none @inside; }
    location @inside { default_type text/plain; return 200 "inside"; }
    location = /post { default_type text/plain; return 200 "$request_method $content_length"; }
"""


@dataclass(frozen=True)
class Web:
    """Where it runs; `ca` is the root that the good ones are signed under."""

    port: int
    folder: Path
    ca: str

    def at(self, kind: str) -> str:
        return f"{KINDS[kind]}:{self.port}"

    def url(self, path: str, kind: str = "") -> str:
        return f"https://{self.at(kind)}{path}" if kind else f"http://{PLAIN}:{self.port}{path}"


@contextlib.contextmanager
def start_nginx(folder: Path) -> Iterator[Web]:
    nginx = program("nginx", "nginx-light")
    _make_certificates(folder)
    (folder / "users").write_text("ann:{PLAIN}open sesame\n")
    (folder / "www").mkdir()
    (folder / "www/big").write_bytes(b"x" * 3_000_000)
    port = _free_port([PLAIN, *KINDS.values()])
    (folder / "nginx.conf").write_text(_configuration(folder, port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(process, port, folder)
        yield Web(port, folder, str(folder / "root.pem"))
    finally:
        process.terminate()
        process.wait(10)


def _make_certificates(folder: Path) -> None:
    root = issue("Test Root", authority=True)
    middle = issue("Test Intermediate", root, authority=True)
    strange = issue("Strange Root", authority=True)
    (folder / "root.pem").write_bytes(root.pem)

    def names(kind: str) -> list[str]:
        return [KINDS[kind], f"{kind.replace(' ', '-')}.example", "*.wild.example", "xn--bcher-kva.example"]

    issue("good", middle, names=names("good"), days=(-1, 90)).write(folder, "good", [middle])
    issue("expired", middle, names=names("expired"), days=(-30, -3)).write(folder, "expired", [middle])
    issue("self-signed", names=names("self-signed")).write(folder, "self-signed")
    issue("wrong-host", middle, names=["other.example"]).write(folder, "wrong-host", [middle])
    issue("incomplete", middle, names=names("incomplete")).write(folder, "incomplete")
    issue("soon", middle, names=names("soon"), days=(-1, 20.5)).write(folder, "soon", [middle])
    issue("old", middle, names=names("old")).write(folder, "old", [middle])
    issue("client", middle, names=names("client")).write(folder, "client", [middle])
    inner = issue("Strange Intermediate", strange, authority=True)
    issue("unknown-root", inner, names=names("unknown-root")).write(folder, "unknown-root", [inner])
    issue("weak", middle, names=names("weak"), key=weak_key()).write(folder, "weak", [middle])
    issue("later", middle, names=names("later"), days=(3, 90)).write(folder, "later", [middle])
    issue("two things", names=["other.example"], days=(-30, -3)).write(folder, "two things")


def _configuration(folder: Path, port: int) -> str:
    locations = _LOCATIONS.replace("@FOLDER@", str(folder)).replace("@PORT@", str(port))
    protocols = {"old": "TLSv1 TLSv1.1"}
    more = {"client": f"ssl_verify_client on; ssl_client_certificate {folder}/root.pem;"}
    servers = [f"server {{ listen {PLAIN}:{port}; root {folder}/www; gzip on; gzip_types *; {locations} }}"]
    servers += [
        f"""server {{ listen {address}:{port} ssl; root {folder}/www;
        ssl_certificate "{folder}/{kind}.pem"; ssl_certificate_key "{folder}/{kind}.key";
        ssl_protocols {protocols.get(kind, "TLSv1.2 TLSv1.3")}; ssl_ciphers "ALL:@SECLEVEL=0";
        {more.get(kind, "")} {locations} }}"""
        for kind, address in KINDS.items()
    ]
    temporary = "\n".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; {temporary}
{chr(10).join(servers)}
}}
"""


def _free_port(addresses: list[str]) -> int:
    """A port that is free on all of them."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((addresses[0], 0))
            port: int = first.getsockname()[1]
            try:
                for address in addresses[1:]:
                    stack.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port


def _wait_for(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((PLAIN, port), 1):
            return
        time.sleep(0.02)
    said = "".join(path.read_text() for path in (folder / "log", folder / "error.log") if path.exists())
    raise RuntimeError(f"nginx did not start: {said}")
