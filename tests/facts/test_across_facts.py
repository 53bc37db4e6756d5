"""What checks across targets read: here, over a shell, and through a tunnel, with the same values."""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import struct
import subprocess
import threading
import time
import zoneinfo
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sshd import start_sshd

from agent.targets.connection import Dialer
from agent.targets.credentials import Credentials
from agent.targets.remote import RemoteTarget
from agent.targets.route import Route
from checks.fact import Fact, Known, NotReadable, Reading, Unavailable
from checks.facts.answered import AnsweredHost, Failed, NotYet
from checks.facts.asks import Ask, CompareClocks, Connect, ReadFile
from checks.facts.config import Setting
from checks.facts.content import ConfigState
from checks.facts.digest import Digest, FileDigest
from checks.facts.host import FILE_LIMIT
from checks.facts.localhost import LocalHost
from checks.facts.network import MAX_TIMEOUT_S, Connection
from checks.facts.permitted import Permitted
from checks.facts.reach import AT_ONCE, MAX_DESTINATIONS, Reach, Reachability, destination_of
from checks.facts.shell import compose, new_nonce, start
from checks.facts.shell_answers import Timing, read_answers
from checks.facts.skew import ClockOffset, Offset
from checks.facts.windowszone import Change, ZoneInformation, rule_of, zone_information
from checks.facts.zone import LOCALTIME, TIMEZONE, TimeZone, Zone, local_time, rule_in

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


def over_a_shell(fact: Fact) -> AnsweredHost:
    """This machine as it looks to a fact whose asks went to a shell in one script."""
    nonce = new_nonce()
    script = compose(fact.asks(), nonce)
    sent = time.time()
    shell = subprocess.Popen(
        ["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert shell.stdin is not None and shell.stdout is not None and shell.stderr is not None
    with shell:
        shell.stdin.write((start(nonce) + script.text).encode())
        shell.stdin.flush()
        output = b""
        while not output.endswith(f"\n{nonce} end\n".encode()):
            part = os.read(shell.stdout.fileno(), 65536)
            assert part, output
            output += part
        received = time.time()
        shell.stdin.close()
        errors = shell.stderr.read()
    body = output.partition(f"\n{nonce} go\n".encode())[2]
    return AnsweredHost(read_answers(script, body, errors, Timing(sent, received)).answers)


def same_on_both_faces(fact: Fact) -> object:
    """What a fact reads here, which is what it reads over a shell."""
    here = fact.read(Permitted(LocalHost(), fact))
    assert fact.read(Permitted(over_a_shell(fact), fact)) == here
    return here


def unread(fact: Fact, host: LocalHost | AnsweredHost) -> str:
    """The cause that a fact cannot be read for."""
    with pytest.raises(NotReadable) as problem:
        fact.read(host)
    return problem.value.cause


# ---- clocks


def test_the_agents_own_clock_is_the_measure() -> None:
    assert ClockOffset().read(LocalHost()) == Offset(0.0, 0.0)


def test_over_a_shell_the_offset_lies_within_its_doubt() -> None:
    found = ClockOffset().read(over_a_shell(ClockOffset()))
    assert abs(found.offset_s) <= found.doubt_s + 0.001
    assert 0 < found.doubt_s < 30


def test_a_clock_that_moves_a_little_is_no_change_between_runs() -> None:
    assert ClockOffset.settled(Offset(0.2, 0.1)) == ClockOffset.settled(Offset(-0.3, 0.2))
    assert ClockOffset.settled(Offset(0.2, 0.1)) != ClockOffset.settled(Offset(7.0, 0.2))


def test_a_clock_that_does_not_answer_is_unread() -> None:
    assert unread(ClockOffset(), AnsweredHost({CompareClocks(): Failed("no date", "absent")})) == "absent"


# ---- time zones


ABSENT = Failed("no such file", "absent")


def zone_of(localtime: bytes | Failed, timezone: bytes | Failed = ABSENT) -> Zone:
    return TimeZone().read(AnsweredHost({ReadFile(LOCALTIME): localtime, ReadFile(TIMEZONE): timezone}))


def zone_file(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        if Path(folder, name).is_file():
            return Path(folder, name).read_bytes()
    pytest.skip("this machine has no time zone files")


def test_the_zone_of_this_machine_is_read_on_both_faces() -> None:
    zone = same_on_both_faces(TimeZone())
    assert isinstance(zone, Zone)
    january, july = (datetime(2026, month, 1, tzinfo=UTC).astimezone() for month in (1, 7))
    offsets = {offset for offset, _, _ in local_time(zone.rule)}
    assert {each.utcoffset() for each in (january, july)} <= {timedelta(seconds=each) for each in offsets}


def test_a_zone_is_the_rule_at_the_end_of_its_file_and_its_name_where_one_is_told() -> None:
    berlin = zone_file("Europe/Berlin")
    assert zone_of(berlin) == Zone(BERLIN)
    assert zone_of(berlin, b"Europe/Berlin\n") == Zone(BERLIN, "Europe/Berlin")
    assert str(zone_of(berlin, b"Europe/Berlin\n")) == f"Europe/Berlin ({BERLIN})"
    assert zone_of(berlin, Failed("not for you", "denied")) == Zone(BERLIN)


def test_without_a_file_it_is_utc(tmp_path: Path) -> None:
    assert TimeZone().read(LocalHost(str(tmp_path))) == Zone("UTC0")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").symlink_to("/nowhere")
    assert TimeZone().read(LocalHost(str(tmp_path))) == Zone("UTC0")


def test_without_a_file_windows_is_not_utc_but_a_distant_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Windows(LocalHost):
        def read_bytes(self, path: str, limit: int = FILE_LIMIT) -> bytes:
            raise NotReadable(f"{path} is not there", "absent")

    said = ZoneInformation(-60, 0, -60, LAST_OCTOBER, LAST_MARCH, "W. Europe Standard Time")
    monkeypatch.setattr("checks.facts.windowszone.zone_information", lambda: said)
    monkeypatch.setattr("checks.facts.zone.os.name", "nt")
    seen = TimeZone().read(Windows())
    assert seen.name == "W. Europe Standard Time"
    assert local_time(seen.rule) == local_time(BERLIN)
    assert zone_of(ABSENT) == Zone("UTC0")


LAST_MARCH = Change(month=3, weekday=0, week=5, hour=2)
LAST_OCTOBER = Change(month=10, weekday=0, week=5, hour=3)


@pytest.mark.parametrize(
    ("bias", "standard", "daylight", "like"),
    [
        (-60, LAST_OCTOBER, LAST_MARCH, "Europe/Berlin"),
        (-480, Change(), Change(), "Asia/Shanghai"),
        (-330, Change(), Change(), "Asia/Kolkata"),
        (210, Change(month=11, week=1, hour=2), Change(month=3, week=2, hour=2), "America/St_Johns"),
        # the one before midnight, as Windows writes it
        (
            180,
            Change(month=10, weekday=6, week=5, hour=23, minute=59, second=59, milliseconds=999),
            Change(month=3, weekday=6, week=5, hour=22),
            "America/Nuuk",
        ),
    ],
)
def test_a_zone_of_windows_is_that_of_other_systems(
    bias: int, standard: Change, daylight: Change, like: str
) -> None:
    rule = rule_of(ZoneInformation(bias, 0, -60, standard, daylight, ""))
    if like == "America/Nuuk":
        assert rule == "<WIN>3<WINS>2,M3.5.6/22,M10.5.6/24"
    else:
        assert local_time(rule) == local_time(rule_in(zone_file(like)))


def test_a_zone_of_windows_that_goes_by_dates_of_one_year_has_no_rule() -> None:
    once = Change(year=2026, month=3, week=29, hour=2)
    with pytest.raises(NotReadable) as problem:
        rule_of(ZoneInformation(-60, 0, -60, LAST_OCTOBER, once, ""))
    assert problem.value.cause == "unsupported"


def test_windows_is_asked_through_its_own_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel32 that fills the bytes as timezoneapi.h lays them out."""
    key = "W. Europe Standard Time".encode("utf-16-le")

    class Kernel32:
        status = 1

        def GetDynamicTimeZoneInformation(self, into: Any) -> int:  # its name
            october, march = (
                struct.pack("<8H", 0, 10, 0, 5, 3, 0, 0, 0),
                struct.pack("<8H", 0, 3, 0, 5, 2, 0, 0, 0),
            )
            data = struct.pack("<i64s16si64s16si256sB", -60, b"", october, 0, b"", march, -60, key, 0)
            ctypes.memmove(into, data, len(data))
            return self.status

    kernel32 = Kernel32()
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)
    seen = zone_information()
    assert seen == ZoneInformation(-60, 0, -60, LAST_OCTOBER, LAST_MARCH, "W. Europe Standard Time")
    kernel32.status = -1
    with pytest.raises(NotReadable, match="does not tell"):
        zone_information()
    monkeypatch.delattr(ctypes, "windll")
    with pytest.raises(NotReadable, match="no Windows"):
        zone_information()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "parse"),
        (b"Europe/Berlin\n", "parse"),
        (b"TZif2" + bytes(39), "parse"),
        (b"TZif2" + bytes(39) + b"\n" + BERLIN.encode(), "parse"),
        (b"TZif2" + bytes(39) + b"\nUTC0\nmore", "parse"),
        (b"TZif2" + bytes(39) + b"\nEST5EDT\n", "parse"),
        (b"TZif2" + bytes(39) + b"\n\xff\xfe\n", "parse"),
        (b"TZif\0" + bytes(39), "unsupported"),
        (b"TZif2" + bytes(39) + b"\n\n", "unsupported"),
    ],
)
def test_a_file_without_a_rule_is_no_zone(data: bytes, cause: str) -> None:
    with pytest.raises(NotReadable) as problem:
        rule_in(data)
    assert problem.value.cause == cause


def test_a_zone_file_that_cannot_be_read_is_not_taken_for_utc() -> None:
    hidden: dict[Ask, Failed] = {ReadFile(LOCALTIME): Failed("Permission denied", "denied")}
    assert unread(TimeZone(), AnsweredHost(hidden)) == "denied"


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        ("UTC0", "GMT0"),
        ("UTC0", "<+00>-00:00"),
        ("<-03>3", "BRT3"),
        ("EST5EDT,M3.2.0,M11.1.0", "EST5EDT4,M3.2.0/2:00,M11.1.0/2"),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", "GMT0BST,M3.5.0/1,M10.5.0"),
    ],
)
def test_two_rules_with_the_same_local_time_are_the_same(rule: str, other: str) -> None:
    assert local_time(rule) == local_time(other)


def year_of(zone: zoneinfo.ZoneInfo) -> tuple[object, ...]:
    """The offset at the start of a year, and each hour of it with another. No table of a zone goes so far:
    only the rules do."""
    start = datetime(2090, 1, 1, tzinfo=UTC)

    def offset(hour: int) -> timedelta | None:
        return (start + timedelta(hours=hour)).astimezone(zone).utcoffset()

    days = [day for day in range(365) if offset(day * 24) != offset(day * 24 + 24)]
    hours = [hour for day in days for hour in range(day * 24, day * 24 + 24)]
    return offset(0), *((hour, offset(hour + 1)) for hour in hours if offset(hour) != offset(hour + 1))


def test_every_rule_of_this_machines_tzdata_means_what_the_standard_library_makes_of_it() -> None:
    rules: dict[str, str] = {}
    for name in sorted(zoneinfo.available_timezones()):
        rules.setdefault(rule_in(zone_file(name)), name)
    assert len(rules) > 50 or pytest.skip("this machine has few time zone files")
    by_meaning = defaultdict(set)
    for rule, name in rules.items():
        by_meaning[local_time(rule)].add(year_of(zoneinfo.ZoneInfo(name)))
    assert all(len(each) == 1 for each in by_meaning.values())
    assert len({each for changes in by_meaning.values() for each in changes}) == len(by_meaning)


# ---- files


def test_the_digest_of_a_file_of_any_size_is_the_same_on_both_faces(tmp_path: Path) -> None:
    file = tmp_path / "a file's name"
    file.write_bytes(b"x" * (FILE_LIMIT + 1))
    wanted = hashlib.sha256(file.read_bytes()).hexdigest()
    assert same_on_both_faces(FileDigest(str(file))) == Digest(True, wanted)


def test_a_file_that_is_not_there_has_an_answer_and_a_folder_has_none(tmp_path: Path) -> None:
    assert same_on_both_faces(FileDigest(str(tmp_path / "none"))) == Digest(False)
    folder = FileDigest(str(tmp_path))
    assert unread(folder, LocalHost()) == unread(folder, over_a_shell(folder)) == "unsupported"


def test_a_key_of_a_file_that_is_not_there_is_not_set(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    fact = ConfigState(str(file), "auto", "db.pool")
    assert same_on_both_faces(fact) == Setting(False)
    file.write_text("db: {pool: 20}\n")
    assert same_on_both_faces(fact) == Setting(True, 20)
    file.write_text("db: {other: 20}\n")
    assert same_on_both_faces(fact) == Setting(False)
    file.write_text("db: [")
    assert unread(fact, LocalHost()) == "parse"


@pytest.mark.parametrize(
    "text",
    ["password: geheim", "url: postgresql://app:geheim@db1/shop", "url: [a, 'host=db1 password=geheim']"],
)
def test_what_holds_a_secret_is_withheld_because_two_masks_would_be_the_same(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(f"{text}\n")
    fact = ConfigState(str(file), "auto", text.partition(":")[0])
    assert fact.read(LocalHost()) == Setting(True, withheld=True)


# ---- connects


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener.getsockname()[1]


@contextmanager
def refusing() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("db1:5432", ("db1", 5432)),
        ("db1.example.com:1", ("db1.example.com", 1)),
        ("10.1.2.3:65535", ("10.1.2.3", 65535)),
        ("[::1]:80", ("::1", 80)),
        ("[fe80::1%eth0]:22", ("fe80::1%eth0", 22)),
        ("bücher.example:80", ("bücher.example", 80)),
        ("::1:80", None),
        ("[db1]:80", None),
        ("[10.1.2.3]:80", None),
        ("db1", None),
        ("db1:", None),
        (":80", None),
        ("db1:0", None),
        ("db1:65536", None),
        ("db1:http", None),
        ("db1:٣", None),
        ("http://db1:80", None),
        ("me@db1:80", None),
        ("<pid of x>:80", None),
        ("a b:80", None),
        ("a\0b:80", None),
        ("db1:80\n", None),
    ],
)
def test_what_is_a_destination(text: str, place: tuple[str, int] | None) -> None:
    assert destination_of(text) == place


def test_what_came_of_each_destination_is_told_and_what_is_none_is_left_out() -> None:
    with listening() as open_port, refusing() as closed_port:
        names = (f"127.0.0.1:{open_port}", f"127.0.0.1:{closed_port}", "nosuch.invalid:80", "nonsense")
        fact = Reachability(names, 5.0)
        found = fact.read(Permitted(LocalHost(), fact))
    assert {name: link.outcome for name, link in found.links.items()} == {
        names[0]: "connected",
        names[1]: "refused",
        names[2]: "dns",
    }
    assert found.unread == {}


def test_an_ipv6_address_is_connected_to() -> None:
    try:
        with listening("::1") as port:
            found = Reachability((f"[::1]:{port}",), 5.0).read(LocalHost())
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert [link.outcome for link in found.links.values()] == ["connected"]


class Meeting(LocalHost):
    """Every connect waits until so many are under way at once."""

    def __init__(self, parties: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(parties, timeout=30)
        self.lock, self.under_way, self.most = threading.Lock(), 0, 0

    def connect(self, name: str, port: int, timeout: float) -> Connection:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.barrier.wait()
        with self.lock:
            self.under_way -= 1
        return Connection("connected")


def test_connects_are_made_side_by_side_and_never_too_many_at_once() -> None:
    host = Meeting(AT_ONCE)
    names = tuple(f"db{number}:5432" for number in range(2 * AT_ONCE))
    found = Reachability(names, 5.0).read(host)
    assert (*found.links,) == names
    assert host.most == AT_ONCE


def test_the_deadline_holds_for_as_many_destinations_as_there_may_be() -> None:
    assert Reachability.deadline_s > ceil(MAX_DESTINATIONS / AT_ONCE) * MAX_TIMEOUT_S
    names = tuple(f"db{number}:5432" for number in range(MAX_DESTINATIONS + 1))
    assert unread(Reachability(names, 5.0), LocalHost()) == "too-large"


def test_a_timeout_stays_within_the_deadline() -> None:
    assert Reachability(("db1:5432",), 3600.0).asks() == (Connect("db1", 5432, MAX_TIMEOUT_S),)
    assert Reachability(("db1:5432",), 0.0).asks() == (Connect("db1", 5432, 0.1),)


def test_a_distant_machine_is_asked_for_all_destinations_at_once() -> None:
    fact = Reachability(("db1:5432", "[::1]:80", "db1:5432", "nonsense"), 5.0)
    with pytest.raises(NotYet) as question:
        fact.read(Permitted(AnsweredHost({}), fact))
    assert question.value.asks == fact.asks() == (Connect("db1", 5432, 5.0), Connect("::1", 80, 5.0))


def test_a_destination_that_cannot_be_tried_hides_no_other() -> None:
    answers: dict[Ask, object] = {
        Connect("db1", 5432, 5.0): Failed("needs: PermitOpen", "denied"),
        Connect("db1", 22, 5.0): Connection("connected", 1.0),
    }
    found = Reachability(("db1:5432", "db1:22"), 5.0).read(AnsweredHost(answers))
    assert found == Reach(
        {"db1:22": Connection("connected", 1.0)}, {"db1:5432": Unavailable("needs: PermitOpen", "denied")}
    )
    assert Reachability.settled(found) == {"db1:22": "connected", "db1:5432": "denied"}


def test_a_declared_fact_says_what_it_is_about_and_asks_nothing_yet() -> None:
    declared = Reachability("{to}", "{timeout}")
    assert (declared.describe(), declared.asks()) == ("connect to {to} (TCP)", ())
    assert Reachability(("a:1", "none", "b:2", "a:1")).describe() == "connect to a:1, b:2 (TCP)"


def test_over_ssh_all_of_them_are_read_with_the_same_values(tmp_path: Path) -> None:
    file = tmp_path / "app.conf"
    file.write_text("pool = 20\n")
    with start_sshd(tmp_path / "sshd") as server, listening() as open_port, refusing() as closed_port:
        places = (f"127.0.0.1:{open_port}", f"127.0.0.1:{closed_port}", "nosuch.invalid:80")
        matrix = Reachability(places, 5.0)
        route = Route(
            "far",
            "127.0.0.1",
            server.port,
            server.user,
            f"[127.0.0.1]:{server.port}",
            identities=(str(server.identity),),
            identities_only=True,
            known_hosts=(str(server.known_hosts),),
        )
        far: dict[Fact, Reading] = {}
        credentials = Credentials()
        credentials.prepare([route])
        dialer = Dialer(credentials)
        target = RemoteTarget(route, dialer)
        files = (FileDigest(str(file)), ConfigState(str(file), "auto", "pool"), TimeZone())
        target.read((*files, ClockOffset(), matrix), lambda fact, reading, _: far.update({fact: reading}))
        target.close()
        dialer.close()
    assert {fact: far[fact] for fact in files} == {fact: Known(fact.read(LocalHost())) for fact in files}
    offset, row = far[ClockOffset()], far[matrix]
    assert isinstance(offset, Known) and abs(offset.value.offset_s) <= offset.value.doubt_s + 0.001
    assert isinstance(row, Known) and isinstance(row.value, Reach)
    assert [link.outcome for link in row.value.links.values()] == ["connected", "refused", "dns"]
