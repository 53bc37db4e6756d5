"""ssh_config is honoured: what `ssh -G` says of a host is how it is reached, or one line says why not."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path

import pytest
import services
from ssh_site import SiteFolder
from sshd import Sshd

from agent.targets import route as routes
from agent.targets import sshconfig
from agent.targets.route import Route, Router
from agent.targets.sitefile import SiteTarget
from checks.errors import BadInput

CONFIGS = {
    "plain words": "Host db\n HostName 10.0.0.5\n Port 2222\n User deploy\n",
    "equals signs and quotes": 'Host=db\n HostName="10.0.0.5"\n Port = 2222\n User="dep loy"\n',
    "capitals": "HOST db\n hostNAME 10.0.0.5\n PORT 77\n",
    "the first value counts": "Host db\n User a\nHost *\n User b\n Port 77\nHost db\n User c\n",
    "before any Host": "User early\nHost db\n User late\n Port 77\n",
    "patterns": "Host d? *.plant !no.plant 10.*\n User p\n",
    "HostName with %h": "Host *.plant\n HostName %h.example\n",
    "an alias": "Host db\n HostKeyAlias the-db\n Port 77\n",
    "Match host": "Match host db,*.plant\n User m\nMatch host other\n User o\n",
    "Match in capitals": "MATCH Host db\n User m\n",
    "Match of the name that was asked for": "Host db\n HostName 10.0.0.5\nMatch originalhost db\n User m\n",
    "Match of the name that was found": "Host db\n HostName 10.0.0.5\nMatch host 10.0.0.5\n User m\n",
    "Match user": "Host db\n User a\nMatch user a\n Port 77\nMatch !user a\n Port 78\n",
    "Match localuser": f"Match localuser {getpass.getuser()}\n Port 77\n",
    "Match not": "Match !host db\n User m\n",
    "Match all": "Match all\n User m\n",
    "Match exec": 'Match host db exec "true"\n User y\nMatch exec "false"\n User n\n',
    "comments and blanks": "# Host db\n\n  \t\n   # User x\nHost db\n\n Port 77\n",
}

HOSTS = ("db", "other", "a.plant", "no.plant", "10.1.2.3")


def route(config: Path | None, host: str = "db", **asked: object) -> Route:
    return Router({}, config).route(SiteTarget(host, address=host, **asked))  # type: ignore[arg-type]


def asked_of_ssh(config: Path, host: str) -> dict[str, str]:
    """The words of `ssh -G`; of several values of one word the last."""
    program = services.program("ssh", "openssh-client")
    done = subprocess.run([program, "-G", "-F", str(config), host], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {word: value for word, _, value in pairs}


def file(folder: Path, text: str, name: str = "config") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_a_host_is_reached_as_ssh_would(name: str, tmp_path: Path) -> None:
    config = file(tmp_path, CONFIGS[name])
    found_at_all = set()
    for host in HOSTS:
        meant, found = asked_of_ssh(config, host), route(config, host)
        assert (found.host, str(found.port), found.user) == (meant["hostname"], meant["port"], meant["user"])
        alias = meant.get("hostkeyalias", "none")
        plain = found.host if found.port == 22 else f"[{found.host}]:{found.port}"
        assert found.key_name == (plain if alias == "none" else alias)
        found_at_all.add(str(found).replace(host, ""))
    assert len(found_at_all) > 1 or "all" in name or "localuser" in name or "before" in name


def test_identity_files(visit: SiteFolder, tmp_path: Path) -> None:
    home = visit.home
    text = "Host db\n IdentityFile ~/a\n IdentityFile /k/%h_%p_%r\n HostName h\n User u\n"
    config = file(tmp_path, f"{text}Host *\n IdentityFile %d/c\n")
    assert route(config).identities == (f"{home}/a", "/k/h_22_u", f"{home}/c")
    assert route(config, "x").identities == (f"{home}/c",)
    assert not route(config).identities_only
    assert route(file(tmp_path, "IdentityFile none\n")).identities == ()
    usual = tuple(f"{home}/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
    assert route(file(tmp_path, "User u\n")).identities == usual
    only = route(file(tmp_path, "IdentitiesOnly yes\nIdentityFile /k/a\n"))
    assert (only.identities, only.identities_only) == (("/k/a",), True)
    named = route(config, identity="/k/of%20the%site")
    assert (named.identities, named.identities_only) == (("/k/of%20the%site",), True)


def test_known_hosts_files(visit: SiteFolder, tmp_path: Path) -> None:
    home = visit.home
    usual = route(file(tmp_path, "User u\n"))
    assert usual.learns_in == f"{home}/.ssh/known_hosts"
    assert usual.known_hosts == (
        f"{home}/.ssh/known_hosts",
        f"{home}/.ssh/known_hosts2",
        "/etc/ssh/ssh_known_hosts",
        "/etc/ssh/ssh_known_hosts2",
    )
    text = 'UserKnownHostsFile ~/a "/k/b c" /k/%k_%p\nGlobalKnownHostsFile /k/g\nHostKeyAlias al\n'
    found = route(file(tmp_path, text))
    assert found.known_hosts == (f"{home}/a", "/k/b c", "/k/al_22", "/k/g")
    assert found.learns_in == f"{home}/a"
    nothing = route(file(tmp_path, "UserKnownHostsFile none\nGlobalKnownHostsFile /k/g\n"))
    assert (nothing.known_hosts, nothing.learns_in) == (("/k/g",), "")


def test_proxy_jump(tmp_path: Path) -> None:
    text = (
        "Host db\n ProxyJump u@b1:77,b2\nHost direct\n ProxyJump none\nHost app\n ProxyCommand none\n"
        "Host b1\n HostName 10.0.0.1\n ProxyJump b0\nHost b2\n User w\n ProxyJump never\n"
        "Host * !b0 !never\n ProxyJump b3\n"
    )
    config = file(tmp_path, text)
    me = getpass.getuser()
    assert str(route(config)) == f"ssh {me}@db:22 via w@b2:22 via u@10.0.0.1:77 via {me}@b0:22"
    assert str(route(config, "direct")) == f"ssh {me}@direct:22"
    assert str(route(config, "app")) == f"ssh {me}@app:22"
    with pytest.raises(BadInput, match="target other: its jump hosts lead in a circle"):
        route(config, "other")  # b3 would be reached over itself; ssh calls itself for ever


def test_a_proxy_command_is_refused_where_it_would_be_run(tmp_path: Path) -> None:
    config = file(tmp_path, "Host db\n ProxyCommand nc %h %p\nHost app\n ProxyJump b\n ProxyCommand nc\n")
    with pytest.raises(BadInput) as problem:
        route(config)
    assert str(problem.value) == (
        f"target db: {config} gives it a ProxyCommand, which is not run here; use ProxyJump there, or `via` "
        "in the site file"
    )
    assert route(config, "x").jumps == ()
    assert [jump.host for jump in route(config, "app").jumps] == ["b"]
    assert [jump.host for jump in route(config, via="b").jumps] == ["b"]


def test_the_site_file_goes_before(tmp_path: Path) -> None:
    config = file(tmp_path, "Host db\n HostName 10.0.0.5\n User c\n Port 77\n ProxyJump b\n")
    found = route(config, user="s", port=78, via="v")
    assert str(found) == f"ssh s@10.0.0.5:78 via {getpass.getuser()}@v:22"


def test_includes(visit: SiteFolder, tmp_path: Path) -> None:
    one = file(tmp_path, "Host db\n Port 77\n", "one.conf")
    file(tmp_path, "User in\nHost db\n HostName h\n", "parts/a.conf")
    file(tmp_path, "Host app\n User late\n", "parts/b.conf")
    config = file(
        tmp_path, f'Include {one} "{tmp_path}/parts/*.conf" /absent/x\nUser after\nHost x\n User x\n'
    )
    for host in ("db", "app", "x", "y"):
        meant, found = asked_of_ssh(config, host), route(config, host)
        assert (found.host, str(found.port), found.user) == (meant["hostname"], meant["port"], meant["user"])
    inside = file(tmp_path, f"Host db\n Include {tmp_path}/plain.conf\n User u\nHost *\n User v\n")
    file(tmp_path, "Port 99\n", "plain.conf")
    assert (route(inside).port, route(inside).user, route(inside, "x").port) == (99, "u", 22)
    assert asked_of_ssh(inside, "x")["port"] == "22"
    file(visit.home / ".ssh", "Include more/*\n")
    file(visit.home / ".ssh", "Port 55\n", "more/of it")
    assert route(None).port == 55
    assert route(file(tmp_path, "Include more/*\n")).port == 55


def test_an_include_that_is_not_understood_is_told(tmp_path: Path) -> None:
    inner = file(tmp_path, "Host a\n Port 1\n", "inner")
    config = file(tmp_path, f"Host db\n Include {inner}\n")
    with pytest.raises(
        BadInput, match=f"{config}: {inner} is included below 'Host db' and has Host or Match"
    ):
        route(config)
    config.write_text(f"Include {config}\n")
    with pytest.raises(BadInput, match="Includes nest more than 16 deep"):
        route(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense\n", "{}: not an ssh_config: "),
        ("\x00\x01\x02\xff\xfe", "{}: not an ssh_config: "),
        ("Host 'db\n User x\n", "{}: not an ssh_config: "),
        ("Host db\n Port many\n", "{}: Port many of db is no port from 1 to 65535"),
        ("Host db\n Port 0\n", "{}: Port 0 of db is no port from 1 to 65535"),
        ("Host db\n Port 65536\n", "{}: Port 65536 of db is no port"),
        ("Match tagged x\n User u\n", "{}: Match tagged x: 'tagged' is not understood here"),
        ("Match host\n User u\n", "{}: Match host: 'host' is not understood here"),
        ("Match all host db\n", "{}: not an ssh_config: "),
        ("Match host 'db\n", "{}: Match host 'db: "),
        ("Include 'x\n", "{}: Include 'x: "),
        ("UserKnownHostsFile /k/%q\n", "{}: /k/%q: '%q' is not understood here"),
        ('UserKnownHostsFile "/k/a" "b\n', "{}: "),
        ("CanonicalizeHostname yes\n", "{}: cannot be applied to db: "),
        ("ProxyJump -oProxyCommand=x\n", "is no host; write it as user@host:port"),
        ("ProxyJump b:99999\n", "'b:99999' is no host"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(text: str, said: str, tmp_path: Path) -> None:
    config = file(tmp_path, text)
    with pytest.raises(BadInput) as problem:
        route(config)
    assert said.format(config) in str(problem.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, visit: SiteFolder) -> None:
    with pytest.raises(BadInput, match="absent: No such file or directory; -F takes an ssh_config file"):
        route(tmp_path / "absent")
    with pytest.raises(BadInput, match=f"{tmp_path}: Is a directory"):
        route(tmp_path)
    (visit.home / ".ssh" / "config").mkdir(parents=True)
    with pytest.raises(BadInput, match="config: Is a directory"):
        route(None)


def test_the_users_file_goes_before_the_systems(visit: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    system = file(visit.folder, "Port 1\nUser system\n", "system")
    monkeypatch.setattr(sshconfig, "SYSTEM_CONFIG", str(system))
    assert (route(None).port, route(None).user) == (1, "system")
    file(visit.home / ".ssh", "Host db\n User mine\n")
    assert (route(None).port, route(None).user) == (1, "mine")
    assert route(None, "x").user == "system"
    system.write_text("broken\n")
    with pytest.raises(BadInput, match=f"{system}: not an ssh_config"):
        route(None)


def test_reading_it_asks_no_resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a site whose name server is gone, each question would take seconds."""

    def asked(*_: object) -> str:
        raise AssertionError("the resolver was asked")

    for name in ("getfqdn", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, asked)
    config = file(
        tmp_path, "Host db\n IdentityFile ~/%h\n HostName h.%h\n ProxyJump b\nMatch host x\n User u\n"
    )
    assert route(config).host == "h.db"


def test_a_route_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router({}, file(tmp_path, "User u\n"))
    target = SiteTarget("db", address="db")
    first = router.route(target)
    monkeypatch.setattr(routes, "key_name", None)
    assert router.route(target) is first


def test_the_program_honours_it(visit: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.write_site("db: {address: the-db}\napp: {address: '*not*a*name'}")
    refused = visit.check_here(monkeypatch)
    assert (refused.code, "site.yaml:5: expected an address" in refused.err) == (2, True)
    visit.write_site("db: {address: the-db}")
    visit.write_config(ssh_server, "Host the-db", "  HostName 127.0.0.1", f"  User {ssh_server.user}")
    assert visit.check_here(monkeypatch).code == 0
    usual = visit.home / ".ssh" / "config"
    file(usual.parent, visit.config.read_text())
    done = visit.run_here(monkeypatch, "check", "-s", "site.yaml", "--no-send")
    assert done.code == 0, done.out
