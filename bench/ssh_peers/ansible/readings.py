"""Ansible's answer as the bench wants it: at the end, one JSON object of readings by host."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

sys.path.append(str(Path(__file__).parents[1]))
import parsed

DOCUMENTATION = """
name: readings
type: stdout
short_description: readings by host as JSON
description: [prints the results of linux_server.yml]
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "readings"

    def __init__(self) -> None:
        super().__init__()
        self._results: dict[str, dict[str, Any]] = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        self._results.setdefault(result.host.get_name(), {})[result.task.name] = result.result

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        print(f"{result.host.get_name()}: {result.result}", file=sys.stderr)

    v2_runner_on_unreachable = v2_runner_on_failed

    def v2_playbook_on_stats(self, stats: Any) -> None:
        print(json.dumps({host: _readings(said) for host, said in self._results.items()}))


def _readings(said: dict[str, Any]) -> dict[str, object]:
    facts = said["system"]["ansible_facts"]
    seen = {one["item"]: one["stat"] for one in said["files"]["results"]}
    hosts = base64.b64decode(said["hosts"]["content"]).decode()
    sysctl = (line.split(" = ") for line in said["sysctl"]["stdout_lines"])
    return {
        "os": {
            "id": facts["ansible_distribution"].lower(),
            "version": facts["ansible_distribution_version"],
        },
        "memory": {
            "total": facts["ansible_memtotal_mb"] << 20,
            "available": facts["ansible_memory_mb"]["nocache"]["free"] << 20,
        },
        "files": {
            path: {"owner": file["pw_name"], "group": file["gr_name"], "mode": file["mode"]}
            for path, file in seen.items()
        },
        "hosts": any(map(parsed.names_localhost, hosts.splitlines())),
        "sysctl": dict(sysctl),
        "disks": {
            mount["mount"]: {
                "total": mount["size_total"],
                "free": mount["size_available"],
                "inodes": mount["inode_total"],
                "inodes_free": mount["inode_available"],
            }
            for mount in facts["ansible_mounts"]
        },
        "processes": len(said["processes"]["stdout_lines"]),
        "limits": parsed.limits(said["listeners"]["stdout"], said["limits"]["stdout"]),
        "synchronised": parsed.synchronised(said["clock"]["stdout"]),
    }
