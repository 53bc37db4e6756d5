"""Services, packages, accounts, security, commands, plugins and Java programs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from checks.fact import Fact
from checks.facts.accounts import Account, AccountValidity
from checks.facts.accountsurvey import AccountSurvey, Survey
from checks.facts.cmdline import ProcessesWith
from checks.facts.command import CommandOutput
from checks.facts.interference import Interfering
from checks.facts.jvm import JavaOptions, JavaPrograms, Jvm
from checks.facts.listening import OpenPorts, PortTable
from checks.facts.packages import Package
from checks.facts.plugin import PluginOutput
from checks.facts.sshdsettings import SshdSettings
from checks.facts.units import FailedUnits, Units

# Of this process alone: other tests that run beside these have programs as well.
ARGUMENT = f"{3600 + os.getpid() % 100000 / 100000:.5f}"
OURS = f"fl{os.getpid()}-"
PROGRAM = f"{OURS}args"
PLUGINS = "/usr/lib/nagios/plugins"


def samples(world: Any) -> dict[str, Fact]:
    folder = world.folder
    return {
        "Units": Units(("procps",)),
        "Units that nobody knows": Units(("flt-nosuch",)),
        "Units of a wrong name": Units(("-x",)),
        "FailedUnits": FailedUnits(),
        "Package": Package("bash"),
        "Package of an architecture": Package("libc6:amd64"),
        "Package that is not installed": Package("flt-nosuch"),
        "Account": Account("root"),
        "Account with groups": Account("nobody"),
        "Account that is not there": Account("flt-nosuch"),
        "Account of a wrong name": Account("-u"),
        "AccountValidity": AccountValidity("root"),
        "AccountValidity of nobody": AccountValidity("flt-nosuch"),
        "AccountSurvey": AccountSurvey(),
        "SshdSettings": SshdSettings(),
        "OpenPorts": OpenPorts(),
        "Interfering": Interfering(),
        "ProcessesWith": ProcessesWith(PROGRAM, ARGUMENT.replace(".", "[.]") + "$"),
        "ProcessesWith other arguments": ProcessesWith(PROGRAM, "no such argument"),
        "ProcessesWith a name that nobody has": ProcessesWith("flt-does-not-run", "x"),
        "ProcessesWith no pattern": ProcessesWith(PROGRAM, "("),
        "CommandOutput": CommandOutput(("ls", "-1", f"{folder}/software")),
        "CommandOutput of a shell": CommandOutput(("printf '%s\\n' a b; echo c >&2; exit 3",), shell=True),
        "CommandOutput with an environment": CommandOutput(
            ('[ "$B" = "$PATH" ] && echo "$A"',),
            environment=(("A", "it's $plain"),),
            secret_environment=(("B", "env:PATH"),),
            shell=True,
        ),
        "CommandOutput that is too long": CommandOutput(("seq", "1", "9999")),
        "CommandOutput with a password": CommandOutput(("cat", f"{folder}/software/url")),
        "CommandOutput of nothing": CommandOutput(("flt-nosuch",)),
        "PluginOutput": PluginOutput((f"{folder}/software/check_it", "2"), 30.0),
        "PluginOutput without output": PluginOutput(("true",), 30.0),
        "PluginOutput of a plugin of Debian's": PluginOutput((f"{PLUGINS}/check_dummy", "1", "so"), 30.0),
        "PluginOutput of a port": PluginOutput(
            (f"{PLUGINS}/check_tcp", "-H", "127.0.0.1", "-p", str(world.closed_port)), 30.0
        ),
        "PluginOutput of a disk": PluginOutput(
            (f"{PLUGINS}/check_disk", "-w", "0", "-c", "0", "-p", "/dev"), 30.0
        ),
        "PluginOutput of nothing": PluginOutput((f"{folder}/software/nosuch",), 30.0),
        "JavaPrograms": JavaPrograms(),
        "JavaOptions": JavaOptions(PROGRAM),
        "JavaOptions of nobody": JavaOptions("flt.Nosuch"),
    }


_PLUGIN = """#!/bin/sh
echo "IT CRITICAL - so it is | 'a b'=5%;~:10;@1:2;0;100 c=U"
echo "more | d=7ms"
exit "$1"
"""


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    own = folder / "software"
    own.mkdir()
    (own / "url").write_text("postgresql://erp:hunter2@db/erp\n")
    (own / "check_it").write_text(_PLUGIN)
    (own / "check_it").chmod(0o755)
    program = own / PROGRAM
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    _run([str(program), ARGUMENT], PROGRAM, stack)
    (own / "java-options").write_text("-Xmx64m -Dpassword=hunter2\n-XX:+HeapDumpOnOutOfMemoryError\n")
    (own / "@java-options").write_text(_LIKE_JAVA)
    # An interpreter that is called java, with the words of one: the first is its script.
    words = ["java", "@java-options", "-Xms32m", "-cp", "x", PROGRAM]
    _run(words, "java", stack, executable=sys.executable, cwd=own, env={"PYTHONHOME": sys.base_prefix})


_LIKE_JAVA = """
import time
open("/proc/self/comm", "w").write("java")
time.sleep(3600)
"""


def _run(argv: list[str], name: str, stack: contextlib.ExitStack, **more: Any) -> None:
    process = subprocess.Popen(argv, **more)
    stack.callback(_end, process)
    while Path(f"/proc/{process.pid}/comm").read_text().strip() != name[:15]:
        time.sleep(0.001)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _without_room(seen: Jvm) -> Jvm:
    place = seen.dump and msgspec.structs.replace(seen.dump, available=min(seen.dump.available, 1))
    return msgspec.structs.replace(seen, dump=place)


def _of_others(name: str) -> bool:
    """Whether a program is that of tests that run beside these."""
    return re.match(r"fl\d+-", name) is not None and not name.startswith(OURS)


STANDING: dict[type, Callable[[Any], object]] = {
    # Other tests open ports and run programs of their own meanwhile.
    PortTable: lambda seen: [port for port in seen.ports if any(n.startswith(OURS) for n in port.processes)],
    # How that it may not be read is said; how much room there is.
    Survey: lambda seen: (seen.roots, seen.shells, seen.passwordless, seen.cause),
    tuple: lambda seen: [_without_room(each) if isinstance(each, Jvm) else each for each in seen],
    list: lambda seen: [each for each in seen if each != "Sleeper" and not _of_others(str(each))],
}
