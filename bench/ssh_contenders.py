"""Who reads the facts of linux-server over SSH: how each is called, and what it has read, in one shape."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssh_house import Site

HERE = Path(__file__).parent
PEERS = HERE / ".peers"
PINNED = ["pytest-testinfra==10.2.*", "ansible-core==2.19.*", "pyinfra==3.10.*"]

AT_ONCE = 8
"""As many hosts as every contender has in hand at a time, whatever its own default is."""

Readings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Command:
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """`command` gets the site and a folder for this run; `readings` finds facts by host in its output."""

    name: str
    command: Callable[[Site, Path], Command]
    readings: Callable[[bytes], Readings] = json.loads
    peer: bool = True
    good_exits: tuple[int, ...] = (0,)


def contenders() -> list[Contender]:
    return [
        Contender("floor", _floor(), peer=False),
        Contender("floor-quick-ack", _floor("--quick-ack"), peer=False),
        # 3: something could not be told, as on most containers.
        Contender("firstlight", firstlight, firstlight_readings, peer=False, good_exits=(0, 3)),
        Contender("testinfra-paramiko", _testinfra("paramiko")),
        Contender("testinfra-ssh", _testinfra("ssh")),
        Contender("pyinfra", _pyinfra),
        Contender("ansible", _ansible),
    ]


def firstlight(site: Site, folder: Path) -> Command:
    """The command line, the site file and the environment by which `firstlight check` reads these hosts."""
    file = folder / "site.yaml"
    file.write_text(
        "site: bench\ntargets:\n"
        + "".join(
            f"  {host.name}: {{address: {host.address}, port: {host.port},"
            f" user: {site.user}, identity: {site.key}}}\n"
            for host in site.hosts
        )
    )
    argv = [_firstlight(), "check", "linux-server", "-s", str(file), "-F", site.ssh_config]
    argv += ["--no-send", "--format", "json", "--fail-on", "never", "--limit", str(AT_ONCE)]
    return Command(argv)


def firstlight_missing() -> str:
    """Why firstlight cannot take part, or nothing."""
    if not Path(_firstlight()).exists():
        return f"there is no {_firstlight()}"
    said = subprocess.run([_firstlight(), "check", "--help"], capture_output=True, text=True, check=False)
    return "" if re.search(r"^\s+-s\b", said.stdout, re.MULTILINE) else "`firstlight check` has no -s yet"


def firstlight_readings(output: bytes) -> Readings:
    """The facts again out of the evidence that the report keeps of them."""
    report = json.loads(output)
    found: dict[str, dict[str, Any]] = {}
    for result in report["results"]:
        host = found.setdefault(
            result["target"], {"sysctl": {}, "files": {}, "disks": {}, "limits": {}, "hosts": False}
        )
        seen, thing, check = result["evidence"], result["object"], result["check"]
        if check == "os.supported":
            host["os"] = {"id": seen["id"], "version": seen["version"]}
        elif check == "mem.used":
            host["memory"] = {"total": seen["total"], "available": seen["available"]}
        elif check == "disk.free":
            host["disks"].setdefault(thing, {}).update(total=seen["total"], free=seen["free"])
        elif check == "disk.inodes":
            host["disks"].setdefault(thing, {}).update(inodes=seen["total"], inodes_free=seen["free"])
        elif check == "kern.param":
            host["sysctl"][thing] = seen["actual"]
        elif check == "file.stat":
            host["files"][thing] = {name: seen[name] for name in ("owner", "group", "mode")}
        elif check == "file.content":
            host["hosts"] = result["status"] == "pass"
        elif check == "lim.nofile" and thing != "*":
            host["limits"][thing] = [seen["soft"], seen["hard"]]
        elif check == "time.sync":
            host["synchronised"] = seen["max_error_s"] < 16
    return found


def make_peers() -> None:
    """The peers' own virtual environment, made when it is not there or holds other versions."""
    mark = PEERS / "pinned.txt"
    if mark.exists() and mark.read_text().split() == PINNED:
        return
    print(f"setting up {PEERS} with {', '.join(PINNED)} …", flush=True)
    shutil.rmtree(PEERS, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
    (PEERS / ".gitignore").write_text("*\n")
    pip = [PEERS / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PINNED], check=True)
    subprocess.run([PEERS / "bin/python", "-m", "compileall", "-q", PEERS / "lib"], check=False)
    mark.write_text("\n".join(PINNED))


def environment(command: Command, site: Site) -> dict[str, str]:
    """No agent and no configuration but the site's own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return kept | {"HOME": site.home} | command.env


def _firstlight() -> str:
    return str(Path(sys.executable).with_name("firstlight"))


def _floor(*options: str) -> Callable[[Site, Path], Command]:
    def command(site: Site, folder: Path) -> Command:
        return Command([sys.executable, str(HERE / "floor_ssh.py"), site.file, *options])

    return command


def _testinfra(backend: str) -> Callable[[Site, Path], Command]:
    def command(site: Site, folder: Path) -> Command:
        return Command([*_peer("with_testinfra.py"), site.file, backend, str(folder)])

    return command


def _pyinfra(site: Site, folder: Path) -> Command:
    return Command([*_peer("with_pyinfra.py"), site.file])


def _ansible(site: Site, folder: Path) -> Command:
    inventory = folder / "inventory.ini"
    inventory.write_text(
        "".join(f"{host.name} ansible_host={host.address} ansible_port={host.port}\n" for host in site.hosts)
    )
    base = HERE / "ssh_peers/ansible"
    env = {
        "ANSIBLE_CONFIG": str(base / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_PYTHON_INTERPRETER": shutil.which("python3", path="/usr/bin:/usr/local/bin")
        or sys.executable,
        "ANSIBLE_REMOTE_TMP": str(folder / "remote"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-F {site.ssh_config}",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder),
    }
    playbook = [str(PEERS / "bin/ansible-playbook"), "-i", str(inventory), str(base / "linux_server.yml")]
    return Command(playbook, env)


def _peer(script: str) -> list[str]:
    return [str(PEERS / "bin/python"), str(HERE / "ssh_peers" / script)]
