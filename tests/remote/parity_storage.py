"""Samples of facts about storage, logs, licences and jobs, with files of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from checks.fact import Fact
from checks.facts.answering import MountAnswers, RemoteMounts
from checks.facts.filling import FillHistory
from checks.facts.jobs import LastStamp, TimerState
from checks.facts.licence import LicenceDate
from checks.facts.loglines import NewLogLines
from checks.facts.mountstate import MountAt, WritableMounts
from checks.facts.newest import NewestFile
from checks.facts.openpaths import OpenPaths
from checks.facts.raid import RaidArrays
from checks.facts.room import Room, RoomAt
from checks.facts.writelatency import WriteLatency, WriteTimes


def samples(world: Any) -> dict[str, Fact]:
    folder = f"{world.folder}/storage"
    return {
        "FillHistory": FillHistory("/"),
        "RoomAt": RoomAt(f"{folder}/not/yet/there"),
        "RoomAt a file": RoomAt(f"{folder}/licence"),
        "RoomAt below a file": RoomAt(f"{folder}/licence/x/y"),
        "RoomAt in a closed folder": RoomAt(f"{world.folder}/closed/x"),
        "RoomAt a relative path": RoomAt("opt/app"),
        "RoomAt no size": RoomAt("/proc/x/y"),
        "MountAt": MountAt(folder),
        "MountAt the root": MountAt("/"),
        "MountAt the kernel's": MountAt("/proc/sys"),
        "MountAt a relative path": MountAt("proc"),
        "WritableMounts": WritableMounts(),
        "RaidArrays": RaidArrays(),
        "RemoteMounts": RemoteMounts(),
        "MountAnswers of a mount": MountAnswers("/proc"),
        "MountAnswers of no mount": MountAnswers(f"{folder}/nowhere"),
        "WriteLatency": WriteLatency(folder),
        "WriteLatency in no folder": WriteLatency(f"{folder}/nowhere"),
        "WriteLatency in a file": WriteLatency(f"{folder}/licence"),
        "WriteLatency in the kernel": WriteLatency("/proc"),
        "NewestFile": NewestFile(f"{folder}/backups/db-*.dump"),
        "NewestFile of classes": NewestFile(f"{folder}/backups/db-[12]?dump"),
        "NewestFile that is hidden": NewestFile(f"{folder}/backups/.*"),
        "NewestFile of one name": NewestFile(f"{folder}/licence"),
        "NewestFile of none": NewestFile(f"{folder}/backups/*.gz"),
        "NewestFile of no folder": NewestFile(f"{folder}/nowhere/*"),
        "NewestFile that is a folder": NewestFile(folder),
        "NewestFile in a closed folder": NewestFile(f"{world.folder}/closed/*"),
        "NewestFile of folders": NewestFile(f"{folder}/*/db"),
        "OpenPaths": OpenPaths(f"{folder}/app"),
        "OpenPaths behind a link": OpenPaths(f"{folder}/app link/"),
        "OpenPaths not deep": OpenPaths(f"{folder}/app", 1),
        "OpenPaths but for some": OpenPaths(f"{folder}/app", 12, ("logs/*", "*lines")),
        "OpenPaths of a file": OpenPaths(f"{folder}/app/open"),
        "OpenPaths of nothing": OpenPaths(f"{folder}/nowhere"),
        "OpenPaths of a closed folder": OpenPaths(f"{world.folder}/closed"),
        "NewLogLines": NewLogLines(f"{folder}/app.log", "ERROR"),
        "NewLogLines of an empty file": NewLogLines(f"{world.folder}/empty", "ERROR"),
        "NewLogLines of nothing": NewLogLines(f"{folder}/nowhere", "ERROR"),
        "NewLogLines of a folder": NewLogLines(folder, "ERROR"),
        "NewLogLines that may not be read": NewLogLines(f"{world.folder}/secret", "ERROR"),
        "LicenceDate": LicenceDate(f"{folder}/licence"),
        "LicenceDate of a key": LicenceDate(f"{folder}/licence.json", "licence.valid_to"),
        "LicenceDate of no key": LicenceDate(f"{folder}/licence.json", "licence.valid_from"),
        "LicenceDate of a key without a date": LicenceDate(f"{folder}/licence.json", "licence.to"),
        "LicenceDate of a binary file": LicenceDate(f"{world.folder}/binary"),
        "LicenceDate of nothing": LicenceDate(f"{folder}/nowhere"),
        "LastStamp": LastStamp(f"{folder}/job.log", "backup ok"),
        "LastStamp in the file before": LastStamp(f"{folder}/job.log", "backup [f]ailed"),
        "LastStamp in neither": LastStamp(f"{folder}/job.log", "nothing of that kind"),
        "LastStamp without a date": LastStamp(f"{folder}/job.log", "no date"),
        "LastStamp of nothing": LastStamp(f"{folder}/nowhere"),
        "TimerState": TimerState("fstrim.timer"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    del stack
    top = folder / "storage"
    app = top / "app"
    for each in (app / "logs/deep", app / "sticky", top / "backups"):
        each.mkdir(parents=True)
    top.chmod(0o777)
    (top / "app link").symlink_to("app")
    (app / "sticky").chmod(0o1777)
    (app / "closed").mkdir(mode=0o700)
    for name in ("open", "logs/deep/open", "two\nlines", "logs/also"):
        (app / name).write_text("x")
        (app / name).chmod(0o666)
    for number, name in enumerate(["db-1.dump", "db-2.dump", "db-3.dump", ".hidden", "other"]):
        (top / "backups" / name).write_text("x" * number)
        os.utime(top / "backups" / name, (1_790_000_000, 1_790_000_000 + number))
    (top / "backups/db-4.dump").mkdir()
    (top / "app.log").write_text("INFO a\nERROR b\n")
    (top / "licence").write_text(
        "Customer: Acme\nValid from 2026-01-01 until 2026-12-31\nMaintenance expires: 31.1.2027\n"
    )
    (top / "licence.json").write_text('{"licence": {"valid_to": "2026年12月31日", "to": "Acme"}}')
    (top / "job.log.1").write_text("2026-11-24 03:00:01 backup failed\n")
    (top / "job.log").write_text("Nov 25 03:00:01 host backup ok\nno date\n")


STANDING: Final[dict[type, Callable[[Any], object]]] = {
    Room: lambda seen: (seen.at, seen.total),
    WriteTimes: lambda seen: seen.writes,
}
