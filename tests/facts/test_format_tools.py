"""What a file says is what the program that owns it takes from it: held against the programs themselves."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services import missing, program

from checks.facts.config import ConfigValue
from checks.facts.formats import MISSING, look_up
from checks.facts.localhost import LocalHost

word = st.text("ab /=:#.-", min_size=1, max_size=6)
part = st.one_of(
    st.text("abXY09/=:.,%+@-", min_size=1, max_size=5),
    word.map(lambda text: f"'{text}'"),
    word.map(lambda text: f'"{text}"'),
    st.sampled_from(
        ['"\\""', '"\\\\"', '"\\a"', "\\'", "\\ ", '"\\$a"', "''", '""', "a#b", '"a\nb"', "'\\'"]
    ),
)
values = st.lists(part, max_size=4).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "export "]), st.sampled_from("ABC"), values), max_size=8))
def test_assignments_are_read_as_a_shell_reads_them(lines: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{before}{name}={value} # a comment\n" for before, name, value in lines)
    script = 'unset A B C\n. /dev/stdin\nprintf "%s\\0" "${A-unset}" "${B-unset}" "${C-unset}"'
    shell = subprocess.run(["/bin/sh", "-c", script], input=text.encode(), capture_output=True, check=True)
    said = shell.stdout.decode().split("\0")[:3]
    found = [look_up(text, "env", name, "/etc/a") for name in "ABC"]
    assert ["unset" if value is MISSING else value for value in found] == said


def test_keywords_of_sshd_are_those_that_it_goes_by(tmp_path: Path) -> None:
    """`sshd -T` shows what holds where no Match block does."""
    sshd = program("sshd", "openssh-server")
    (tmp_path / "d").mkdir()
    (tmp_path / "sshd_config").write_text(
        f"Include {tmp_path}/d/*.conf\nPermitRootLogin yes\nMaxAuthTries = 4\nPort 22\n"
        'Banner "/etc/a b" # why\nLoginGraceTime 33\nMatch User a\n  X11Forwarding yes\nMaxSessions 2\n'
    )
    (tmp_path / "d/a.conf").write_text(
        "PermitRootLogin no\nPort 2222\nMatch User b\nAllowAgentForwarding no\n"
    )
    (tmp_path / "d/b.conf").write_text("MaxAuthTries 3\nX11Forwarding no\n")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shown = subprocess.run(
        [sshd, "-T", "-f", tmp_path / "sshd_config", "-h", key], capture_output=True, text=True, check=True
    )
    said: dict[str, list[str]] = {}
    for line in shown.stdout.splitlines():
        name, _, value = line.partition(" ")
        said.setdefault(name, []).append(value)
    for keyword in ("PermitRootLogin", "MaxAuthTries", "LoginGraceTime", "X11Forwarding", "Banner", "Port"):
        setting = ConfigValue(f"{tmp_path}/sshd_config", "auto", keyword + "[]").read(LocalHost())
        values = setting.value
        assert isinstance(values, list)
        assert said[keyword.lower()] == (values if keyword == "Port" else values[:1])
    for keyword in ("AllowAgentForwarding", "MaxSessions"):
        assert not ConfigValue(f"{tmp_path}/sshd_config", "auto", keyword).read(LocalHost()).found


def test_options_of_mariadb_are_those_that_it_goes_by(tmp_path: Path) -> None:
    print_defaults = program("my_print_defaults", "mariadb-client-core")
    (tmp_path / "d").mkdir()
    (tmp_path / "my.cnf").write_text(
        "# a comment\n[mysqld]\nport = 1 # why\ninit_connect='SET x=1 # y' # z\nskip-networking\n"
        "path = a\\sb\\\\c\nempty=\n"
        f"!includedir {tmp_path}/d\n!include {tmp_path}/gone.cnf\nsocket = /after\n"
    )
    (tmp_path / "d/b.cnf").write_text("[mysqld]\nport=3\n[client]\nport=4\n")
    (tmp_path / "d/a.cnf").write_text("[mysqld]\nport=2\nbind_address = ::1;x\n")
    (tmp_path / "d/c.txt").write_text("[mysqld]\nport=5\n")
    shown = subprocess.run(
        [print_defaults, f"--defaults-file={tmp_path}/my.cnf", "mysqld"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = dict(line.removeprefix("--").partition("=")[::2] for line in shown.stdout.splitlines())
    assert said
    for option, value in said.items():
        fact = ConfigValue(f"{tmp_path}/my.cnf", "auto", f"mysqld.{option}")
        assert fact.read(LocalHost()).value == value, option


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_settings_of_postgresql_are_those_that_it_goes_by(tmp_path: Path) -> None:
    """Asked with `postgres -C`, as its own user: it refuses root."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not programs:
        missing("postgres", "apt-get install postgresql")
    postgres = programs[-1]
    files = {
        "postgresql.conf": "port = 1\nCluster_Name='a#b' # why\nlog_line_prefix = '%m it''s \\'%p\\' \\101'\n"
        "include_dir 'conf.d'\ninclude_if_exists = 'nowhere'\napplication_name odd\n"
        "external_pid_file = 'x'\n",
        "conf.d/b.conf": "port=5\nexternal_pid_file = 'y'\n",
        "conf.d/a.conf": "port=4\n",
        "conf.d/.hidden.conf": "port=9\n",
        "conf.d/c.txt": "port=8\n",
        "postgresql.auto.conf": "external_pid_file = 'z'\n",
        "PG_VERSION": postgres.parts[-3] + "\n",
    }
    with tempfile.TemporaryDirectory(prefix="flt-") as name:  # below a folder that others may enter
        folder = Path(name)
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text)
        owner = pwd.getpwnam("postgres")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        for setting in ("port", "cluster_name", "log_line_prefix", "application_name", "external_pid_file"):
            said = subprocess.run(
                [postgres, "-C", setting, "-D", folder],
                capture_output=True,
                text=True,
                check=True,
                user=owner.pw_uid,
                group=owner.pw_gid,
                extra_groups=[],
            )
            value = ConfigValue(f"{folder}/postgresql.conf", "auto", setting).read(LocalHost()).value
            assert value == said.stdout.rstrip("\n"), setting


# What java.util.Properties.load of OpenJDK 17 makes of each text.
JAVA = [
    ("a=b\\\n   c\n", {"a": "bc"}),
    ("a\\=b = c\n", {"a=b": "c"}),
    ("a\\\n#b=c\n", {"a#b": "c"}),
    ("\\\n#b=c\na=1\n", {"a": "1"}),
    ("\\z\\z\u00e9\r\n\\\n\r!#=", {"zz\u00e9": ""}),
    (" \\u00e9=\t\n\\\n\r", {"\u00e9": ""}),
    ("aa\\:\\\n\\u0041\\u00e9=b\n", {"aa:A\u00e9": "b"}),
    ("a = b \n", {"a": "b "}),
    (": b\n", {"": "b"}),
    ("a\fb\rc:d", {"a": "b", "c": "d"}),
]


@pytest.mark.parametrize(("text", "pairs"), JAVA)
def test_properties_are_read_as_java_reads_them(text: str, pairs: dict[str, str]) -> None:
    found = {name: look_up(text, "properties", name, "/a") for name in (*pairs, "nothing", "#b")}
    assert found == {"nothing": MISSING, "#b": MISSING} | pairs
