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
MOST_TARGETS = 20_000
"""Of so many targets an agent keeps the ids that its collector registered."""


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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: damaged ({error}); enrol this machine again") from error
    if not identity.sites:
        raise BadInput(f"{path}: names no site; enrol this machine again")
    return identity


def save_identity(at: State, identity: Identity) -> None:
    """Replace the identity, durably."""
    write_durably(at.identity, msgspec.json.format(msgspec.json.encode(identity)) + b"\n")


def learnt(identity: Identity, epoch: str, targets: dict[str, str]) -> Identity:
    """The identity with what an answer of the collector told. Of more than `MOST_TARGETS` no further ids are
    kept: a run without them is taken all the same.
    """
    known = identity.targets | targets
    if len(known) > MOST_TARGETS:
        known = identity.targets
    return msgspec.structs.replace(identity, epoch=epoch, targets=known)


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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{at.salts}: damaged ({error}); import the site's salt again") from error


def secret_salt(at: State, site: str) -> str:
    """The salt of a site that masks names: a secret that is made when it is first needed.

    Before enrolment (`site` empty) it is one that was imported already, or one that the site will have.
    Raises `FirstlightError` where it cannot be kept.
    """
    from agent.lock import exclusive

    if found := _secret_among(load_salts(at), site):
        return found
    try:
        at.prepare()
        with exclusive(at.salts_lock):
            salts = load_salts(at)
            found = _secret_among(salts, site) or salts.get("") or os.urandom(32).hex()
            save_salt(at, site, found)
    except OSError as error:
        raise FirstlightError(
            f"{at.salts}: {error.strerror}; the secret that masks names is not kept"
        ) from error
    return found


def _secret_among(salts: dict[str, str], site: str) -> str:
    if not site and "" not in salts and len(salts) == 1:
        return next(iter(salts.values()))
    return salts.get(site, "")


def save_salt(at: State, site: str, salt: str) -> None:
    """Keep a site's secret; raises `BadInput` in a folder of another account, `OSError`."""
    at.prepare()
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
    """What tells this machine from its clones, and cannot be turned back (`checks.machines`).

    Made of the machine id and, where it is readable, the mainboard's id, which a hypervisor changes in a
    copy; where there is neither, of the installation's id.
    """
    from checks.machines import Kind, fingerprint_of

    marks: dict[Kind, str] = {}
    places: tuple[tuple[Kind, str], ...] = (
        ("machine", "etc/machine-id"),
        ("machine", "var/lib/dbus/machine-id"),
        ("board", "sys/class/dmi/id/product_uuid"),
    )
    for kind, place in places:
        with suppress(OSError, UnicodeDecodeError):
            text = (root / place).read_text().strip().lower()
            if text and text != "uninitialized":
                marks.setdefault(kind, text)
    return fingerprint_of(marks or {"install": install})


def looks_cloned(identity: Identity, root: Path = Path("/")) -> str:
    """What to say where this is not the machine that was enrolled; empty where it is."""
    from checks.machines import same_machine

    if same_machine(identity.fingerprint, fingerprint(identity.install, root)):
        return ""
    again = f"firstlight enrol {identity.url} --token -"
    return (
        f"this machine is not the one that was enrolled as {identity.agent}; "
        f"if it is a copy of that: {again} --fresh; if that moved to new hardware: {again} --moved"
    )


def boot_id() -> str:
    """Which start of the machine this is."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    import psutil

    return f"boot-{int(psutil.boot_time())}"


def new_key(at: State, *, but: str = "") -> tuple[str, Ed25519PrivateKey]:
    """A key pair for an enrolment that has not been answered yet: the name of its file, and the key.

    One that an earlier attempt left is taken again, unless it is `but`: the collector may have accepted it,
    and only the answer was lost.
    """
    with suppress(BadInput):
        current = load_identity(at)
        for left in sorted(at.root.glob("key-*.pem")):
            if left.name not in (but, current.key_file if current else ""):
                return left.name, read_key(left)
    name = generate_key(at)
    return name, read_key(at.root / name)


def generate_key(at: State) -> str:
    """Make a key pair in a file of its own (PEM, 0600); its name."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    name = f"key-{os.urandom(4).hex()}.pem"
    write_durably(at.root / name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return name


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
