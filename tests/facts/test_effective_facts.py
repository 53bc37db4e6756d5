"""What runs beside what its unit says, and keys in a log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.auditlog import KEYS_LIMIT, LogKeys, keys_in
from checks.facts.child import Output
from checks.facts.effective import Differs, Effective, UnitEffective, differing, read_show
from checks.facts.host import FILE_LIMIT
from checks.facts.localhost import LocalHost

# As systemctl(1) of systemd 252 writes it, and the kernel its limits.
SHOW = """LoadState=loaded
ActiveState=active
NeedDaemonReload={reload}
MainPID={pid}
LimitNOFILE=65536
LimitNOFILESoft=8192
LimitNPROC=infinity
LimitNPROCSoft=infinity
LimitSTACK=infinity
LimitSTACKSoft=8388608
LimitMEMLOCK=8388608
LimitMEMLOCKSoft=8388608
"""
LIMITS = """Limit                     Soft Limit           Hard Limit           Units     
Max stack size            8388608              unlimited            bytes     
Max processes             unlimited            unlimited            processes 
Max open files            {soft}                 {hard}               files     
Max locked memory         8388608              8388608              bytes     
"""  # noqa: W291 - the kernel ends its lines so


def limits(soft: int = 8192, hard: int = 65536) -> str:
    return LIMITS.format(soft=soft, hard=hard)


def told(text: str) -> dict[str, str]:
    return read_show(Output(0, text.encode(), b""))


@pytest.mark.parametrize(
    ("soft", "hard", "differs"),
    [
        (8192, 65536, ()),
        (65536, 65536, ()),  # it raised its own, as it may
        (1024, 65536, (Differs("LimitNOFILE (soft)", "8192", "1024"),)),
        (1024, 4096, (Differs("LimitNOFILE", "65536", "4096"),)),
    ],
)
def test_limits_of_the_process_beside_those_of_its_unit(
    soft: int, hard: int, differs: tuple[Differs, ...]
) -> None:
    assert differing(told(SHOW.format(reload="no", pid=7)), limits(soft, hard)) == differs


def test_a_limit_that_systemd_does_not_name_is_not_compared() -> None:
    assert differing({}, limits()) == ()
    assert differing({"LimitNOFILE": "18446744073709551615"}, limits()) == (
        Differs("LimitNOFILE", "unlimited", "65536"),
    )


@pytest.mark.parametrize(
    ("err", "cause"),
    [
        (b"System has not been booted with systemd as init system (PID 1). Can't operate.\n", "unsupported"),
        (b"Failed to connect to bus: Host is down\n", "unsupported"),
        (b"Failed to get properties: Connection timed out\n", "failed"),
    ],
)
def test_a_systemctl_that_fails_tells_why(err: bytes, cause: str) -> None:
    with pytest.raises(NotReadable) as problem:
        read_show(Output(1, b"", err))
    assert problem.value.cause == cause


def read(tmp_path: Path, text: str) -> Effective:
    """What is read on a machine whose systemctl says this, and whose process 7 has a low limit."""
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "show").write_text(text)
    (tools / "systemctl").write_text('#!/bin/sh\nread -r all < /dev/null\n/bin/cat "${0%/*}/show"\n')
    (tools / "systemctl").chmod(0o755)
    folder = tmp_path / "root/proc/7"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "limits").write_text(limits(1024))
    return UnitEffective("erp.service").read(LocalHost(root=str(tmp_path / "root"), tools=str(tools)))


def test_a_service_its_files_and_its_process(tmp_path: Path) -> None:
    lower = (Differs("LimitNOFILE (soft)", "8192", "1024"),)
    assert read(tmp_path, SHOW.format(reload="yes", pid=7)) == Effective(True, True, True, lower)
    assert read(tmp_path, SHOW.format(reload="no", pid=0)) == Effective(True, False, False)
    assert read(tmp_path, "LoadState=not-found\nActiveState=inactive\n") == Effective(False)


def test_a_machine_without_systemd(tmp_path: Path) -> None:
    with pytest.raises(NotReadable) as problem:
        UnitEffective("erp.service").read(LocalHost(tools=str(tmp_path)))
    assert (problem.value.cause, problem.value.reason) == (
        "unsupported",
        "this machine is not run by systemd",
    )


@pytest.mark.parametrize("name", ["-x", "a b", "../a", "a;b", "x" * 300])
def test_what_is_no_unit_is_refused(name: str) -> None:
    if name == "-x":  # it stands behind --, so it can only be a name
        assert UnitEffective(name).asks()
        return
    with pytest.raises(BadInput):
        UnitEffective(name)


@given(st.text(max_size=400))
def test_any_text_is_taken_for_properties_and_limits(text: str) -> None:
    assert isinstance(differing(told(text), text), tuple)


# ---- keys in a log


def test_keys_are_told_once_and_in_order() -> None:
    text = "1 payment=b ok\n2 payment=a payment=b\nnothing\n"
    assert keys_in(text, r"payment=(\w+)").keys == ("b", "a")
    assert keys_in(text, r"payment=\w+").keys == ("payment=b", "payment=a")
    assert keys_in(text, r"payment=(\w+)", cut=True).keys == ("a", "b")


def test_a_log_that_is_longer_than_is_read_is_cut_at_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("id=first\n" + "x" * 99 + "\n" + ("y" * 99 + "\n") * (FILE_LIMIT // 100) + "id=last\n")
    seen = LogKeys(str(log), r"id=(\w+)").read(LocalHost())
    assert (seen.keys, seen.cut) == (("last",), True)


def test_too_many_keys_are_cut_to_the_last() -> None:
    seen = keys_in("\n".join(f"id={number}" for number in range(KEYS_LIMIT + 5)), r"id=(\d+)")
    assert (len(seen.keys), seen.keys[0], seen.cut) == (KEYS_LIMIT, "5", True)


@given(st.text(max_size=300), st.booleans())
def test_any_text_is_taken_for_a_log(text: str, cut: bool) -> None:
    assert len(keys_in(text, r"id=(\w+)", cut).keys) <= KEYS_LIMIT
