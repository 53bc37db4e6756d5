"""Names of machines and addresses, masked the same everywhere at a site, and put back only there."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.commands import unmask
from agent.config import RedactionRules
from agent.paths import State
from agent.redaction.masks import LIMIT, TOKEN, Masks, keep_masks, load_masks, unmasked

BOTH = RedactionRules(mask=("ip", "host"))


def masks(rules: RedactionRules = BOTH, secret: str = "secret", **more: Any) -> Masks:
    return Masks(rules, lambda: secret, **more)


def shape(text: str) -> str:
    return TOKEN.sub(lambda match: match[0].partition("-")[0].upper(), text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("10.1.2.3", "IP"),
        ("listens on 10.1.2.3:5432 and [2001:db8::5]:5432", "listens on IP:5432 and [IP]:5432"),
        ("fe80::1%eth0", "IP%eth0"),
        ("route to 10.0.0.0/8 via 10.0.0.1", "route to IP/8 via IP"),
        ("::ffff:10.0.0.1", "IP"),
        ("127.0.0.1, ::1, 0.0.0.0:22, [::]:22", "127.0.0.1, ::1, 0.0.0.0:22, [::]:22"),
        ("netmask 255.255.255.0", "netmask 255.255.255.0"),
        ("at 12:34:56, 00:16:3e:5e:6c:00, 999.1.1.1", "at 12:34:56, 00:16:3e:5e:6c:00, 999.1.1.1"),
        ("erp.acme.com answers", "HOST answers"),
        ("db1.prod.acme.local:5432", "HOST:5432"),
        ("https://erp/login and https://ann@web9:8443/x", "https://HOST/login and https://ann@HOST:8443/x"),
        ("http://10.1.2.3/x", "http://IP/x"),
        ("read /etc/nginx/nginx.conf and app.log", "read /etc/nginx/nginx.conf and app.log"),
        ("net.ipv4.tcp_syncookies is 1", "net.ipv4.tcp_syncookies is 1"),
        ("postgresql.service failed", "postgresql.service failed"),
        ("localhost and localhost.localdomain", "localhost and localhost.localdomain"),
        ("see https://wiki.debian.org/x", "see https://wiki.debian.org/x"),
        ("{host} is not {db1}", "{host} is not {db1}"),
    ],
)
def test_addresses_and_names_are_masked_and_nothing_else(text: str, left: str) -> None:
    assert shape(masks().sub(text)) == left


def test_a_short_name_is_masked_where_it_is_known_to_be_a_machines() -> None:
    known = masks(hosts=["db1", "Web-2"])
    assert shape(known.sub("db1:5432, WEB-2, db1.acme, /srv/db1/x, db10, mydb1, {db1}")) == (
        "HOST:5432, HOST, HOST, /srv/HOST/x, db10, mydb1, {db1}"
    )


def test_the_domain_of_a_site_marks_its_names() -> None:
    assert (
        shape(masks(domains=["plant.acme"]).sub("erp.plant.acme is not erp.plant")) == "HOST is not erp.plant"
    )


def test_the_same_value_has_the_same_token_at_a_site_and_another_elsewhere() -> None:
    here, there, elsewhere = (masks(secret=secret).sub("10.1.2.3") for secret in ("one", "one", "two"))
    assert here == there != elsewhere
    assert re.fullmatch(r"ip-[0-9a-f]{8}", here)
    assert masks().name("DB1") == masks().name("db1")


def test_addresses_of_one_network_begin_alike_where_the_site_wants_that() -> None:
    subnets = masks(RedactionRules(mask=("ip",), subnets=True))
    one, two, other = (subnets.sub(text) for text in ("10.1.2.3", "10.1.2.4", "10.1.3.3"))
    assert re.fullmatch(r"ip-[0-9a-f]{4}-[0-9a-f]{8}", one)
    assert one[:7] == two[:7] != other[:7]
    assert one != two


def test_only_the_kinds_that_were_asked_for_are_masked() -> None:
    assert shape(masks(RedactionRules(mask=("ip",))).sub("erp.acme.com 10.1.2.3")) == "erp.acme.com IP"
    assert shape(masks(RedactionRules(mask=("host",))).sub("erp.acme.com 10.1.2.3")) == "HOST 10.1.2.3"
    assert masks().person("ann") == "ann"
    assert shape(masks(RedactionRules(mask=("user",))).person("ann")) == "USER"


@given(st.text(max_size=200) | st.from_regex(r"[0-9a-f:.]{0,60}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_any_text_is_masked_once_and_can_be_put_back(text: str) -> None:
    made = masks(hosts=["db1"])
    once = made.sub(text)
    assert made.sub(once) == once
    if not TOKEN.search(text):
        assert unmasked(once, made.stands_for()).lower() == re.sub(r"", "", text).lower() or ":" in text


def test_what_tokens_stand_for_stays_in_a_private_file_that_is_bounded(state: State) -> None:
    keep_masks(state, {"ip-00000001": "10.0.0.1"})
    keep_masks(state, {"host-00000002": "db1"})
    assert load_masks(state) == {"ip-00000001": "10.0.0.1", "host-00000002": "db1"}
    assert state.masks.stat().st_mode & 0o777 == 0o600
    keep_masks(state, {f"ip-{number:08x}": "x" for number in range(100, LIMIT + 100)})
    assert len(load_masks(state)) == LIMIT


def test_a_damaged_map_costs_the_way_back_and_nothing_else(state: State) -> None:
    state.masks.write_bytes(b"{torn")
    assert load_masks(state) == {}
    keep_masks(state, {"ip-00000001": "10.0.0.1"})
    assert load_masks(state) == {"ip-00000001": "10.0.0.1"}


def test_unmask_puts_names_back_in_a_text_a_file_and_standard_input(state: State, tmp_path: Any) -> None:
    keep_masks(state, {"ip-00000001": "10.0.0.1", "host-00000002": "db1"})
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"at": "host-00000002", "why": "ip-00000001:22 and ip-99999999"}))
    run = CliRunner().invoke
    assert run(unmask.command, ["no way to host-00000002"]).output == "no way to db1\n"
    assert json.loads(run(unmask.command, [str(report)]).output) == {
        "at": "db1",
        "why": "10.0.0.1:22 and ip-99999999",
    }
    assert run(unmask.command, ["-"], input="ip-00000001\n").output == "10.0.0.1\n"


def test_unmask_says_where_to_begin_where_nothing_was_masked(state: State) -> None:
    assert "[redact] mask" in str(CliRunner().invoke(unmask.command, ["x"]).exception)
