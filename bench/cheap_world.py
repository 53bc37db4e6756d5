"""The same cheap checks in everybody's spelling: of files, ports, processes, accounts, packages, the kernel.

Half are files; of the rest a fifth each of 200 are ports and processes, and so on, as in `SHARES`. From some
hundred on the machine has no more ports, processes or users of its own, and the same are checked again under
other names, which is what large suites do as well.
"""

from __future__ import annotations

import grp
import json
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

SHARES = {"files": 100, "ports": 40, "processes": 20, "users": 10, "groups": 10, "packages": 10, "kernel": 10}
"""Of every 200 checks."""

MOST = {"ports": 40, "processes": 20}
"""As many are there; the others come from what the machine has."""

KERNEL = [
    "kernel.ostype", "kernel.osrelease", "kernel.pid_max", "kernel.threads-max", "kernel.randomize_va_space",
    "vm.swappiness", "vm.overcommit_memory", "fs.file-max", "net.core.somaxconn", "net.ipv4.ip_forward",
]  # fmt: skip
EACH_FILE = 1000
"""Items in one profile: a file that people write is not to be longer than this."""


@dataclass(frozen=True)
class Wanted:
    """What has to be so; kernel values and package versions as they are now."""

    files: list[str]
    ports: list[int]
    processes: list[str]
    users: list[tuple[str, int]]
    groups: list[tuple[str, int]]
    packages: list[str]
    kernel: list[tuple[str, str]]

    def __len__(self) -> int:
        return sum(len(part) for part in asdict(self).values())


class World:
    """Files, a process that listens at forty ports, and twenty more with names of their own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fl-cheap-"))
        self.folder.chmod(0o755)
        self._running: list[subprocess.Popen[bytes]] = []
        self._links = [socket.create_server(("127.0.0.1", 0)) for _ in range(MOST["ports"])]
        self.ports = [link.getsockname()[1] for link in self._links]
        self.processes = [f"fl-cheap-{at:02}" for at in range(MOST["processes"])]
        sleep = shutil.which("sleep") or "/bin/sleep"
        for name in self.processes:
            shutil.copy(sleep, self.folder / name)
            self._running.append(subprocess.Popen([self.folder / name, "3600"]))
        listed = subprocess.run(
            ["dpkg-query", "--show", "--showformat", "${Package}\n"],
            capture_output=True,
            text=True,
            check=True,
        )
        self.packages = listed.stdout.split()

    def wanted(self, count: int) -> Wanted:
        """So many checks in the shares."""
        sizes = {name: share * count // 200 for name, share in SHARES.items()}
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        names = []
        for at in range(sizes["files"]):
            path = files / f"{at:05}.conf"
            if not path.exists():
                path.write_text(f"value = {at}\n")
                path.chmod(0o640)
            names.append(str(path))
        users = [(each.pw_name, each.pw_uid) for each in pwd.getpwall()]
        groups = [(each.gr_name, each.gr_gid) for each in grp.getgrall()]
        values = [(name, _kernel(name)) for name in KERNEL]
        return Wanted(
            names,
            _again(self.ports, sizes["ports"]),
            _again(self.processes, sizes["processes"]),
            _again(users, sizes["users"]),
            _again(groups, sizes["groups"]),
            _again(self.packages, sizes["packages"]),
            _again(values, sizes["kernel"]),
        )

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        for link in self._links:
            link.close()
        shutil.rmtree(self.folder)


def _again(things: list, count: int) -> list:  # type: ignore[type-arg]
    return [things[at % len(things)] for at in range(count)]


def _kernel(name: str) -> str:
    return " ".join(Path("/proc/sys", *name.split(".")).read_text().split())


def as_profile(wanted: Wanted, folder: Path) -> Path:
    """Our spelling: profiles of a thousand items, and one that brings them together."""
    items = [
        *({"check": "file.stat", "with": {"path": path, "type": "file", "owner": "root", "mode": "0640"}}
          for path in wanted.files),
        *({"check": "net.listen_bind", "with": {"listener": str(port), "address": "loopback"}}
          for port in wanted.ports),
        *({"check": "proc.running", "with": {"name": name, "user": "root"}} for name in wanted.processes),
        *({"check": "user.account", "with": {"name": name, "uid": uid}} for name, uid in wanted.users),
        *({"check": "user.group", "with": {"name": name, "gid": gid}} for name, gid in wanted.groups),
        *({"check": "pkg.version", "with": {"name": name}} for name in wanted.packages),
        *({"check": "kern.param", "with": {"name": name, "value": value}} for name, value in wanted.kernel),
    ]  # fmt: skip
    parts = [items[at : at + EACH_FILE] for at in range(0, len(items), EACH_FILE)]
    for number, part in enumerate(parts):
        lines = [f"profile: cheap-{number}", "items:"]
        for at, item in enumerate(part):
            lines.append(
                f"- {{id: c{number}.{at}, check: {item['check']}, with: {json.dumps(item['with'])}}}"
            )
        (folder / f"part{number}.yaml").write_text("\n".join(lines) + "\n")
    whole = folder / "cheap.yaml"
    names = ", ".join(f"./part{number}.yaml" for number in range(len(parts)))
    whole.write_text(f'profile: cheap\nversion: "1"\ntitle: Cheap checks\nextends: [{names}]\n')
    return whole


def as_testinfra(wanted: Wanted, folder: Path) -> Path:
    """testinfra's spelling: a test of pytest for each."""
    file = folder / "test_cheap.py"
    file.write_text(f"""\
import pytest
W = {asdict(wanted)!r}
def each(name):
    return pytest.mark.parametrize("at", range(len(W[name])))
@each("files")
def test_file(host, at):
    file = host.file(W["files"][at])
    assert file.is_file and file.user == "root" and file.mode == 0o640
@each("ports")
def test_port(host, at):
    assert host.socket(f"tcp://127.0.0.1:{{W['ports'][at]}}").is_listening
@each("processes")
def test_process(host, at):
    assert host.process.filter(comm=W["processes"][at])
@each("users")
def test_user(host, at):
    assert host.user(W["users"][at][0]).uid == W["users"][at][1]
@each("groups")
def test_group(host, at):
    assert host.group(W["groups"][at][0]).gid == W["groups"][at][1]
@each("packages")
def test_package(host, at):
    assert host.package(W["packages"][at]).is_installed
@each("kernel")
def test_kernel(host, at):
    name, value = W["kernel"][at]
    assert str(host.sysctl(name)).split() == value.split()
""")
    return file


def as_serverspec(wanted: Wanted, folder: Path) -> Path:
    """serverspec's spelling: an example of RSpec for each."""
    lines = ["require 'serverspec'", "set :backend, :exec"]
    for path in wanted.files:
        lines.append(f"describe file('{path}') do")
        lines.append("  it { should be_file; should be_owned_by 'root'; should be_mode 640 }\nend")
    lines += [
        f"describe port({port}) do\n  it {{ should be_listening.on('127.0.0.1') }}\nend"
        for port in wanted.ports
    ]
    lines += [
        f"describe process('{name}') do\n  it {{ should be_running }}\nend" for name in wanted.processes
    ]
    lines += [
        f"describe user('{name}') do\n  it {{ should have_uid {uid} }}\nend" for name, uid in wanted.users
    ]
    lines += [
        f"describe group('{name}') do\n  it {{ should have_gid {gid} }}\nend" for name, gid in wanted.groups
    ]
    lines += [
        f"describe package('{name}') do\n  it {{ should be_installed }}\nend" for name in wanted.packages
    ]
    for name, value in wanted.kernel:
        spelt = value if value.lstrip("-").isdigit() else f"'{value}'"
        lines.append(
            f"describe linux_kernel_parameter('{name}') do\n  its(:value) {{ should eq {spelt} }}\nend"
        )
    file = folder / "cheap_spec.rb"
    file.write_text("\n".join(lines) + "\n")
    return file


def as_floor(wanted: Wanted, folder: Path) -> Path:
    """What the plain script reads: the same as JSON."""
    file = folder / "wanted.json"
    file.write_text(json.dumps(asdict(wanted)))
    return file


if __name__ == "__main__":
    sys.exit("run bench/local.py")
