"""Other machines within this one: a mount namespace of its own, and a server whose sessions all live in it.

Nothing that is mounted there can be seen from outside. Only root can make and enter one.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE

import services
from ssh_accounts import need_root
from sshd import Sshd, start_sshd

_FUSE = """
import ctypes, os, struct, sys, threading
how, point = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
if libc.mount(b"flt", point.encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit(f"no FUSE mount: {os.strerror(ctypes.get_errno())}")
INIT, LOOKUP, FORGET, GETATTR, OPEN = 26, 1, 2, 3, 14

def attributes(node):
    mode = 0o40755 if node == 1 else 0o100644
    return struct.pack("=6Q10I", node, 6, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

def serve():
    while True:
        request = os.read(device, 1 << 20)
        _, kind, unique, node = struct.unpack_from("=IIQQ", request)
        if kind == INIT:
            answer = struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 9, 9, 4096, 1, 0, 0, *[0] * 8)
        elif kind == LOOKUP:
            node = 2 + sum(request[40:])
            answer = struct.pack("=4Q2I", node, 0, 60, 60, 0, 0) + attributes(node)
        elif kind == GETATTR:
            answer = struct.pack("=Q2I", 60, 0, 0) + attributes(node)
        elif kind in (FORGET, OPEN):
            continue
        else:
            os.write(device, struct.pack("=IiQ", 16, -38, unique))
            continue
        os.write(device, struct.pack("=IiQ", 16 + len(answer), 0, unique) + answer)

if how == "half":
    threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
"""A file system by the kernel's own protocol (linux/fuse.h). Dead, it answers nothing; half dead, it shows
any name as a file and never opens one: who has begun that can not even be killed."""


@contextlib.contextmanager
def inside(making: Sequence[str]) -> Iterator[str]:
    """A namespace with the mounts that a program makes in it, and how root enters it: words to put before a
    command.

    The program says ``ready`` and waits for the end of its standard input.
    """
    need_root()
    nsenter, unshare = services.program("nsenter", "util-linux"), services.program("unshare", "util-linux")
    command = [unshare, "--mount", "--propagation", "private", *making]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stderr is not None
        try:
            if holder.stdout.readline() != "ready\n":
                services.missing("a mount namespace", f"it says {holder.stderr.read().strip()[-200:]!r}")
            yield f"{nsenter} --mount=/proc/{holder.pid}/ns/mnt"
        finally:
            holder.kill()


@contextlib.contextmanager
def server_inside(folder: Path, making: Sequence[str]) -> Iterator[Sshd]:
    """A server whose sessions, which are root's, live in such a namespace."""
    # What hangs in the namespace cannot be ended before that has gone, so the server goes last.
    with contextlib.ExitStack() as last, inside(making) as enter:
        forced = f'{enter} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
        yield last.enter_context(start_sshd(folder, options={"ForceCommand": forced}))


def only_busybox(folder: Path) -> list[str]:
    """A machine where every tool is BusyBox's. `folder` is made, for its tools."""
    folder.mkdir()
    tools = folder / "tools"
    tools.mkdir()
    shutil.copy(services.program("busybox", "busybox"), tools / "busybox")
    listed = subprocess.run([tools / "busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        if applet != "busybox":
            (tools / applet).symlink_to("busybox")
    places = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
    binds = [f"mount --bind {tools} {place}" for place in places]
    return ["/bin/sh", "-c", " && ".join([*binds, "echo ready", "exec cat >/dev/null"])]


def dead_mount(point: Path) -> list[str]:
    """A machine where nobody answers what is at this folder, which is made."""
    point.mkdir()
    return [sys.executable, "-c", _FUSE, "dead", str(point)]


def half_dead_mount(point: Path) -> list[str]:
    """The same, but names are looked up as ever; to open a file never ends, and can not be ended."""
    point.mkdir()
    return [sys.executable, "-c", _FUSE, "half", str(point)]
