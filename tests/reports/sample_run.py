"""A run with one result of every kind, as the report tests show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from checks.model import Message, ProfileRef, Resources, Result, Severity, Status, Target
from reports.run.view import Delivery, RunView

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def result(
    item: str,
    status: Status,
    severity: Severity = Severity.P2,
    object: str = "",
    message: Message | str = "It is so.",
    **changes: object,
) -> Result:
    """A result with everything that does not matter filled in."""
    values: dict[str, object] = {
        "key": f"{abs(hash((item, object))) % 16**32:032x}",
        "target": "erp-app-01",
        "item": item,
        "check": item,
        "check_version": 1,
        "object": object,
        "status": status,
        "severity": severity,
        "cause": "",
        "rule": "0" * 32,
        "title": "Something holds",
        "message": Message(message) if isinstance(message, str) else message,
        "evidence": {},
        "remedy": "",
        "owner": "customer-it",
        "duration_ms": 1.5,
    }
    return Result(**{**values, **changes})  # type: ignore[arg-type]  # a test's shorthand


def results() -> tuple[Result, ...]:
    """In no useful order, on purpose."""
    return (
        result(
            "os.supported", Status.PASS, message="Debian 12 is supported", title="The system is supported"
        ),
        result("disk.inodes", Status.PASS, object="/", message="94 % of inodes free on /"),
        result("mem.used", Status.PASS, message="41 % of 16 GiB used"),
        result(
            "time.sync",
            Status.SKIP,
            message="In a container the clock belongs to the host",
            title="The clock is synchronised",
        ),
        result(
            "lim.nofile",
            Status.WARN,
            Severity.P2,
            object="nginx",
            message=Message(
                "The hard limit of nginx is {hard}, below {wanted}", {"hard": 4096, "wanted": 65536}
            ),
            title="Running processes may open enough files",
            cause="low",
            evidence={"soft": 1024, "hard": 4096, "processes": 5},
            remedy="Set LimitNOFILE=65536 with `systemctl edit nginx` and restart it.",
        ),
        result(
            "disk.free",
            Status.FAIL,
            Severity.P1,
            object="/var/lib/postgresql",
            message=Message("{free} % free on {mount}", {"free": 3.2, "mount": "/var/lib/postgresql"}),
            title="A filesystem has room to grow",
            cause="low",
            evidence={"free_percent": 3.2, "free": 5153960755, "total": 161061273600, "read_only": False},
            remedy="Extend the volume, or remove what `du -xh /var/lib/postgresql | sort -h | tail` names.",
        ),
        result(
            "db.port",
            Status.FAIL,
            Severity.P0,
            object="db.internal:5432",
            message="db.internal:5432 refused the connection",
            title="A port answers",
            cause="refused",
            owner="dba",
            evidence={"outcome": "refused", "latency_ms": 0.4},
            remedy="Start the database, or open the port from erp-app-01 in the firewall:\n"
            "`ss -ltn sport = :5432` on the far side shows who listens.",
        ),
        result(
            "app.log-level",
            Status.ERROR,
            Severity.P3,
            object="/etc/erp/app.ini:log.level",
            message="/etc/erp/app.ini could not be read: permission denied",
            title="A configuration value is as agreed",
            cause="denied",
            owner="vendor",
            remedy="Run as a user who may read the file.",
        ),
        result(
            "backup.restore-tested",
            Status.MANUAL,
            Severity.P1,
            message="Was a restore tried in the last 90 days?",
            title="A backup can be restored",
            owner="dba",
            remedy="Restore the newest backup on a spare machine and note the date.",
        ),
    )


def view(*found: Result, **changes: object) -> RunView:
    """A view of these results, or of one of every kind."""
    values: dict[str, object] = {
        "profile": ProfileRef("app-server", "3"),
        "title": "Application server",
        "plan_digest": "5f" * 32,
        "started": NOON,
        "ended": NOON + timedelta(seconds=1.4),
        "captured": NOON,
        "targets": (Target("erp-app-01"),),
        "results": found or results(),
        "version": "0.1.0",
        "site": "Acme Stuttgart",
        "run": "019ab000-0000-7000-8000-000000000001",
        "operator": "li.wei",
        "resources": Resources(0.21, 28_000_000, 1.4),
        "delivery": Delivery(
            "sent", "sent to https://collector.example", "https://collector.example/runs/019ab0"
        ),
    }
    return RunView(**{**values, **changes})  # type: ignore[arg-type]  # a test's shorthand
