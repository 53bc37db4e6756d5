"""The whole program at a machine that stays as it is: what it writes passes there, and tells what changes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import services
from own_machine import Machine, own_machine

GOOD = {"pass", "skip"}

MOMENTARY = {"cpu.usage", "cpu.load", "mem.used"}
"""Items of linux-server that follow what other tests do to the machine below."""

LISTENER = """
import socket, sys, time
open("/proc/self/comm", "w").write("erpd")
taken = socket.create_server(("127.0.0.1", 8085))
time.sleep(3600)
"""

NGINX = """
pid /run/nginx.pid;
error_log /var/log/nginx-error.log;
events {}
http {
    access_log off;
    server {
        listen 443 ssl;
        ssl_certificate /etc/nginx/tls/web.pem;
        ssl_certificate_key /etc/nginx/tls/web.key;
    }
}
"""

SSHD = """
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/keys/%u
StrictModes no
UsePAM no
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with a service of the vendor's, nginx over TLS and sshd, and an account for a login."""
    for program, package in (
        *(("nginx", "nginx-light"), ("sshd", "openssh-server"), ("openssl", "openssl"), ("ss", "iproute2")),
        *(("useradd", "passwd"), ("setpriv", "util-linux")),
    ):
        services.program(program, package)
    with tempfile.TemporaryDirectory(prefix="flt-discover-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with own_machine(folder) as made:
            _furnish(made)
            with made.running("/usr/bin/env", "python3", "-c", LISTENER, user="erp"):
                made.wait_for_port(8085)
                yield made


def _furnish(machine: Machine) -> None:
    for name, shell in (("erp", "/usr/sbin/nologin"), ("visitor", "/bin/sh")):
        machine.run("useradd", "-s", shell, "-U", "-d", f"/home/{name}", name)
    machine.run(
        "sh", "-c", "rm -rf /etc/nginx/sites-enabled /etc/nginx/conf.d; mkdir /etc/nginx/tls /etc/ssh/keys"
    )
    subject = ("-subj", "/CN=web1.example", "-days", "400")
    files = ("-keyout", "/etc/nginx/tls/web.key", "-out", "/etc/nginx/tls/web.pem")
    machine.run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        *subject,
        *files,
    )
    for path, text in (("/etc/nginx/nginx.conf", NGINX), ("/etc/ssh/sshd_config", SSHD)):
        machine.run("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, path)
    machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(machine.folder / "id"))
    for name in ("root", "visitor"):
        machine.run("cp", str(machine.folder / "id.pub"), f"/etc/ssh/keys/{name}")
        # A locked password lets nobody in; one that nobody knows does.
        machine.run("usermod", "-p", "*", name)
    machine.run("/usr/sbin/nginx")
    machine.run("/usr/sbin/sshd")
    machine.wait_for_port(443)
    machine.wait_for_port(22)


def discover(machine: Machine, name: str, *argv: str, user: str = "root") -> Path:
    folder = machine.folder / f"home-{user}"
    path = folder / name
    machine.firstlight("--version", user=user)
    machine.firstlight("discover", "-o", str(path), *argv, user=user)
    return path


def bad(results: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted(
        (each["item"], each["status"], each["cause"])
        for each in results
        if each["status"] not in GOOD and each["item"] not in MOMENTARY
    )


@pytest.fixture(scope="module")
def by_root(machine: Machine) -> Path:
    return discover(machine, "root.yaml")


def test_what_root_sees_is_held_and_passes(machine: Machine, by_root: Path) -> None:
    text = by_root.read_text()
    for line in (
        "extends:\n  # nginx runs here\n  - web-nginx\n",
        'with: {listener: "erpd:8085", address: loopback}',
        'with: {listener: "nginx:443", address: all}',
        'with: {listener: "sshd:22", address: all}',
        "home: /home/visitor, shell: /bin/sh}",
        "home: /home/erp, shell: /usr/sbin/nologin}",
        "with: {certificate: /etc/nginx/tls/web.pem, key: /etc/nginx/tls/web.key}",
        'with: {certificate: "127.0.0.1:443"}',
        "# nginx sends it: web1.example, until 20",
        'path: /etc/nginx/nginx.conf, type: file, owner: root, group: root, mode: "0644"}',
        "check: disk.free",
    ):
        assert line in text, line
    assert "profile: discovered-web1\n" in text
    results = machine.results(by_root)
    assert bad(results) == []
    assert len([each for each in results if each["status"] == "pass"]) > 30


def test_a_second_look_at_an_unchanged_machine_writes_the_same_bytes(machine: Machine, by_root: Path) -> None:
    assert _steady(discover(machine, "again.yaml")) == _steady(by_root)


def _steady(path: Path) -> list[str]:
    """The lines without those of items that follow the load of the machine below."""
    lines = path.read_text().splitlines()
    return [
        line.split("#")[0] if "  - " in line else line for line in lines if not {*line.split()} & MOMENTARY
    ]


def test_somebody_sees_less_and_what_is_written_passes_for_them(machine: Machine) -> None:
    path = discover(machine, "visitor.yaml", user="visitor")
    text = path.read_text()
    assert "nginx:443" not in text
    assert "could not be seen" in text
    assert "/etc/nginx/tls/web.pem, key:" not in text
    assert "left out, since it does not pass: keypair.etc-nginx-tls-web.pem (tls.keypair, error: denied)" in (
        " ".join(text.replace("#", " ").split())
    )
    assert bad(machine.results(path, user="visitor")) == []


@pytest.mark.parametrize("login", ["root", "visitor"])
def test_over_ssh_the_same_is_seen_and_passes(machine: Machine, by_root: Path, login: str) -> None:
    folder = machine.folder / "home-root"
    site = folder / f"site-{login}.yaml"
    site.write_text(
        f"site: plant\nvariables: {{plant: north}}\ntargets:\n"
        f"  web1: {{address: 127.0.0.1, user: {login}, identity: {machine.folder}/id, roles: [web]}}\n"
    )
    path = discover(machine, f"over-ssh-{login}.yaml", "-s", str(site), "--accept-new")
    assert bad(machine.results(path, "-s", str(site))) == []
    text = path.read_text()
    assert "profile: discovered-plant\n" in text and "  plant: north\n" in text
    if login == "root":
        # One more session stands open now, which changes nothing that is held.
        assert _ids(text) == _ids(by_root.read_text())


def _ids(text: str) -> set[str]:
    return {line.split(": ")[1] for line in text.splitlines() if line.startswith("  - id: ")}


@pytest.mark.parametrize(
    ("change", "back", "item"),
    [
        ("chmod 600 /etc/nginx/nginx.conf", "chmod 644 /etc/nginx/nginx.conf", "stat.etc-nginx-nginx.conf"),
        ("usermod -s /bin/bash visitor", "usermod -s /bin/sh visitor", "user.visitor"),
        (
            "sed -i 's/^nameserver .*/nameserver 192.0.2.1/' /etc/resolv.conf",
            "cp /etc/resolv.conf.before /etc/resolv.conf",
            "nameserver",
        ),
    ],
    ids=["a file's mode", "a user's shell", "a name server"],
)
def test_what_changes_fails_and_nothing_else(
    machine: Machine, by_root: Path, change: str, back: str, item: str
) -> None:
    machine.run("sh", "-c", "[ -e /etc/resolv.conf.before ] || cp /etc/resolv.conf /etc/resolv.conf.before")
    machine.run("sh", "-c", change)
    try:
        found = bad(machine.results(by_root))
    finally:
        machine.run("sh", "-c", back)
    assert found and all(each[0].startswith(item) and each[1] == "fail" for each in found), found
    assert bad(machine.results(by_root)) == []


def test_a_listener_that_stops_fails_and_nothing_else(machine: Machine) -> None:
    program = "import socket, time; s = socket.create_server(('127.0.0.1', 8086)); time.sleep(3600)"
    with machine.running("/usr/bin/env", "python3", "-c", program, user="erp"):
        machine.wait_for_port(8086)
        path = discover(machine, "listener.yaml", "--only", "ports,users,files,system,packages")
        assert bad(machine.results(path)) == []
    failed = bad(machine.results(path))
    assert [(each[0].partition("-")[2] or each[0], *each[1:]) for each in failed] == [
        ("8086", "fail", "absent")
    ]


def test_a_file_that_is_there_is_never_overwritten(machine: Machine, by_root: Path) -> None:
    before = by_root.read_bytes()
    done = machine.firstlight("discover", "-o", str(by_root), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is there already" in done.stderr
    assert by_root.read_bytes() == before


def test_a_host_that_cannot_be_had_ends_with_3(machine: Machine) -> None:
    site = machine.folder / "home-root" / "nowhere.yaml"
    site.write_text("site: plant\ntargets:\n  web1: {address: 127.0.0.1, port: 9}\n")
    path = machine.folder / "home-root" / "nothing.yaml"
    done = machine.firstlight("discover", "-s", str(site), "-o", str(path), check=False)
    assert done.returncode == 3
    assert "nothing could be read" in done.stderr and not path.exists()


def test_of_a_site_the_targets_that_can_be_had_are_written(machine: Machine, by_root: Path) -> None:
    home = machine.folder / "home-root"
    site = home / "half.yaml"
    site.write_text(
        "site: half\ntargets:\n"
        f"  web1: {{address: 127.0.0.1, user: root, identity: {machine.folder}/id, roles: [web]}}\n"
        "  gone: {address: 127.0.0.1, port: 9, roles: [db]}\n"
    )
    path = home / "half-written.yaml"
    done = machine.firstlight("discover", "-s", str(site), "-o", str(path), "--accept-new")
    assert "not seen: gone: " in done.stderr
    assert _ids(path.read_text()) == _ids(by_root.read_text())
    assert bad(machine.results(path, "-s", str(site), "--target", "web1")) == []
