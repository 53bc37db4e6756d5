"""The encodings that files are found in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.config import ConfigValue
from checks.facts.files import text_of
from checks.facts.host import FILE_LIMIT
from checks.facts.localhost import LocalHost

CHINESE = "数据库连接 = 启动检查，最大值 100\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n", "plain\n"),
        (b"", ""),
        ("ünï".encode(), "ünï"),
        ("\ufeffa = ü".encode(), "a = ü"),
        ("a = ü".encode("utf-16"), "a = ü"),
        (b"\xfe\xff" + "a = 好".encode("utf-16-be"), "a = 好"),
        (CHINESE.encode("gb18030"), CHINESE),
        ("a = 好".encode("gb18030"), "a = 好"),
        (b"name = caf\xe9\n", "name = café\n"),
        # Each of these pairs is a sign of GB18030 too, but none that people write.
        ("été à la préfecture où ça".encode("latin-1"), "été à la préfecture où ça"),
        ("Größe für Straße".encode("latin-1"), "Größe für Straße"),
        # A log in UTF-8 that was cut within a sign.
        ("好".encode() * 20 + b"\xe5\xa5", "好" * 20 + "\ufffd"),
        (b"\xff\xe9", "ÿé"),
    ],
)
def test_a_text_is_read_in_the_encoding_it_is_in(data: bytes, text: str) -> None:
    assert text_of("/etc/a", data) == text


def test_a_binary_file_is_refused() -> None:
    with pytest.raises(NotReadable, match="/etc/a is not a text file") as refused:
        text_of("/etc/a", b"\x7fELF\0\0")
    assert refused.value.cause == "binary"


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ini").write_bytes(b"a = 1\n" + b"#" * FILE_LIMIT)
    with pytest.raises(NotReadable, match="larger than 4 MiB") as refused:
        ConfigValue(f"{tmp_path}/a.ini", "auto", "a").read(LocalHost())
    assert refused.value.cause == "too-large"


@given(st.binary(max_size=400).filter(lambda data: b"\0" not in data))
def test_nothing_is_lost_of_any_bytes_without_zero(data: bytes) -> None:
    text = text_of("/etc/a", data)
    assert bool(text) is bool(data) or data in (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=50))
def test_common_chinese_text_is_read_as_such(signs: str) -> None:
    common = "".join(sign for sign in signs if len(sign.encode("gb2312", "ignore")) == 2)
    text = f"名称 = {common}\n"
    data = text.encode("gb18030")
    if not data.isascii() and text_of("/a", data) != text:
        data.decode("utf-8")  # the rare text whose bytes are UTF-8 as well
