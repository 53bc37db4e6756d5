"""Profiles of recorded machines, whole: a PostgreSQL host, an nginx host seen without root, a RHEL-like one.

FIRSTLIGHT_WRITE_GOLDEN=1 writes them anew; read what changed before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from recordings import discovered, recording

from agent.discover.profile_text import profile_text

GOLDEN = Path(__file__).parent / "golden"


def _hold(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("FIRSTLIGHT_WRITE_GOLDEN") == "1":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(("name", "target"), [("postgresql", "db1"), ("nginx", "web1"), ("rhel", "app1")])
def test_a_recorded_machine_gives_its_profile(name: str, target: str) -> None:
    _hold(name, profile_text(discovered({target: recording(name)}).draft))


def other_database() -> dict[str, Any]:
    """A second PostgreSQL host: an address, an id, a version, a mode and a kernel value of its own."""
    values = recording("postgresql")
    ports = values["OpenPorts()"]["ports"]
    ports[1]["addresses"] = ["10.0.0.6", "127.0.0.1"]
    values["Listening(of=postgres:5432)"]["sockets"][0]["address"] = "10.0.0.6"
    values["Account(name=postgres)"]["uid"] = 115
    values["Account(name=ann)"]["groups"] = ["ann"]
    values["PackageList()"]["versions"]["postgresql-15"] = ["15.9-0+deb12u1"]
    values["Package(name=postgresql-15)"]["versions"] = ["15.9-0+deb12u1"]
    values["FileStat(path=/etc/postgresql/15/main/postgresql.conf)"]["mode"] = "0640"
    values["Sysctl(name=vm.swappiness)"] = "1"
    del ports[2]
    return values


def test_a_site_gives_one_profile_with_roles() -> None:
    machines = {"db1": recording("postgresql"), "db2": other_database(), "web1": recording("nginx")}
    roles = {"db1": ("db",), "db2": ("db",), "web1": ("web", "edge")}
    _hold("site", profile_text(discovered(machines, roles).draft))
