"""What files are and what one line of them says, on real files."""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.files import FileMatch, FileStat, first_match
from checks.facts.host import FILE_LIMIT
from checks.facts.localhost import LocalHost
from checks.facts.secrets import holds_a_secret, masked, names_a_secret


def cause(path: Path, pattern: str = "x") -> str:
    with pytest.raises(NotReadable) as problem:
        FileMatch(str(path), pattern).read(LocalHost())
    return problem.value.cause


def test_a_file_is_what_stat_says(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("12345")
    path.chmod(0o4640)
    info = FileStat(str(path)).read(LocalHost())
    assert (info.exists, info.type, info.mode, info.size) == (True, "file", "4640", 5)
    assert (info.owner, info.group) == (path.owner(), path.group())
    assert info.mtime == int(path.stat().st_mtime)


def test_what_is_not_there_is_a_value_and_a_dangling_link_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert not FileStat(str(tmp_path / "nothing")).read(LocalHost()).exists
    assert not FileStat(str(tmp_path / "link")).read(LocalHost()).exists


def test_folders_pipes_and_sockets_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        names = ("", "pipe", "socket")
        types = {name: FileStat(str(tmp_path / name)).read(LocalHost()).type for name in names}
    assert types == {"": "directory", "pipe": "fifo", "socket": "socket"}
    assert FileStat("/dev/null").read(LocalHost()).type == "device"


def test_a_user_nobody_has_is_shown_by_number(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 54321, 54322)
    info = FileStat(str(path)).read(LocalHost())
    assert (info.owner, info.group) == ("54321", "54322")


def test_a_pipe_a_device_and_a_folder_are_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert cause(tmp_path / "pipe") == "unsupported"
    assert cause(Path("/dev/zero")) == "unsupported"
    assert cause(tmp_path) == "unsupported"


def test_what_cannot_be_read_names_its_cause(tmp_path: Path) -> None:
    assert cause(tmp_path / "nothing") == "absent"
    (tmp_path / "big").write_bytes(b"x" * (FILE_LIMIT + 1))
    assert cause(tmp_path / "big") == "too-large"
    (tmp_path / "program").write_bytes(b"\x7fELF\0\0")
    assert cause(tmp_path / "program") == "binary"
    with pytest.raises(NotReadable, match="not an absolute path"):
        FileStat("relative").read(LocalHost())


def test_a_file_of_another_user_is_denied(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(stat.S_IRUSR)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir("/")
            for folder in [tmp_path, *tmp_path.parents][:-2]:
                folder.chmod(0o755)
            os.setresuid(65534, 65534, 65534)
            FileMatch(str(path), "x").read(LocalHost())
        except NotReadable as problem:
            code = 0 if problem.cause == "denied" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_first_line_that_matches_is_kept_and_nothing_around_it(tmp_path: Path) -> None:
    path = tmp_path / "sshd_config"
    path.write_text("\ufeff# PermitRootLogin yes\nPort 22\n  PermitRootLogin   no  \nPermitRootLogin yes\n")
    found = FileMatch(str(path), r"^\s*PermitRootLogin\s+(\S+)").read(LocalHost())
    assert (found.found, found.line, found.text, found.caught) == (True, 3, "PermitRootLogin   no", "no")
    assert not FileMatch(str(path), "^Banner").read(LocalHost()).found


def test_a_text_in_utf_16_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "app.ini"
    path.write_bytes("[app]\r\nport=80\r\n".encode("utf-16"))
    assert FileMatch(str(path), "^port=(.*)$").read(LocalHost()).caught == "80"


def test_a_line_with_a_secret_is_found_but_not_kept() -> None:
    found = first_match("user=app\ndb.password = hunter2\n", re.compile("password = (.*)"))
    assert (found.found, found.line, found.text, found.caught, found.withheld) == (True, 2, "", None, True)


def test_a_password_inside_a_url_is_masked() -> None:
    found = first_match("url: postgres://app:hunter2@db1:5432/app\n", re.compile("url: (.*)"))
    assert found.caught == "postgres://app:***@db1:5432/app"
    assert "hunter2" not in found.text


@given(st.text(max_size=300), st.sampled_from(["a", r"\s", "(b)?", "^$", "."]))
def test_any_text_can_be_searched(text: str, pattern: str) -> None:
    found = first_match(text, re.compile(pattern))
    assert len(found.text) <= 200
    assert not found.found or found.line >= 1


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "db.password",
        "DB_PASSWD",
        "apiKey",
        "api-key",
        "aws.secret_access_key",
        "users[0].token",
        "clientSecret",
        "spring.datasource.password",
        "admin_passwd",
        "private_key",
        "credentials.passphrase",
        "tokenizer_api_key",
        "bypass_token",
        "cors.allow_credentials_secret",
        "active_record_encryption.primary_key",
        "pagerduty.routing_key",
        "publicKeyPassword",
        "sort_key_secret",
        "smtp_pass",
        "proxy_pass",
        "server_token",
        "refresh_tokens",
        "key",
    ],
)
def test_names_of_secrets_are_known(key: str) -> None:
    assert names_a_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "password_encryption",
        "ssl_key_file",
        "token_ttl",
        "passwordMinLength",
        "keyboard",
        "server.port",
        "monkey",
        "authentication.timeout",
        "private_key_path",
        "key_buffer_size",
        "bypass_proxy",
        "http.server_tokens",
        "ServerTokens",
        "tokenize",
        "analysis.tokenizer",
        "tokenization.mode",
        "llm.maxTokens",
        "sort_key",
        "table.partitionKey",
        "fastcgi_cache_key",
        "public-key",
        "http.server.proxy_cache_bypass",
        "access.control.allow_credentials",
        "mysqld.validate_password",
        "mysqld.innodb_ft_min_token_size",
        "sort_key[0]",
    ],
)
def test_names_about_secrets_are_no_secrets(key: str) -> None:
    assert not names_a_secret(key)


@pytest.mark.parametrize(
    "line",
    [
        "password: x",
        "ERROR password: x",
        'export API_KEY="abc"',
        "requirepass hunter2",
        '"token": "abc",',
        "db.pwd=1",
    ],
)
def test_lines_that_hold_secrets_are_known(line: str) -> None:
    assert holds_a_secret(line)


@pytest.mark.parametrize(
    "line",
    ["PermitRootLogin no", "127.0.0.1 localhost", "max_connections = 100", "PasswordAuthentication no"],
)
def test_ordinary_lines_hold_none(line: str) -> None:
    assert not holds_a_secret(line)


def test_connection_strings_are_masked() -> None:
    text = "Server=db1;User Id=sa;Password=hunter2;Encrypt=true"
    assert masked(text) == "Server=db1;User Id=sa;Password=***;Encrypt=true"


def test_a_password_with_an_at_sign_is_masked_whole() -> None:
    assert masked("amqp://app:p@ss@mq1:5672/") == "amqp://app:***@mq1:5672/"
