"""The collector over real HTTP in a thread of the test's process: up at once, however busy the machine is."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import uvicorn
from sqlalchemy.orm import Session

from server import delivery, store
from server.app import create_app
from server.clock import utc_now
from server.db import Database, open_database
from server.settings import Settings


class Served:
    """A collector on a store of the test's own, with the site plant-a, always on one port."""

    def __init__(self, url: str) -> None:
        self.db: Database = open_database(url)
        with self.db.write() as session:
            self._found(session)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def _found(self, session: Session) -> None:
        now = utc_now()
        store.found_store(session, now)
        delivery.add_customer(session, "Acme", by="test", now=now, id="acme")
        delivery.add_site(session, "acme", "Plant A", by="test", now=now, id="plant-a")

    def start(self) -> None:
        app = create_app(self.db, Settings(db="", port=self.port))
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, access_log=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 30
        while not self.server.started:
            assert self.thread.is_alive() and time.monotonic() < deadline, "the collector did not come up"
            time.sleep(0.01)

    def stop(self) -> None:
        """Nobody answers any more until `start`."""
        self.server.should_exit = True
        self.thread.join(30)

    def close(self) -> None:
        with suppress(RuntimeError):
            self.stop()
        self.db.close()

    def token(self, site: str = "plant-a") -> str:
        with self.db.write() as session:
            return delivery.issue_enrolment_token(session, site, by="test", now=utc_now())
