"""The reads of linux-server with pyinfra's facts over its SSH connector: `with_pyinfra.py SITE.json`."""

# ruff: noqa: E402
from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # as pyinfra's own command does, before anything else

import json
import sys
from pathlib import Path
from typing import Any

import parsed
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.context import ctx_host, ctx_state
from pyinfra.facts.files import Directory, File, FindInFile
from pyinfra.facts.server import Command, OsRelease, Sysctl

LOCALHOST = r"^[[:space:]]*(127\.[0-9.]+|::1)[[:space:]].*\blocalhost\b"


def read(host: Any) -> dict[str, object]:
    with ctx_host.use(host):
        release = host.get_fact(OsRelease)
        seen = {
            path: host.get_fact(Directory if path == "/tmp" else File, path=path) for path in parsed.FILES
        }
        sysctl = host.get_fact(Sysctl, keys=parsed.SYSCTLS)
        found = host.get_fact(FindInFile, path="/etc/hosts", pattern=LOCALHOST, extended_regex=True)
        # Memory tells the total only, BlockDevices no inodes, Processes (where there is a busybox) only
        # those of its own session, and Ports no pids.
        said = {
            name: host.get_fact(Command, command=command)
            for name, command in (
                ("memory", "cat /proc/meminfo"),
                ("disks", parsed.DF),
                ("processes", parsed.PS),
                ("listeners", parsed.LISTENERS),
                ("limits", parsed.LIMITS),
                ("clock", parsed.CLOCK),
            )
        }
    return {
        "os": {"id": release["id"], "version": release["version_id"]},
        "memory": parsed.memory(said["memory"]),
        "files": {
            path: {"owner": file["user"], "group": file["group"], "mode": str(file["mode"]).zfill(4)}
            for path, file in seen.items()
        },
        "hosts": bool(found),
        "sysctl": {name: str(value) for name, value in sysctl.items()},
        "disks": parsed.disks(said["disks"]),
        "processes": len(said["processes"].splitlines()),
        "limits": parsed.limits(said["listeners"], said["limits"]),
        "synchronised": parsed.synchronised(said["clock"]),
    }


def main() -> None:
    site = json.loads(Path(sys.argv[1]).read_text())
    shared = {
        "ssh_user": site["user"],
        "ssh_key": site["key"],
        "ssh_known_hosts_file": site["known_hosts"],
        "ssh_strict_host_key_checking": "yes",
    }
    hosts = [
        (host["name"], {"ssh_hostname": host["address"], "ssh_port": host["port"]}) for host in site["hosts"]
    ]
    state = State(Inventory((hosts, shared)), Config(PARALLEL=parsed.AT_ONCE))
    connect_all(state)
    with ctx_state.use(state):
        readings = {host.name: state.pool.spawn(read, host) for host in state.inventory.get_active_hosts()}
        print(json.dumps({name: greenlet.get() for name, greenlet in readings.items()}))


main()
