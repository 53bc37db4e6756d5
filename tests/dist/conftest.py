"""The build, and a root that holds what a bare Debian has, and no Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
from standalone_build import Shipped

NOBODY = 65534
"""Another user than the one who built it, without rights."""

LIBRARIES = (
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libresolv.so.2",
    "libz.so.1",
)
"""Of Debian's packages libc6 and zlib1g, without which dpkg itself does not run."""


class BareRoot:
    """A root folder with a C library, zlib and busybox. The build lies in /opt/firstlight, read-only."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder

    @property
    def home(self) -> Path:
        """The home of the user, from outside; /home/nobody within."""
        return self.root / "home/nobody"

    def run(self, *words: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in there as nobody, with no other environment than this."""
        given = {
            "PATH": "/bin",
            "HOME": "/home/nobody",
            "FIRSTLIGHT_STATE": "/home/nobody/state",
        } | environment
        script = (
            'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && '
            'mount --bind -o ro "$1" "$0/opt/firstlight" && root=$0 && shift && '
            f'exec chroot --userspec={NOBODY}:{NOBODY} "$root" /bin/env -i "$@"'
        )
        return subprocess.run(
            ["unshare", "--mount", "--fork", "--pid", "sh", "-c", script, str(self.root), str(self.folder)]
            + [f"{name}={value}" for name, value in given.items()]
            + list(words),
            input=input,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def firstlight(
        self, *words: str, input: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.run("/opt/firstlight/firstlight", *words, input=input, **environment)


@pytest.fixture
def bare(shipped: Shipped) -> Iterator[BareRoot]:
    """A bare machine of this test's own."""
    if os.geteuid() != 0:
        services.missing("a root of its own", "run as root")
    busybox = services.program("busybox", "busybox")
    with tempfile.TemporaryDirectory(prefix="fl-bare-", dir="/tmp") as made:
        root = Path(made)
        root.chmod(0o755)
        for name in ("bin", "lib", "proc", "dev", "etc", "tmp", "opt/firstlight", "home/nobody"):
            (root / name).mkdir(parents=True)
        os.chown(root / "home/nobody", NOBODY, NOBODY)
        (root / "tmp").chmod(0o1777)
        (root / "etc/passwd").write_text(
            f"root:x:0:0::/:/bin/sh\nnobody:x:{NOBODY}:{NOBODY}::/home/nobody:/bin/sh\n"
        )
        (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian, bare"\n')
        shutil.copy(busybox, root / "bin/busybox")
        loaded = {
            Path(line.split()[-1])
            for line in Path("/proc/self/maps").read_text().splitlines()
            if ".so" in line
        }
        libc = next(path.parent for path in loaded if path.name == "libc.so.6")
        for name in LIBRARIES:
            shutil.copy((libc / name).resolve(), root / "lib" / name)
        (loader,) = (path for path in loaded if path.name.startswith("ld-linux"))
        (root / "lib64").symlink_to("lib")
        shutil.copy(loader.resolve(), root / "lib" / loader.name)
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
        for applet in applets.split():
            if not (root / "bin" / applet).exists():
                (root / "bin" / applet).symlink_to("busybox")
        yield BareRoot(root, shipped.folder)
