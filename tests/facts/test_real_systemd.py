"""A real systemd: a user's manager in a mount namespace of its own, where it is taken for the machine's.

Nothing of it can be seen from outside, and it ends with its namespaces: their first process is the script.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import services

from checks.facts.unitstates import UnitTable

ROOT = Path(__file__).parents[2]
UNITS = {
    "ok": "[Service]\nExecStart=/bin/sleep 100\n[Install]\nWantedBy=default.target\n",
    "breaks": "[Service]\nExecStart=/bin/false\n",
    "loops": "[Unit]\nStartLimitIntervalSec=0\n"
    "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=100ms\n",
    "starts": "[Service]\nType=notify\nExecStart=/bin/sleep 100\n",
    "stopped": "[Service]\nExecStart=/bin/sleep 100\n[Install]\nWantedBy=default.target\n",
}
READ = """
import sys, msgspec
from checks.facts.localhost import LocalHost
from checks.facts.units import FailedUnits, Units
host = LocalHost(tools=sys.argv[1])
names = ("ok", "breaks", "loops", "starts", "stopped", "masked", "nosuch")
print(msgspec.json.encode([Units(names).read(host), FailedUnits().read(host)]).decode())
"""
SCRIPT = """
set -e
mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"; chmod 700 "$XDG_RUNTIME_DIR"
"$1" --user --log-target=null & manager=$!
trap 'kill -9 $manager' EXIT
at=0; until systemctl --user show -p Id default.target >/dev/null 2>&1; do
  at=$((at+1)); [ $at -lt 100 ] || { echo "no manager" >&2; exit 9; }; sleep 0.1; done
systemctl --user enable ok >/dev/null 2>&1
systemctl --user start ok
systemctl --user start --no-block breaks loops starts
until [ "$(systemctl --user show -p NRestarts --value loops)" -ge 3 ]; do sleep 0.1; done
until systemctl --user is-failed --quiet breaks; do sleep 0.1; done
"$2" -c "$3" "$4"
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[UnitTable, tuple[str, ...]]]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a mount namespace")
    systemctl, unshare = services.program("systemctl", "systemd"), services.program("unshare", "util-linux")
    manager = next((p for p in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if Path(p).exists()), "")
    if not manager:
        services.missing("systemd", "apt-get install systemd")
    home, tools = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("tools")
    units = home / ".config/systemd/user"
    units.mkdir(parents=True)
    for name, text in UNITS.items():
        (units / f"{name}.service").write_text(text)
    (units / "masked.service").symlink_to("/dev/null")
    # What a fact runs gets no environment, so the tool itself says where the manager is.
    (tools / "systemctl").write_text(f'#!/bin/sh\nXDG_RUNTIME_DIR=/run/user/0 exec {systemctl} --user "$@"\n')
    (tools / "systemctl").chmod(0o755)
    making = [
        unshare,
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    done = subprocess.run(
        [*making, "sh", "-c", SCRIPT, "sh", manager, sys.executable, READ, f"{tools}:/usr/bin:/bin"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C", "XDG_RUNTIME_DIR": "/run/user/0"},
        cwd=ROOT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode == 9 or not done.stdout:
        services.missing("a systemd of its own", done.stderr.decode()[-200:] or "apt-get install systemd")
    yield msgspec.json.decode(done.stdout.splitlines()[-1], type=tuple[UnitTable, tuple[str, ...]])


def test_each_state_is_told_as_it_is(seen: tuple[UnitTable, tuple[str, ...]]) -> None:
    table, _ = seen
    states = {unit.name: (unit.known, unit.active, unit.enabled) for unit in table.units}
    loops = states.pop("loops")
    assert table.manager == "systemd"
    assert states == {
        "ok": (True, "running", "yes"),
        "breaks": (True, "failed", "static"),
        "starts": (True, "starting", "static"),
        "stopped": (True, "stopped", "no"),
        "masked": (True, "stopped", "masked"),
        "nosuch": (False, "stopped", "unknown"),
    }
    # It is starting, running for a moment, or waits to be started again.
    assert loops[0]
    assert loops[2] == "static"


def test_restarts_are_counted_and_the_age_is_that_of_the_service(
    seen: tuple[UnitTable, tuple[str, ...]],
) -> None:
    units = {unit.name: unit for unit in seen[0].units}
    assert units["loops"].restarts is not None
    assert units["loops"].restarts >= 3
    assert units["ok"].restarts == 0
    assert units["ok"].active_s is not None
    assert 0 <= units["ok"].active_s < 60


def test_the_units_that_failed_are_named(seen: tuple[UnitTable, tuple[str, ...]]) -> None:
    assert seen[1] == ("breaks.service",)
