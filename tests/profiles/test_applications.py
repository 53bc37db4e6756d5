"""Odoo and ERPNext, which are not installed here: files as documented, and a stand-in for what they answer.

The stand-in says what the real ones say to these requests; their processes and databases are no part of it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from shipped import extending, run, told

ODOO = """\
[options]
admin_passwd = $pbkdf2-sha512$25000$x
db_host = False
db_user = odoo
dbfilter = ^erp$
list_db = False
proxy_mode = True
workers = 5
"""


class Answers(BaseHTTPRequestHandler):
    """What the applications answer, by path and host."""

    pages: ClassVar[dict[str, tuple[int, dict[str, str]]]] = {}

    def do_GET(self) -> None:
        status, body = self.pages.get(f"{self.headers['Host']}{self.path}") or self.pages.get(
            self.path, (404, {"error": "none"})
        )
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[tuple[str, dict[str, tuple[int, dict[str, str]]]]]:
    """Where the stand-in listens, and its pages."""
    pages: dict[str, tuple[int, dict[str, str]]] = {}
    handler = type("Handler", (Answers,), {"pages": pages})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", pages
        finally:
            server.shutdown()
            thread.join()


ODOO_ITEMS = ("odoo.answers", "odoo.list-off", "odoo.manager-off", "odoo.proxy-mode", "odoo.workers",
              "odoo.db-filter", "odoo.config", "odoo.backup")  # fmt: skip


def odoo(folder: Path, url: str, text: str) -> str:
    config = folder / "odoo.conf"
    config.write_text(text)
    config.chmod(0o640)
    (folder / "odoo.zip").write_text("x")
    variables = {
        "odoo_config": str(config),
        "odoo_url": f"{url}/web/health",
        "odoo_manager_url": f"{url}/web/database/manager",
        "odoo_backup": f"{folder}/*.zip",
    }
    return extending(folder, "odoo", variables=variables)


def test_an_odoo_as_its_documentation_wants_it_passes(answers: Any, tmp_path: Path) -> None:
    url, pages = answers
    pages |= {"/web/health": (200, {"status": "pass"}), "/web/database/manager": (404, {})}
    assert told(run(odoo(tmp_path, url, ODOO), ODOO_ITEMS)) == dict.fromkeys(ODOO_ITEMS, "pass")


def test_an_odoo_as_it_comes_is_told_of(answers: Any, tmp_path: Path) -> None:
    url, pages = answers
    pages |= {"/web/health": (500, {"status": "fail"}), "/web/database/manager": (200, {})}
    text = ODOO.replace("list_db = False", "list_db = True").replace("workers = 5", "workers = 0")
    text = text.replace("proxy_mode = True", "proxy_mode = False").replace("dbfilter = ^erp$\n", "")
    profile = odoo(tmp_path, url, text)
    (tmp_path / "odoo.conf").chmod(0o644)
    (tmp_path / "odoo.zip").unlink()
    results = run(profile, ODOO_ITEMS)
    assert {each.item: (str(each.status), each.cause) for each in results} == {
        "odoo.answers": ("fail", "status"),
        "odoo.list-off": ("fail", "differs"),
        "odoo.manager-off": ("fail", "status"),
        "odoo.proxy-mode": ("fail", "differs"),
        "odoo.workers": ("fail", "differs"),
        "odoo.db-filter": ("fail", "missing"),
        "odoo.config": ("fail", "mode"),
        "odoo.backup": ("fail", "none"),
    }
    assert "pbkdf2" not in "".join(str(each.message) + str(each.evidence) for each in results)


ERP_ITEMS = ("erp.answers", "erp.developer-off", "erp.scheduler-on", "erp.maintenance-off", "erp.site-config",
             "erp.backup")  # fmt: skip


def erpnext(folder: Path, url: str, common: dict[str, Any], site: dict[str, Any]) -> str:
    private = folder / "sites/erp.example/private/backups"
    private.mkdir(parents=True)
    (private / "20261125_120000-erp_example-database.sql.gz").write_text("x")
    (folder / "sites/common_site_config.json").write_text(json.dumps(common, indent=1))
    config = folder / "sites/erp.example/site_config.json"
    config.write_text(json.dumps(site, indent=1))
    config.chmod(0o640)
    variables = {
        "erp_bench": str(folder),
        "erp_site": "erp.example",
        "erp_user": config.owner(),
        "erp_url": f"{url}/api/method/ping",
        "erp_host_header": "Host: erp.example",
    }
    return extending(folder, "erpnext", variables=variables)


COMMON = {"background_workers": 1, "developer_mode": 0, "redis_cache": "redis://127.0.0.1:13000"}
SITE = {"db_name": "_1bd3e0294da19198", "db_password": "secret-of-the-site", "db_type": "mariadb"}


def test_an_erpnext_as_bench_sets_it_up_passes(answers: Any, tmp_path: Path) -> None:
    url, pages = answers
    pages["erp.example/api/method/ping"] = (200, {"message": "pong"})
    results = told(run(erpnext(tmp_path, url, COMMON, SITE), ERP_ITEMS))
    assert results == dict.fromkeys(ERP_ITEMS, "pass")


def test_an_erpnext_of_a_developer_in_maintenance_is_told_of(answers: Any, tmp_path: Path) -> None:
    url, pages = answers
    pages["erp.example/api/method/ping"] = (503, {"message": "in maintenance"})
    common = COMMON | {"developer_mode": 1, "pause_scheduler": 1}
    results = run(erpnext(tmp_path, url, common, SITE | {"maintenance_mode": 1}), ERP_ITEMS)
    wrong = {each.item: (str(each.status), each.cause) for each in results if each.status != "pass"}
    assert wrong == {
        "erp.answers": ("fail", "status"),
        "erp.developer-off": ("fail", "present"),
        "erp.scheduler-on": ("fail", "present"),
        "erp.maintenance-off": ("fail", "present"),
    }
    assert "secret-of-the-site" not in "".join(str(each) for each in results)
