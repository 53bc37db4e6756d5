"""Where the agent keeps what must outlive a run; every other module asks here for a file's place."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from agent.durable import make_folder
from agent.ownership import refuse_foreign

SYSTEM_STATE = Path("/var/lib/firstlight")
NO_SITE = "unenrolled"

_WORD = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_PLAIN = f"{_WORD}--{_WORD}"


class State(msgspec.Struct, frozen=True):
    """The state folder of one agent. Mode 0700: the private key and undelivered runs lie in it."""

    root: Path

    @property
    def identity(self) -> Path:
        return self.root / "identity.json"

    @property
    def renewal(self) -> Path:
        """A new key that the collector has not confirmed yet."""
        return self.root / "renewal.json"

    @property
    def enrolling(self) -> Path:
        """An enrolment that the collector has not answered yet."""
        return self.root / "enrolling.json"

    @property
    def install(self) -> Path:
        return self.root / "install-id"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def salts(self) -> Path:
        return self.root / "salts.json"

    @property
    def salts_lock(self) -> Path:
        """Held while a site's secret is made."""
        return self.root / "salts.lock"

    @property
    def redaction_key(self) -> Path:
        """What this machine's tokens are keyed with where its site has no secret."""
        return self.root / "redaction-key"

    @property
    def masks(self) -> Path:
        """What the tokens of masked names stand for; never leaves this machine."""
        return self.root / "masks.json"

    @property
    def masks_lock(self) -> Path:
        """Held while more tokens are written down."""
        return self.root / "masks.lock"

    @property
    def sequence(self) -> Path:
        return self.root / "sequence.json"

    @property
    def sequence_lock(self) -> Path:
        """Held while a run is numbered and spooled: milliseconds."""
        return self.root / "sequence.lock"

    @property
    def delivery_lock(self) -> Path:
        """Held while runs are sent and while the identity changes: as long as the network takes."""
        return self.root / "delivery.lock"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def losses(self) -> Path:
        """What was dropped under pressure and travels with the next run; written under the sequence lock."""
        return self.root / "losses.json"

    @property
    def retry(self) -> Path:
        """When delivery is tried again, and why not sooner."""
        return self.root / "retry.json"

    @property
    def delivered(self) -> Path:
        """The last acknowledgement: when, and the highest number that the collector held by then."""
        return self.root / "delivered.json"

    @property
    def clock(self) -> Path:
        """How far the collector's clock was from ours at the last delivery."""
        return self.root / "clock.json"

    @property
    def exports(self) -> Path:
        """What was carried out of here on files, and what came back."""
        return self.root / "exports.json"

    @property
    def rules(self) -> Path:
        """What the collector published for this site, and what the site allowed of it."""
        return self.root / "rules"

    @property
    def rules_file(self) -> Path:
        return self.rules / "held"

    @property
    def rules_announced(self) -> Path:
        """Which version the collector says it has."""
        return self.rules / "announced.json"

    @property
    def rules_lock(self) -> Path:
        """Held while rules are taken in."""
        return self.root / "rules.lock"

    @property
    def baselines(self) -> Path:
        return self.root / "baselines"

    @property
    def last(self) -> Path:
        return self.root / "last"

    @property
    def history(self) -> Path:
        return self.root / "history"

    @property
    def answers(self) -> Path:
        return self.root / "answers"

    @property
    def schedules(self) -> Path:
        """A file a schedule: what became of its last run. A lock beside it is held while one runs."""
        return self.root / "schedules"

    @property
    def loop_lock(self) -> Path:
        """Held by `firstlight agent` for as long as it stays."""
        return self.root / "agent.lock"

    @property
    def log(self) -> Path:
        return self.root / "log" / "agent.log"

    def prepare(self) -> None:
        """Make the folder, private. Raises `BadInput` where it belongs to someone else, `OSError` else."""
        make_folder(self.root)
        refuse_foreign(self.root)
        if os.name == "posix" and self.root.stat().st_mode & 0o077:
            self.root.chmod(0o700)


def file_of(site: str, profile: str) -> str:
    """The name of the file that is kept for a profile (or a target) at a site; an empty site is that of no
    enrolment.

    ``plant-a--linux-server.json``; where that would not be the name of these two alone, or none that every
    filesystem takes, a digest makes it so.
    """
    name = f"{site or NO_SITE}--{profile}"
    if site == NO_SITE or len(name) > 100 or not re.fullmatch(_PLAIN, name):
        import hashlib

        digest = hashlib.sha256(f"{len(site)} {site} {profile}".encode()).hexdigest()
        name = re.sub(r"[^a-z0-9-]", "_", name)[:100] + "-" + digest[:12]
    return f"{name}.json"


def state() -> State:
    """The agent's state: $FIRSTLIGHT_STATE, else /var/lib/firstlight for root, else below the home folder."""
    given = os.environ.get("FIRSTLIGHT_STATE")
    if given:
        return State(Path(given).absolute())
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return State(SYSTEM_STATE)
    if os.name == "nt":
        return State(Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "firstlight")
    base = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return State(Path(base) / "firstlight")
