"""A site as web-nginx wants it, served by a real nginx on loopback; each setting can be broken."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from database_servers import free_port, listening, running, wait_for
from services import program
from web_certificates import issue


@dataclass(frozen=True)
class Site:
    """Where it listens on 127.0.0.1, with and without TLS, and its files."""

    port: int
    plain: int
    folder: Path

    @property
    def variables(self) -> dict[str, object]:
        """Those of the profile web-nginx for it."""
        return {
            "web_port": self.port,
            "web_address": f"127.0.0.1:{self.port}",
            "web_url": f"https://localhost:{self.port}/",
            "web_plain_url": f"http://localhost:{self.plain}/",
            "web_ca": str(self.folder / "root.pem"),
            "web_config": str(self.folder / "nginx.conf"),
            "web_config_folders": [],
            "web_error_log": str(self.folder / "error.log"),
        }


@contextlib.contextmanager
def site(
    folder: Path,
    *,
    days: tuple[float, float] = (-1, 90),
    protocols: str = "TLSv1.2 TLSv1.3",
    tokens: str = "off",
) -> Iterator[Site]:
    """A running site; `days` are those of its certificate, from now."""
    nginx = program("nginx", "nginx-light")
    root = issue("Site Root", authority=True)
    (folder / "root.pem").write_bytes(root.pem)
    issue("localhost", root, names=["localhost"], days=days).write(folder, "site")
    made = Site(free_port(), free_port(), folder)
    temporary = "\n".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; server_tokens {tokens}; ssl_protocols {protocols};
  {temporary}
  server {{ listen 127.0.0.1:{made.plain}; return 301 https://localhost:{made.port}$request_uri; }}
  server {{
    listen 127.0.0.1:{made.port} ssl;
    ssl_certificate {folder}/site.pem; ssl_certificate_key {folder}/site.key;
    location / {{ default_type text/plain; return 200 "here\\n"; }}
  }}
}}
""")
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    log = folder / "log"
    with running(command, log):
        wait_for(lambda: listening(made.port), "nginx", log)
        yield made
