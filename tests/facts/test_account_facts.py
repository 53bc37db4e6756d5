"""Users: files first, others where nsswitch.conf names them; dates of shadow(5); odd accounts."""

from __future__ import annotations

import grp
import os
import pwd
from datetime import UTC, datetime

import pytest
from answering import command, files, read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.accounts import (
    Account,
    AccountValidity,
    User,
    Validity,
    only_files,
    parse_groups,
    parse_passwd,
)
from checks.facts.accountsurvey import AccountSurvey, Survey
from checks.facts.answered import Failed
from checks.facts.asks import ReadFile
from checks.facts.localhost import LocalHost

PASSWD, GROUP, SHADOW = (recorded(f"accounts/{name}").decode() for name in ("passwd", "group", "shadow"))
LOCAL = files(etc__passwd=PASSWD, etc__group=GROUP)
LDAP = LOCAL | files(**{"etc__nsswitch.conf": "passwd: files sss [NOTFOUND=return]\ngroup: files sss\n"})


def test_a_user_of_the_files_is_told_without_any_command() -> None:
    debian = files(**{"etc__nsswitch.conf": recorded("accounts/nsswitch-debian").decode()})
    wanted = User(True, 1500, 1500, "erp", ("adm", "backup", "erp"), "/srv/erp", "/bin/bash")
    assert read(Account("erp"), LOCAL | debian) == wanted
    assert read(Account("erp"), LOCAL) == wanted  # musl has no nsswitch.conf
    assert read(Account("nosuch"), LOCAL) == User(False)


def test_a_user_of_a_directory_is_told_by_getent_and_id() -> None:
    answers = LDAP | {
        command("getent", "passwd", "lee"): said("lee:*:70001:70000:Ann Lee:/home/lee:/bin/zsh\n"),
        command("id", "-Gn", "lee"): said("staff dba\n"),
        command("getent", "group", "70000"): said("staff:*:70000:\n"),
    }
    assert read(Account("lee"), answers) == User(
        True, 70001, 70000, "staff", ("dba", "staff"), "/home/lee", "/bin/zsh"
    )


def test_groups_of_a_directory_count_for_a_user_of_the_files() -> None:
    answers = LDAP | {command("id", "-Gn", "erp"): said("erp adm backup oracle\n")}
    assert read(Account("erp"), answers).groups == ("adm", "backup", "erp", "oracle")


def test_nobody_knows_the_user_and_a_directory_that_fails_are_two_things() -> None:
    getent = command("getent", "passwd", "lee")
    assert read(Account("lee"), LDAP | {getent: said("", 2)}) == User(False)
    with pytest.raises(NotReadable, match="getent timed out"):
        read(Account("lee"), LDAP | {getent: Failed("getent timed out after 8 s", "timeout")})
    with pytest.raises(NotReadable, match="getent: broken"):
        read(Account("lee"), LDAP | {getent: said("", 1, b"broken")})


def test_users_of_this_machine_are_those_that_the_library_knows() -> None:
    for name in {"root", "nobody", pwd.getpwuid(os.getuid()).pw_name}:
        seen, known = Account(name).read(LocalHost()), pwd.getpwnam(name)
        assert (seen.uid, seen.gid, seen.home, seen.shell) == known[2:4] + known[5:7]
        wanted = {grp.getgrgid(gid).gr_name for gid in os.getgrouplist(name, known.pw_gid)}
        assert set(seen.groups) == wanted


@pytest.mark.parametrize(
    ("switch", "only"),
    [
        ("", True),
        ("passwd: files systemd\ngroup: files systemd\nhosts: files dns\n", True),
        ("passwd: compat # ldap\n", True),
        ("passwd: files [!SUCCESS=continue] ldap\n", False),
        ("group: files winbind\n", False),
        ("initgroups: files sss\n", False),
    ],
)
def test_whether_files_say_all_is_told_from_nsswitch(switch: str, only: bool) -> None:
    assert only_files(switch) is only


@pytest.mark.parametrize("name", ["-u", "", "a b", "a:b", "a\nb", "../x", "a,b"])
def test_what_is_no_name_of_a_user_never_reaches_a_command(name: str) -> None:
    with pytest.raises(NotReadable) as problem:
        read(Account(name), LDAP)
    assert problem.value.cause == "unsupported"


def test_the_dates_of_an_account_are_told_and_nothing_else_of_its_line() -> None:
    answers = files(etc__shadow=SHADOW)
    erp = read(AccountValidity("erp"), answers)
    assert erp == Validity(datetime(2026, 2, 16, tzinfo=UTC), datetime(2025, 8, 18, tzinfo=UTC))
    assert read(AccountValidity("root"), answers) == Validity(locked=True)
    assert read(AccountValidity("new"), answers) == Validity(None, datetime(1970, 1, 1, tzinfo=UTC), True)
    assert "y$j9T" not in repr(erp)
    with pytest.raises(NotReadable) as problem:
        read(AccountValidity("nosuch"), answers)
    assert problem.value.cause == "absent"


def test_odd_accounts_are_named() -> None:
    passwd = (
        PASSWD
        + "toor:x:0:0::/root:/bin/sh\nguest:x:1501:1501::/home/guest:/bin/sh\nopen::1502:1502::/:/bin/sh\n"
    )
    answers = files(etc__passwd=passwd, etc__shadow=SHADOW)
    assert read(AccountSurvey(), answers) == Survey(("root", "toor"), ("postgres",), ("guest", "open"))
    old = answers | files(**{"etc__login.defs": "# UID_MIN 5\nUID_MIN\t\t 1600\n"})
    assert read(AccountSurvey(), old).shells == ("erp", "guest", "open", "postgres")


def test_without_root_all_but_the_passwords_is_told() -> None:
    answers = files(etc__passwd=PASSWD) | {ReadFile("/etc/shadow"): Failed("/etc/shadow: denied", "denied")}
    assert read(AccountSurvey(), answers) == Survey(
        ("root",), ("postgres",), None, "/etc/shadow: denied", "denied"
    )


@given(st.text(max_size=1000))
def test_whatever_stands_in_such_files_is_read(text: str) -> None:
    assert all(entry.name for entry in parse_passwd(text))
    parse_groups(text)
    only_files(text)
    answers = files(etc__passwd=PASSWD) | {ReadFile("/etc/shadow"): text.encode(errors="replace")}
    read(AccountSurvey(), answers)
    try:
        read(AccountValidity("root"), answers)
    except NotReadable as problem:
        assert problem.cause == "absent"
