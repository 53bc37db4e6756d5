"""Who this agent is: its ids, its key, the sites it may report for and the machine it stands on.

The private key never leaves the state folder. Whoever holds it can sign anything as this agent.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agent.durable import write_durably
from agent.paths import State, state
from checks.errors import BadInput, FirstlightError
from checks.model import Name, Target

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

UNENROLLED = "unenrolled"


class Identity(msgspec.Struct, frozen=True):
    """What enrolment settled, and what acknowledgements added since.

    `sites` are those the agent may report for, its own first. `target` is the name of this machine and
    `targets` maps names to the ids the collector registered. `key_file` and `ca_file` lie in the state
    folder; an empty `ca_file` means the certificates that the system trusts. `sign_key` and `seal_key` are
    the collector's public keys (raw, base64) as they were at enrolment: only what it signed with that one
    is believed, and files are sealed for the other.
    """

    agent: Name
    install: Name
    sites: tuple[Name, ...]
    target: Name
    url: str
    epoch: str
    fingerprint: str
    key_file: str
    targets: dict[str, str] = {}
    ca_file: str = ""
    profile: str = ""
    interval_s: int = 0
    sign_key: str = ""
    seal_key: str = ""

    def site(self, wanted: str | None) -> str:
        """The site to report for: its own, or one of those the collector allows; raises `BadInput`."""
        if wanted is None:
            return self.sites[0]
        if wanted not in self.sites:
            raise BadInput(f"--site {wanted}: this agent may report for {', '.join(self.sites)}")
        return wanted


def load_identity(at: State | None = None) -> Identity | None:
    """The identity, or None where this machine is not enrolled; raises `BadInput` where it is damaged."""
    path = (at or state()).identity
    try:
        identity = msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise BadInput(f"{path}: not readable for you; run as the user who enrolled this machine") from error
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; the state folder is set with FIRSTLIGHT_STATE") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path}: damaged ({error}); enrol this machine again") from error
    if not identity.sites:
        raise BadInput(f"{path}: names no site; enrol this machine again")
    return identity


def save_identity(at: State, identity: Identity) -> None:
    """Replace the identity, durably."""
    write_durably(at.identity, msgspec.json.format(msgspec.json.encode(identity)) + b"\n")


def enrolled(at: State) -> Identity:
    """The identity; raises `BadInput` with what to type where there is none."""
    identity = load_identity(at)
    if identity is None:
        raise BadInput("this machine is not enrolled; firstlight enrol URL --token TOKEN")
    return identity


def salt_for(site: str | None) -> str:
    """What finding keys of a site are salted with: its imported salt, else the site's id."""
    at = state()
    identity = load_identity(at)
    if identity is None:
        return UNENROLLED
    name = identity.site(site)
    return load_salts(at).get(name, name)


def load_salts(at: State) -> dict[str, str]:
    """The imported salts by site; secret where a site masks the names of its findings."""
    try:
        return msgspec.json.decode(at.salts.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise BadInput(f"{at.salts}: damaged ({error}); import the site's salt again") from error


def save_salt(at: State, site: str, salt: str) -> None:
    write_durably(at.salts, msgspec.json.encode(load_salts(at) | {site: salt}, order="deterministic"))


def local_target(at: State | None = None) -> Target:
    """This machine as a target: under the name and id of its enrolment, else under its host name."""
    identity = load_identity(at)
    if identity is None:
        return Target(host_name())
    return Target(identity.target, identity.targets.get(identity.target, ""))


def host_name() -> str:
    return (os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""))[
        :200
    ] or "local"


def install_id(at: State) -> str:
    """The id of this installation, made once and kept over every enrolment."""
    with suppress(FileNotFoundError):
        kept = at.install.read_text().strip()
        if kept:
            return kept
    made = os.urandom(16).hex()
    write_durably(at.install, made.encode() + b"\n")
    return made


def fingerprint(install: str, root: Path = Path("/")) -> str:
    """A stable name of the machine that tells it from its clones and cannot be turned back: 32 hex digits.

    Made of the machine id and, where it is readable, the mainboard's id, which a hypervisor changes in a
    copy; where there is neither, of the installation's id.
    """
    import hashlib
    import hmac

    parts = []
    for place in ("etc/machine-id", "var/lib/dbus/machine-id", "sys/class/dmi/id/product_uuid"):
        with suppress(OSError, UnicodeDecodeError):
            text = (root / place).read_text().strip().lower()
            if text and text != "uninitialized" and text not in parts:
                parts.append(text)
    return hmac.digest(
        b"firstlight-machine-v1", "\0".join(parts or [install]).encode(), hashlib.sha256
    ).hex()[:32]


def boot_id() -> str:
    """Which start of the machine this is."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    import psutil

    return f"boot-{int(psutil.boot_time())}"


def new_key(at: State) -> tuple[str, Ed25519PrivateKey]:
    """A key pair in a file of its own (PEM, 0600), for an enrolment that has not been answered yet.

    One that an earlier attempt left is taken again: the collector may have accepted it, and only the
    answer was lost.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    current = load_identity(at)
    for left in sorted(at.root.glob("key-*.pem")):
        if current is None or left.name != current.key_file:
            return left.name, read_key(left)
    key = Ed25519PrivateKey.generate()
    name = f"key-{os.urandom(4).hex()}.pem"
    write_durably(at.root / name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return name, key


def drop_other_keys(at: State, kept: str) -> None:
    """Remove every private key but the one in use."""
    for path in at.root.glob("key-*.pem"):
        if path.name != kept:
            with suppress(OSError):
                path.unlink()


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file; raises `FirstlightError` where it is gone or damaged."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise FirstlightError(f"{path}: {error.strerror}; enrol this machine again") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FirstlightError(f"{path}: not a private key; remove it and enrol this machine again") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise FirstlightError(f"{path}: not an Ed25519 key; remove it and enrol this machine again")
    return key


def public_key(key: Ed25519PrivateKey) -> bytes:
    """The raw 32 bytes that the collector verifies signatures with."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
