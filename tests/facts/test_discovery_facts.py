"""What discovery lists: services of systemd 252 as recorded, of OpenRC and of runlevels; files, accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from answering import files, read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.accountlist import AccountList
from checks.facts.answered import Failed, ProcessTable
from checks.facts.asks import Ask, ListFolder, ListProcesses, ReadFile, StatPath
from checks.facts.foundfiles import FoundFiles
from checks.facts.localhost import LocalHost
from checks.facts.nameservers import NameServers, servers_in
from checks.facts.packagelist import PackageList
from checks.facts.packages import DPKG, DPKG_DATABASE
from checks.facts.pathinfo import Entry, Stat
from checks.facts.processtable import Process
from checks.facts.programs import Programs
from checks.facts.servicelist import RUNNING, ServiceList, knows_status, parse_running
from checks.facts.tlsfiles import Pair, TlsFiles, pairs_in

THERE = Stat(0o040755, 0, 0, 0, 0)
SYSTEMD: dict[Ask, Any] = {StatPath("/run/systemd/system"): THERE}
OPENRC: dict[Ask, Any] = {StatPath("/run/openrc"): THERE}

DEBIANS = 'case "$1" in\n  start)\n  ;;\n  stop|status)\n  ;;\nesac\n'


def folder(path: str, *names: str, type: str = "symlink") -> dict[Ask, Any]:
    return {ListFolder(path): tuple(Entry(name, type) for name in names)}


def test_systemd_lists_what_runs() -> None:
    answers = SYSTEMD | {RUNNING: said(recorded("systemctl/running"))}
    services = read(ServiceList(), answers)
    assert (services.manager, services.names) == ("systemd", ("nginx@1", "ok"))


def test_a_mark_before_a_unit_is_none_of_its_name() -> None:
    assert parse_running(
        "● a.service loaded active running A\n  b.service loaded active running B\nx y\n\n"
    ) == (
        "a",
        "b",
    )


def test_what_systemd_does_not_say_is_an_error() -> None:
    with pytest.raises(NotReadable, match="systemctl: Failed to connect to bus"):
        read(ServiceList(), SYSTEMD | {RUNNING: said("", 1, b"Failed to connect to bus")})


def test_openrc_leaves_a_link_of_what_it_started() -> None:
    services = read(ServiceList(), OPENRC | folder("/run/openrc/started", "sshd", "chronyd"))
    assert (services.manager, services.names) == ("openrc", ("chronyd", "sshd"))


def test_of_runlevels_those_scripts_are_taken_that_know_the_word_status() -> None:
    answers = folder("/etc/rc2.d", "S01ssh", "S02old", "K01off", "S03gone", "README")
    answers |= folder("/etc/rc3.d", "S01ssh", "S01byd")
    scripts = {
        "ssh": DEBIANS,
        "old": 'case "$1" in\n start)\n ;;\nesac\n',
        "byd": "#!/lib/init/init-d-script\n",
    }
    answers |= {ReadFile(f"/etc/init.d/{name}"): text.encode() for name, text in scripts.items()}
    services = read(ServiceList(), answers)
    assert (services.manager, services.names) == ("sysv", ("byd", "ssh"))


def test_without_any_manager_there_is_nothing_to_list() -> None:
    with pytest.raises(NotReadable) as caught:
        read(ServiceList(), {})
    assert caught.value.cause == "unsupported"


@pytest.mark.parametrize(
    ("script", "knows"),
    [
        (DEBIANS, True),
        ("  status)\n", True),
        ("\t'status')\n", True),
        ("  start|status|stop)\n", True),
        ("echo status\n", False),
        ("# status)\n", False),
        ("do_status() {\n", False),
        ("#!/lib/init/init-d-script\nDAEMON=/usr/sbin/x\n", True),
    ],
)
def test_whether_a_script_knows_status(script: str, knows: bool) -> None:
    assert knows_status(script) is knows


def test_people_are_told_from_services_by_their_id() -> None:
    passwd = (
        "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
        "ann:x:1000:1000::/home/ann:/bin/zsh\nerp:x:999:999::/opt/erp:/bin/sh\n"
        "nobody:x:65534:65534::/:/usr/sbin/nologin\nann:x:7:7::/:/bin/sh\nbroken\n"
    )
    table = read(AccountList(), files(etc__passwd=passwd))
    seen = {each.name: (each.uid, each.person, each.logs_in) for each in table.accounts}
    assert seen == {
        "ann": (1000, True, True),
        "erp": (999, False, True),
        "nobody": (65534, False, False),
        "root": (0, False, True),
        "www-data": (33, False, False),
    }
    old = read(AccountList(), files(etc__passwd=passwd) | {**_file("/etc/login.defs", "UID_MIN 500\n")})
    assert [each.name for each in old.accounts if each.person] == ["ann", "erp"]


def _file(path: str, text: str) -> dict[Ask, Any]:
    return {ReadFile(path): text.encode()}


def test_every_package_is_listed_once_with_all_its_versions() -> None:
    answers = {StatPath(DPKG_DATABASE): THERE, DPKG: said(recorded("dpkg/list"))}
    packages = read(PackageList(), answers)
    assert packages.manager == "dpkg"
    assert "bash" in packages.versions
    assert not [name for name in packages.versions if ":" in name]
    assert list(packages.versions) == sorted(packages.versions)


def test_programs_are_named_once_with_all_their_users_and_without_the_kernel() -> None:
    table = ProcessTable(
        (
            Process(2, "kthreadd", 0, "root", kernel=True),
            Process(7, "nginx", 0, "root"),
            Process(8, "nginx", 33, "www-data"),
            Process(9, "nginx", 33, "www-data"),
            Process(10, "cron", 0, "root"),
        ),
        True,
    )
    seen = read(Programs(), {ListProcesses(): table})
    assert [(each.name, each.users) for each in seen.programs] == [
        ("cron", ("root",)),
        ("nginx", ("root", "www-data")),
    ]


def test_any_part_of_a_path_may_be_a_pattern(tmp_path: Path) -> None:
    for name in ("a/15/main.conf", "a/16/main.conf", "a/16/other.txt", "b/main.conf", "a/.x/main.conf"):
        path = tmp_path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "etc/a/17").mkdir()
    (tmp_path / "etc/a/17/main.conf").mkdir()
    (tmp_path / "etc/a/18").symlink_to("15")
    host = LocalHost(str(tmp_path))
    assert FoundFiles("/etc/a/*/main.conf").read(host) == (
        "/etc/a/15/main.conf",
        "/etc/a/16/main.conf",
        "/etc/a/18/main.conf",
    )
    assert FoundFiles("/etc/*/main.conf").read(host) == ("/etc/b/main.conf",)
    assert FoundFiles("/etc/a/16/*").read(host) == ("/etc/a/16/main.conf", "/etc/a/16/other.txt")
    assert FoundFiles("/etc/b/main.conf").read(host) == ("/etc/b/main.conf",)
    assert FoundFiles("/etc/nowhere/*/x").read(host) == ()
    assert FoundFiles("/etc/b").read(host) == ()


def test_a_folder_that_may_not_be_listed_is_no_empty_one() -> None:
    with pytest.raises(NotReadable) as caught:
        read(FoundFiles("/etc/a/*.conf"), {ListFolder("/etc/a"): Failed("/etc/a: denied", "denied")})
    assert caught.value.cause == "denied"


def test_what_a_pattern_asks_is_declared() -> None:
    asked = [ask.describe() for ask in FoundFiles("/etc/a/*/x.conf").asks()]
    assert asked == [
        "list /etc/a",
        "list /etc/a/<each name that fits>",
        "stat /etc/a/<each name that fits>",
    ]
    assert [ask.describe() for ask in FoundFiles("/etc/fstab").asks()] == ["stat /etc/fstab"]


def test_name_servers_stand_in_their_order() -> None:
    text = (
        "# nameserver 9.9.9.9\nsearch x\nnameserver 10.0.0.2\n nameserver\t2001:db8::1 # x\nnameserver no\n"
    )
    assert servers_in(text + "nameserver 10.0.0.2\n") == ("10.0.0.2", "2001:db8::1")
    assert read(NameServers(), {}) == ()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (
            "server {\n  ssl_certificate /etc/a.pem;\n  ssl_certificate_key /etc/a.key; # x\n}\n",
            (Pair("/etc/a.pem", "/etc/a.key"),),
        ),
        ("SSLCertificateKeyFile '/k 1'\nSSLCertificateFile \"/c 1\"\n", (Pair("/c 1", "/k 1"),)),
        ("ssl_cert_file = '/pg.pem'\nssl_key_file = '/pg.key'\n", (Pair("/pg.pem", "/pg.key"),)),
        ("ssl-cert=/my.pem\nssl-key = /my.key\n", (Pair("/my.pem", "/my.key"),)),
        ("tls-cert-file /r.crt\ntls-key-file /r.key\n", (Pair("/r.crt", "/r.key"),)),
        ("ssl_cert = </d.pem\nssl_key = </d.key\n", (Pair("/d.pem", "/d.key"),)),
        ("ssl_options.certfile = /q.pem\nssl_options.keyfile = /q.key\n", (Pair("/q.pem", "/q.key"),)),
        ("ssl_certificate /a;\nssl_certificate /b;\nssl_certificate_key /k;\n", (Pair("/a"), Pair("/b"))),
        ("#ssl_certificate /a;\nssl_certificate data:x;\nssl_certificate /etc/$host.pem;\n", ()),
        ("ssl_certificate_key /k;\n", ()),
    ],
    ids=[
        "nginx",
        "apache",
        "postgresql",
        "mysql",
        "redis",
        "dovecot",
        "rabbitmq",
        "one key",
        "none",
        "a key",
    ],
)
def test_certificates_and_keys_of_each_product(text: str, pairs: tuple[Pair, ...]) -> None:
    assert pairs_in(text) == pairs
    assert read(TlsFiles("/x.conf"), _file("/x.conf", text)) == pairs


LINES = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(
            ("ssl_certificate /a;", "ssl_key = '", "nameserver 1.2.3.4", "a.service x", "● ", "status)")
        ),
    ),
    max_size=40,
).map("\n".join)


@given(LINES)
def test_no_text_breaks_a_parser(text: str) -> None:
    for pair in pairs_in(text):
        assert pair.certificate.startswith("/")
    servers_in(text)
    parse_running(text)
    knows_status(text)


def test_long_lines_cost_no_more_than_they_are_long() -> None:
    for text in (" " * 300_000, "status|" * 50_000, "ssl_certificate " * 20_000, "a" * 300_000 + "="):
        assert pairs_in(text) == ()
        knows_status(text)
        servers_in(text)
