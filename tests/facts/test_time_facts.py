"""What time services say of the clock: as their programs print it."""

from __future__ import annotations

from pathlib import Path

import pytest
from answering import NOT_INSTALLED, in_rounds, machine, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.asks import RunCommand
from checks.facts.timekeeper import (
    Kept,
    TimeOffset,
    parse_adjtimex,
    parse_rv,
    parse_timesync,
    parse_tracking,
)


def text(name: str) -> str:
    return recorded(name).decode()


@pytest.mark.parametrize(
    ("parse", "printed", "kept"),
    [
        (parse_tracking, text("chronyc/debian-local-clock.txt"), Kept("", 0.0, True, 8)),
        (parse_tracking, text("chronyc/debian-no-server.txt"), Kept("", None, False, 0)),
        (
            parse_tracking,
            "C0000201,192.0.2.1,3,1795625899.470192393,0.000123456,-0.0002,0.0003,1.1,0.0,0.1,0.01,0.002,64.2,Normal\n",
            Kept("", -0.000123456, True, 3),
        ),
        (parse_rv, text("ntpq/as-documented.txt"), Kept("", 0.001482061, True, 3)),
        (parse_rv, text("ntpq/as-documented-unsynchronised.txt"), Kept("", None, False, 16)),
        (parse_timesync, text("timedatectl/as-documented.txt"), Kept("", 62.5, True, 2)),
        (parse_timesync, text("timedatectl/as-documented-no-answer.txt"), Kept()),
        (parse_timesync, "       Offset: +812us\n      Stratum: 1\n", Kept("", -0.000812, True, 1)),
        (parse_adjtimex, text("adjtimex/busybox-unsynchronised.txt"), Kept("", None, False)),
        (parse_adjtimex, "-o  offset:       -1500 us\n    status:       1 (PLL)\n", Kept("", 0.0015, True)),
        (
            parse_adjtimex,
            "-o  offset:       250000 us\n    status:       8193 (PLL)\n",
            Kept("", -0.00025, True),
        ),
    ],
)
def test_an_offset_is_read_with_its_sign(parse: object, printed: str, kept: Kept) -> None:
    found = parse(printed)  # type: ignore[operator]
    assert (found.synchronised, found.stratum) == (kept.synchronised, kept.stratum)
    assert found.offset_s == (None if kept.offset_s is None else pytest.approx(kept.offset_s))


@pytest.mark.parametrize("parse", [parse_tracking, parse_rv, parse_timesync, parse_adjtimex])
def test_what_is_printed_otherwise_is_refused(parse: object) -> None:
    for printed in ("", "506 Cannot talk to daemon\n", "offset\n"):
        with pytest.raises(NotReadable) as problem:
            parse(printed)  # type: ignore[operator]
        assert problem.value.cause == "parse"


@pytest.mark.parametrize(
    ("names", "service", "asked"),
    [
        (("bash", "chronyd"), "chronyd", ["chronyc"]),
        (("ntpd", "systemd-timesyncd"), "ntpd", ["ntpq", "adjtimex"]),
        (("systemd-timesyncd",), "systemd-timesyncd", ["timedatectl"]),
        (("bash", "ptp4l"), "", []),
    ],
)
def test_the_service_that_runs_is_asked(
    tmp_path: Path, names: tuple[str, ...], service: str, asked: list[str]
) -> None:
    runs = {
        "chronyc": text("chronyc/debian-local-clock.txt"),
        "ntpq": text("ntpq/as-documented.txt"),
        "timedatectl": text("timedatectl/as-documented.txt"),
    }
    kept, rounds = in_rounds(TimeOffset(), machine(tmp_path, {}), runs=runs, names=names)
    assert kept.service == service
    assert [ask.argv[0] for asks in rounds for ask in asks if isinstance(ask, RunCommand)] == asked
    assert len(rounds) == (2 if asked else 1)


def test_busyboxs_service_is_known_by_the_kernels_offset(tmp_path: Path) -> None:
    runs = {"ntpq": NOT_INSTALLED, "adjtimex": "-o  offset:       300 us\n    status:       1 (PLL)\n"}
    kept, _ = in_rounds(TimeOffset(), machine(tmp_path, {}), runs=runs, names=("ntpd",))
    assert (kept.service, kept.offset_s) == ("ntpd", pytest.approx(-0.0003))


def test_a_service_that_cannot_be_asked_is_no_good_news(tmp_path: Path) -> None:
    far = machine(tmp_path, {})
    with pytest.raises(NotReadable, match="506 Cannot talk to daemon") as problem:
        said_so = {"chronyc": said(text("chronyc/debian-no-daemon.txt"), 1)}
        in_rounds(TimeOffset(), far, runs=said_so, names=("chronyd",))
    assert problem.value.cause == "failed"
    with pytest.raises(NotReadable, match="ntpq nor adjtimex is not installed") as problem:
        in_rounds(TimeOffset(), far, names=("ntpd",))
    assert problem.value.cause == "absent"


@given(st.text(max_size=300), st.sampled_from([parse_tracking, parse_rv, parse_timesync, parse_adjtimex]))
def test_no_text_breaks_the_parsers(printed: str, parse: object) -> None:
    try:
        assert isinstance(parse(printed), Kept)  # type: ignore[operator]
    except NotReadable:
        return
