"""Every resource type of goss and each of its attributes: which item of ours it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from suites import items, reasons, suite_of

from checks.goss.loading import TYPES
from checks.goss.resources import MAPPERS

THERE = {"path": "/etc/hosts", "optional": True, "world_writable": True}
RUN = {"command": "sshd -T", "shell": True, "timeout": 10.0}
URL = {"url": "http://app1/", "timeout": 5.0}

# type, id, attribute, its value as written, the check, its parameters
TABLE: list[tuple[str, str, str, str, str, dict[str, Any]]] = [
    ("file", "/etc/hosts", "exists", "true", "file.stat",
     {"path": "/etc/hosts", "world_writable": True, "exists": True}),
    ("file", "/etc/hosts", "exists", "false", "file.stat",
     {"path": "/etc/hosts", "world_writable": True, "exists": False}),
    ("file", "/etc/hosts", "mode", '"0644"', "file.stat", THERE | {"mode": "0644"}),
    ("file", "/etc/hosts", "mode", "0644", "file.stat", THERE | {"mode": "0644"}),
    ("file", "/etc/hosts", "mode", 'or: ["0600", "0640"]', "file.stat",
     THERE | {"mode_as": {"any": [{"equals": "0600"}, {"equals": "0640"}]}}),
    ("file", "/etc/hosts", "owner", "root", "file.stat", THERE | {"owner": "root"}),
    ("file", "/etc/hosts", "group", "not: users", "file.stat",
     THERE | {"group": {"not": {"equals": "users"}}}),
    ("file", "/etc/hosts", "uid", "0", "file.stat", THERE | {"uid": 0}),
    ("file", "/etc/hosts", "gid", "lt: 100", "file.stat", THERE | {"gid": {"below": 100}}),
    ("file", "/etc/hosts", "size", "gt: 0", "file.stat", THERE | {"size": {"above": 0}}),
    ("file", "/etc/hosts", "filetype", "file", "file.stat", THERE | {"type": "file"}),
    ("file", "/etc/hosts", "filetype", "pipe", "file.stat", THERE | {"type": "fifo"}),
    ("file", "/etc/hosts", "filetype", "character-device", "file.stat", THERE | {"type": "device"}),
    ("file", "/etc/hosts", "filetype", "symlink", "file.link", {"path": "/etc/hosts", "optional": True}),
    ("file", "/etc/hosts", "linked-to", "/a", "file.link",
     {"path": "/etc/hosts", "optional": True, "target": "/a"}),
    ("file", "/etc/hosts", "contents", '["localhost", "!/^#/"]', "file.text",
     {"path": "/etc/hosts", "optional": True,
      "text": {"all": [{"contains": "localhost"}, {"not": {"some": {"matches": "^#"}}}]}}),
    ("file", "/etc/hosts", "contents", "have-prefix: a", "file.text",
     {"path": "/etc/hosts", "optional": True, "text": {"starts_with": "a"}}),
    ("file", "/etc/hosts", "sha256", '"' + "a" * 64 + '"', "file.stat", THERE | {"hash": "a" * 64}),
    ("file", "/etc/hosts", "md5", '"' + "a" * 32 + '"', "file.checksum",
     {"path": "/etc/hosts", "optional": True, "algorithm": "md5", "digits": "a" * 32}),
    ("file", "/etc/hosts", "sha512", '"' + "b" * 128 + '"', "file.checksum",
     {"path": "/etc/hosts", "optional": True, "algorithm": "sha512", "digits": "b" * 128}),
    ("command", "sshd -T", "exit-status", "0", "cmd.output", RUN | {"status": 0}),
    ("command", "sshd -T", "exit-status", "{or: [0, 1]}", "cmd.output",
     RUN | {"status": {"any": [{"equals": 0}, {"equals": 1}]}}),
    ("command", "sshd -T", "stdout", "[permitrootlogin no]", "cmd.text",
     RUN | {"stream": "stdout", "text": {"contains": "permitrootlogin no"}}),
    ("command", "sshd -T", "stdout", "have-len: 0", "cmd.text",
     RUN | {"stream": "stdout", "text": {"length": 0}}),
    ("command", "sshd -T", "stderr", '"/^$/"', "cmd.text", RUN | {"stream": "stderr", "text": "/^$/"}),
    ("package", "httpd", "installed", "true", "pkg.version", {"name": "httpd", "installed": True}),
    ("package", "httpd", "installed", "false", "pkg.version", {"name": "httpd", "installed": False}),
    ("package", "httpd", "versions", '["2.2.15"]', "pkg.version",
     {"name": "httpd", "optional": True, "versions": {"contains": "2.2.15"}}),
    ("package", "httpd", "versions", "{semver-constraint: '>=2.2'}", "pkg.version",
     {"name": "httpd", "optional": True, "versions": {"all": [
         {"length": {"at_least": 1}},
         {"not": {"some": {"not": {"version": {"scheme": "semver", "at_least": "2.2"}}}}}]}}),
    ("service", "sshd", "enabled", "true", "svc.state",
     {"names": ["sshd"], "max_restarts": 1000000, "enabled": True, "running": None}),
    ("service", "sshd", "running", "false", "svc.state",
     {"names": ["sshd"], "max_restarts": 1000000, "running": False, "enabled": None}),
    ("user", "erp", "exists", "true", "user.account", {"name": "erp", "exists": True}),
    ("user", "erp", "uid", "1200", "user.account", {"name": "erp", "optional": True, "uid": 1200}),
    ("user", "erp", "gid", "{ge: 1000}", "user.account",
     {"name": "erp", "optional": True, "gid": {"at_least": 1000}}),
    ("user", "erp", "home", "/home/erp", "user.account",
     {"name": "erp", "optional": True, "home": "/home/erp"}),
    ("user", "erp", "shell", "{have-suffix: nologin}", "user.account",
     {"name": "erp", "optional": True, "shell": {"ends_with": "nologin"}}),
    ("user", "erp", "groups", "[erp, docker]", "user.account",
     {"name": "erp", "optional": True, "groups": ["erp", "docker"]}),
    ("user", "erp", "groups", "{consist-of: [erp]}", "user.account",
     {"name": "erp", "optional": True, "all_groups": {"consists_of": [{"equals": "erp"}]}}),
    ("group", "erp", "exists", "false", "user.group", {"name": "erp", "exists": False}),
    ("group", "erp", "gid", "1200", "user.group", {"name": "erp", "optional": True, "gid": 1200}),
    ("process", "nginx", "running", "true", "proc.running", {"name": "nginx", "allow_root": True}),
    ("process", "nginx", "running", "false", "proc.running",
     {"name": "nginx", "allow_root": True, "min_count": 0, "max_count": 0}),
    ("port", "tcp:22", "listening", "true", "net.listening",
     {"port": 22, "protocol": "tcp", "family": "ipv4", "listening": True}),
    ("port", "udp6:53", "listening", "false", "net.listening",
     {"port": 53, "protocol": "udp", "family": "ipv6", "listening": False}),
    ("port", "8080", "ip", "[0.0.0.0]", "net.listening",
     {"port": 8080, "protocol": "tcp", "family": "ipv4", "optional": True,
      "addresses": {"contains": "0.0.0.0"}}),
    ("addr", "tcp://db1:5432", "reachable", "true", "net.port_reach",
     {"host": "db1", "port": 5432, "timeout": 0.5, "reachable": True}),
    ("addr", "tcp://[::1]:22", "reachable", "false", "net.port_reach",
     {"host": "::1", "port": 22, "timeout": 0.5, "reachable": False}),
    ("dns", "db1", "resolvable", "true", "net.dns",
     {"name": "db1", "reverse": False, "warn_above": 3600, "timeout": 5.0, "resolves": True}),
    ("dns", "db1", "addrs", "[10.0.0.1]", "net.dns",
     {"name": "db1", "reverse": False, "warn_above": 3600, "timeout": 5.0,
      "addresses": {"contains": "10.0.0.1"}}),
    ("interface", "eth0", "exists", "true", "net.interface", {"name": "eth0", "exists": True}),
    ("interface", "eth0", "mtu", "1500", "net.interface", {"name": "eth0", "optional": True, "mtu": 1500}),
    ("interface", "eth0", "addrs", "{contain-element: {have-prefix: '10.'}}", "net.interface",
     {"name": "eth0", "optional": True, "addresses": {"some": {"starts_with": "10."}}}),
    ("kernel-param", "vm.swappiness", "value", "'10'", "kern.param",
     {"name": "vm.swappiness", "value": "10"}),
    ("kernel-param", "vm.swappiness", "value", "{le: 10}", "kern.param",
     {"name": "vm.swappiness", "value": {"at_most": 10}}),
    ("mount", "/data", "exists", "true", "disk.mount", {"mount": "/data", "exists": True}),
    ("mount", "/data", "opts", "[rw, nodev]", "disk.mount",
     {"mount": "/data", "optional": True, "options": {"contains": ["rw", "nodev"]}}),
    ("mount", "/data", "vfs-opts", "[rw]", "disk.mount",
     {"mount": "/data", "optional": True, "filesystem_options": {"contains": "rw"}}),
    ("mount", "/data", "source", "/dev/sdb1", "disk.mount",
     {"mount": "/data", "optional": True, "source": "/dev/sdb1"}),
    ("mount", "/data", "filesystem", "xfs", "disk.mount",
     {"mount": "/data", "optional": True, "type": "xfs"}),
    ("mount", "/data", "usage", "{lt: 95}", "disk.mount",
     {"mount": "/data", "optional": True, "used": {"below": 95}}),
    ("http", "http://app1/", "status", "200", "http.ok", URL | {"status": 200}),
    ("http", "http://app1/", "body", "[ready, '!Exception']", "http.text",
     URL | {"text": {"all": [{"contains": "ready"}, {"not": {"contains": "Exception"}}]}}),
    ("http", "http://app1/", "headers", "['Server: nginx']", "http.text",
     URL | {"part": "headers", "text": {"contains": "Server: nginx"}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type", "id", "attribute", "value", "check", "parameters"), TABLE, ids=lambda part: str(part)[:30]
)
def test_an_attribute_becomes_an_item(
    tmp_path: Path, type: str, id: str, attribute: str, value: str, check: str, parameters: dict[str, Any]
) -> None:
    made = items(suite_of(tmp_path, f"{type}:\n  '{id}':\n    {attribute}: \n      {value}\n"))
    assert [*made.values()] == [(check, parameters)]


def test_every_type_of_resource_has_a_row() -> None:
    assert {row[0] for row in TABLE} | {"matching"} == {*MAPPERS}
    assert {*TYPES} - {*MAPPERS} == {"gossfile", "registry"}


@pytest.mark.parametrize(
    ("text", "check", "parameters"),
    [
        ("file: {name: {path: /a, exists: true}}", "file.stat", {"path": "/a"}),
        ("command: {name: {exec: 'true', exit-status: 0, timeout: 500}}", "cmd.output",
         {"command": "true", "timeout": 0.5}),
        ("command: {name: {exec: 'true', exit-status: 0, timeout: 0}}", "cmd.output", {"timeout": 10.0}),
        ("package: {n: {name: bash, installed: true}}", "pkg.version", {"name": "bash"}),
        ("service: {n: {name: cron, running: true}}", "svc.state", {"names": ["cron"]}),
        ("user: {n: {username: root, exists: true}}", "user.account", {"name": "root"}),
        ("group: {n: {groupname: root, exists: true}}", "user.group", {"name": "root"}),
        ("process: {n: {comm: init, running: true}}", "proc.running", {"name": "init"}),
        ("port: {n: {port: 'tcp:22', listening: true}}", "net.listening", {"port": 22}),
        ("addr: {n: {address: 'tcp://a:1', reachable: true, timeout: 2000}}", "net.port_reach",
         {"host": "a", "timeout": 2.0}),
        ("dns: {n: {resolve: a, resolveable: true}}", "net.dns", {"name": "a", "resolves": True}),
        ("interface: {n: {name: lo, exists: true}}", "net.interface", {"name": "lo"}),
        ("kernel-param: {n: {name: kernel.ostype, value: Linux}}", "kern.param", {"name": "kernel.ostype"}),
        ("mount: {n: {mountpoint: /, exists: true, timeout: 1000}}", "disk.mount", {"mount": "/"}),
        ("http: {n: {url: 'http://a/', status: 200, timeout: 1000}}", "http.ok",
         {"url": "http://a/", "timeout": 1.0}),
        ("http: {'http://a/': {status: 200, allow-insecure: true, no-follow-redirects: true, ca-file: /c}}",
         "http.ok", {"verify": False, "follow": False, "ca": "/c"}),
        ("http: {'http://a/': {status: 200, username: u, password: 'env:PW'}}", "http.ok",
         {"user": "u", "password": "env:PW"}),
        ("http: {'http://a/': {status: 200, method: post, request-body: x, request-headers: ['A: b']}}",
         "http.ok",
         {"method": "POST", "body": "x", "headers": ["A: b"]}),
    ],
)  # fmt: skip
def test_names_and_ways_of_asking_are_taken_over(
    tmp_path: Path, text: str, check: str, parameters: dict[str, Any]
) -> None:
    ((made, given),) = items(suite_of(tmp_path, text)).values()
    assert made == check
    assert {name: given[name] for name in parameters} == parameters


@pytest.mark.parametrize(
    ("text", "id", "reason"),
    [
        ("flub: {a: {b: 1}}", "unknown.flub", "goss has no type of resource 'flub'"),
        ("fiel: {/a: {exists: true}}", "unknown.fiel", "did you mean file?"),
        ("registry: {a: {exists: true}}", "registry.a", "is none of what can be told here"),
        ("file: {/a: null}", "file.a", "a resource holds its attributes by name"),
        ("file: {/a: {}}", "file.a", "it asks for nothing"),
        ("file: {/a: {exist: true}}", "file.a.exist", "goss has no attribute 'exist' of file"),
        ("file: {/a: {exists: {not: true}}}", "file.a.exists", "exists is true or false"),
        ("file: {'~root': {exists: true}}", "file.root-9af33a", "begins with ~ depends on who looks"),
        ("file: {a/b: {exists: true}}", "file.a-b", "does not begin with / depends on where"),
        ("file: {/a: {filetype: door}}", "file.a.filetype", "it is one of file, directory"),
        ("file: {/a: {filetype: symlink, owner: root}}", "file.a.owner", "of a link itself"),
        ("file: {/a: {linked-to: /b, mode: '0644'}}", "file.a.mode", "it is always 0777"),
        ("file: {/a: {sha256: {not: x}}}", "file.a.sha256", "a SHA-256 of 64 hex digits"),
        ("file: {/a: {mode: {have-nothing: 1}}}", "file.a.mode", "goss has no matcher"),
        ("command: {a: {exit-status: 0, timeout: 90000}}", "command.a.timeout", "longer than 60 s"),
        ("command: {a: {exit-status: 0, timeout: x}}", "command.a", "a number of milliseconds"),
        ("command: {'mysql -phunter2': {exit-status: 0}}", "command.withheld.ec18c9.exit-status",
         "looks like a secret"),
        ("service: {a: {runlevels: ['3']}}", "service.a.runlevels", "runlevels are not known here"),
        ("service: {a: {running: {not: true}}}", "service.a.running", "running is true or false"),
        ("user: {a: {groups: [b, b]}}", "user.a.groups", "a group is named twice"),
        ("process: {a: {running: x}}", "process.a.running", "running is true or false"),
        ("port: {'tcp:x': {listening: true}}", "port.tcp-x", "is no port such as tcp:22"),
        ("port: {'tcp:99999': {listening: true}}", "port.tcp-99999", "is no port such as tcp:22"),
        ("addr: {'udp://a:1': {reachable: true}}", "addr.udp-a-1", "is no address such as tcp://host:443"),
        ("addr: {'tcp://a:1': {reachable: true, local-address: 127.0.0.1}}", "addr.tcp-a-1.local-address",
         "cannot be chosen here"),
        ("dns: {'MX:a': {resolvable: true}}", "dns.MX-a", "MX records are not asked for here"),
        ("dns: {a: {resolvable: true, server: 8.8.8.8}}", "dns.a", "the server 8.8.8.8 is not asked here"),
        ("http: {'http://a/': {status: 200, method: PUT}}", "http.http-a-282a35", "PUT is not sent here"),
        ("http: {'http://a/': {status: 200, request-body: x}}", "http.http-a-282a35", "sent with POST only"),
        ("http: {'http://a/': {status: 200, password: hunter2}}", "http.http-a-282a35",
         "a password does not stand in a file here"),
        ("http: {'http://a/': {status: 200, proxy: 'http://p'}}", "http.http-a-282a35", "proxy is not"),
        ("http: {'http://u:pw@a/': {status: 200}}", "http.withheld.7e9962.status", "user or password"),
        ("kernel-param: {a: {value: null}}", "kernel-param.a", "it asks for nothing"),
        ("matching: {a: {content: x}}", "matching.a", "matching has content and matches"),
        ("mount: {/a: {usage: {gt: x}}}", "mount.a.usage", "goss expects a number here"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_an_item_with_its_reason(
    tmp_path: Path, text: str, id: str, reason: str
) -> None:
    suite = suite_of(tmp_path, text)
    ((found, told),) = reasons(suite).items()
    assert (found, reason in told) == (id, True)
    assert suite.unmapped[0].startswith(f"{tmp_path}/goss.yaml:1: ")
    check, parameters = items(suite)[found]
    assert check == "goss.matching"
    assert reason in parameters["unmapped"]
    assert "hunter2" not in str(items(suite))


def test_what_is_skipped_is_one_item_that_says_so(tmp_path: Path) -> None:
    made = items(suite_of(tmp_path, "command: {false: {exit-status: 0, stdout: [a], skip: true}}"))
    assert made == {
        "command.false": ("goss.matching", {"what": "command false", "skipped": "the goss file skips it"})
    }


def test_an_empty_list_asks_for_nothing(tmp_path: Path) -> None:
    made = items(
        suite_of(
            tmp_path,
            """\
            command: {a: {exit-status: 0, stdout: [], stderr: []}}
            package: {b: {installed: true, versions: []}}
            port: {'tcp:1': {listening: true, ip: []}}
            dns: {c: {resolvable: true, addrs: []}}
            http: {'http://d/': {status: 200, body: [], headers: []}}
            file: {/e: {exists: true, contents: []}}
            """,
        )
    )
    assert [name.rpartition(".")[2] for name in made] == [
        "exit-status", "installed", "listening", "resolvable", "status", "exists",
    ]  # fmt: skip


def test_a_link_is_there_where_it_is_one_whatever_it_leads_to(tmp_path: Path) -> None:
    made = items(
        suite_of(tmp_path, "file: {/a: {exists: true, filetype: symlink, linked-to: /b, mode: '0777'}}")
    )
    assert {check for check, _ in made.values()} == {"file.link"}
    assert made["file.a.exists"][1] == {"path": "/a"}
    assert made["file.a.linked-to"][1] == {"path": "/a", "optional": True, "target": "/b"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("{content: some string, matches: {match-regexp: some str}}", {"matches": "some str"}),
        ("{content: [2], matches: {contain-element: 2}}", {"some": {"equals": 2}}),
        (
            "{content: {foo: bar}, matches: {and: [{have-key: foo}]}}",
            {"all": [{"keys": {"some": {"equals": "foo"}}}]},
        ),
        ("{content: 3, matches: 0}", 0),
    ],
)
def test_content_of_the_file_itself_is_matched(tmp_path: Path, text: str, matches: Any) -> None:
    ((check, parameters),) = items(suite_of(tmp_path, f"matching: {{a: {text}}}")).values()
    assert check == "goss.matching"
    assert parameters["what"] == "a"
    assert parameters["matches"] == matches
