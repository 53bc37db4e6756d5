"""The reads of linux-server with testinfra's API: `with_testinfra.py SITE.json BACKEND CONTROL_FOLDER`.

No pytest: its start is not what is measured. The backend ``ssh`` gets a control path, without which its
ControlPersist has no effect.
"""

from __future__ import annotations

import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import parsed
import testinfra

LOCALHOST = r"^[[:space:]]*\(127\.[0-9.]\+\|::1\)[[:space:]].*\blocalhost\b"


def read(host: Any) -> dict[str, object]:
    system = host.system_info
    files = {path: host.file(path) for path in parsed.FILES}
    return {
        "os": {"id": system.distribution, "version": system.release},
        "memory": parsed.memory(host.file("/proc/meminfo").content_string),
        "files": {
            path: {"owner": file.user, "group": file.group, "mode": f"{file.mode:04o}"}
            for path, file in files.items()
        },
        "hosts": host.file("/etc/hosts").contains(LOCALHOST),
        "sysctl": {name: str(host.sysctl(name)) for name in parsed.SYSCTLS},
        "disks": parsed.disks(host.check_output(parsed.DF)),
        "processes": len(host.process.filter()),
        # host.socket knows no processes.
        "limits": parsed.limits(host.check_output(parsed.LISTENERS), host.check_output(parsed.LIMITS)),
        "synchronised": parsed.synchronised(host.check_output(parsed.CLOCK)),
    }


def main() -> None:
    warnings.simplefilter("ignore")  # the backend paramiko reads no known_hosts, and says so
    site = json.loads(Path(sys.argv[1]).read_text())
    backend, folder = sys.argv[2:]
    options: dict[str, str] = {"ssh_identity_file": site["key"]}
    if backend == "ssh":
        options |= {"ssh_config": site["ssh_config"], "controlpath": f"{folder}/%%C"}

    def at(place: dict[str, Any]) -> dict[str, object]:
        spec = f"{backend}://{site['user']}@{place['address']}:{place['port']}"
        return read(testinfra.get_host(spec, **options))

    with ThreadPoolExecutor(parsed.AT_ONCE) as pool:
        readings = list(pool.map(at, site["hosts"]))
    print(json.dumps({host["name"]: one for host, one in zip(site["hosts"], readings, strict=True)}))


main()
