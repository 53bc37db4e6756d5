"""Real servers of a test session's own: PostgreSQL, MariaDB, Redis, RabbitMQ, on loopback, gone at the end.

Each is a context manager that gives what tests have to know. All files lie in a temporary folder, all ports
are free ones, and every process that was started is ended by its id.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import services

UP_WITHIN_S = 60
PASSWORD = "s3cret-of-the-tests"


def free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        port: int = link.getsockname()[1]
    return port


def as_user(name: str) -> list[str]:
    """What runs a program as another user; nothing where tests do not run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", name, "--regid", str(pwd.getpwnam(name).pw_gid), "--init-groups"]


@contextlib.contextmanager
def folder_of(name: str) -> Iterator[Path]:
    """A folder that belongs to a user, gone at the end; short, because sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="fl-db-", dir="/tmp", ignore_cleanup_errors=True) as made:
        if os.geteuid() == 0:
            shutil.chown(made, name, pwd.getpwnam(name).pw_gid)
        Path(made).chmod(0o755)
        yield Path(made)


@contextlib.contextmanager
def running(argv: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A process and all that it starts, ended at the end; gives its pid."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        family = [psutil.Process(process.pid)] if psutil.pid_exists(process.pid) else []
        with contextlib.suppress(psutil.NoSuchProcess):
            family += psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


def wait_for(there: Callable[[], bool], what: str, log: Path) -> None:
    """Wait until `there` says so; fails with what the server logged."""
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until:
        if there():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not start: {log.read_text(errors='replace')[-3000:]}")


def listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def make_certificate(folder: Path, owner: str, names: Sequence[str] = ("localhost",)) -> tuple[Path, Path]:
    """A self-signed certificate for `names` and its key, which is its own authority too."""
    openssl = services.program("openssl", "openssl")
    certificate, key = folder / "server.crt", folder / "server.key"
    alternative = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "30", "-subj", f"/CN={names[0]}"),
            *("-addext", f"subjectAltName={alternative}"),
        ],
        check=True,
        capture_output=True,
    )
    if os.geteuid() == 0:
        shutil.chown(key, owner, pwd.getpwnam(owner).pw_gid)
    key.chmod(0o600)
    certificate.chmod(0o644)
    return certificate, key


class Server:
    """Where a server listens on 127.0.0.1, its certificate, and a way to talk to it as administrator."""

    def __init__(self, port: int, ca: str, pid: int, administer: Callable[[str], str]) -> None:
        self.port, self.ca, self.pid, self.administer = port, ca, pid, administer


_PG_ROLES = f"""
CREATE ROLE app LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE monitor LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor;
CREATE ROLE boss LOGIN SUPERUSER PASSWORD '{PASSWORD}';
CREATE ROLE maker LOGIN CREATEDB PASSWORD '{PASSWORD}';
CREATE DATABASE erp OWNER app ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
CREATE DATABASE latin OWNER app ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
"""


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """PostgreSQL with TLS; databases `erp` and `latin` of `app`, roles `monitor`, `boss`, `maker`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        services.missing("PostgreSQL", "apt-get install postgresql")
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with folder_of(owner) as folder:
        data, log, port = folder / "data", folder / "log", free_port()
        log.touch()
        certificate, key = make_certificate(folder, owner)
        initdb = [str(found[-1] / "initdb"), "--auth-host", "scram-sha-256", "--auth-local", "trust"]
        subprocess.run(
            [*as_user(owner), *initdb, "--username", "postgres", "--encoding", "UTF8", "--locale", "C",
             "--no-sync", "--pgdata", str(data)],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off",
            "ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key, "max_connections": 40,
            "max_prepared_transactions": 4, "shared_buffers": "16MB", "archive_mode": "on",
            "archive_command": "true", "log_statement": "all",
        }  # fmt: skip
        argv = [str(found[-1] / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        psql = [str(found[-1] / "psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", str(folder)]

        def administer(statements: str, database: str = "postgres") -> str:
            command = [*psql, "-p", str(port), "-U", "postgres", "-d", database]
            done = subprocess.run(command, input=statements, text=True, capture_output=True, cwd="/")
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        def up() -> bool:
            command = [*psql, "-p", str(port), "-U", "postgres", "-c", "SELECT 1"]
            return subprocess.run(command, capture_output=True, cwd="/").returncode == 0

        with running([*as_user(owner), *argv], log) as pid:
            wait_for(up, "PostgreSQL", log)
            administer(_PG_ROLES)
            yield Server(port, str(certificate), pid, administer)


_MY_USERS = f"""
CREATE DATABASE erp CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE DATABASE old CHARACTER SET latin1;
CREATE USER 'app'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON erp.* TO 'app'@'%';
GRANT ALL ON old.* TO 'app'@'%';
CREATE USER 'boss'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO 'boss'@'%' WITH GRANT OPTION;
CREATE USER 'monitor'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'monitor'@'%';
CREATE USER 'wide'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT, DROP ON *.* TO 'wide'@'%';
"""


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """MariaDB with TLS; databases `erp` and `old`, users `app`, `boss`, `monitor`, `wide`."""
    server = services.program("mariadbd", "mariadb-server")
    install = services.program("mariadb-install-db", "mariadb-server")
    client = services.program("mariadb", "mariadb-client")
    owner = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with folder_of(owner) as folder:
        data, log, port = folder / "data", folder / "log", free_port()
        log.touch()
        certificate, key = make_certificate(folder, owner)
        subprocess.run(
            [install, "--no-defaults", f"--user={owner}", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        options = {
            "datadir": data, "socket": folder / "sock", "port": port, "bind-address": "127.0.0.1",
            "pid-file": folder / "pid", "ssl-cert": certificate, "ssl-key": key, "log-bin": "binary",
            "server-id": 1, "log-bin-trust-function-creators": 1,
            "innodb-flush-log-at-trx-commit": 0, "innodb-buffer-pool-size": "32M",
        }  # fmt: skip
        argv = [server, "--no-defaults", "--skip-name-resolve"]
        argv += [f"--{name}={value}" for name, value in options.items()]

        def administer(statements: str, database: str = "") -> str:
            command = [client, "--no-defaults", "-u", "root", "-N", "-S", str(folder / "sock"), database]
            given = {"input": statements, "text": True, "capture_output": True}
            done = subprocess.run([word for word in command if word], **given)  # type: ignore[call-overload]
            assert done.returncode == 0, done.stderr
            return str(done.stdout).strip()

        def up() -> bool:
            ask = [client, "--no-defaults", "-u", "root", "-S", str(folder / "sock"), "-e", "SELECT 1"]
            return subprocess.run(ask, capture_output=True).returncode == 0

        with running([*as_user(owner), *argv], log) as pid:
            wait_for(up, "MariaDB", log)
            administer(_MY_USERS)
            yield Server(port, str(certificate), pid, administer)


@contextlib.contextmanager
def redis(*options: str, tls: bool = False, address: str = "127.0.0.1") -> Iterator[Server]:
    """Redis with more options of its command line; persistence off unless they say otherwise."""
    server = services.program("redis-server", "redis-server")
    client = services.program("redis-cli", "redis-tools")
    owner = "redis" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with folder_of(owner) as folder:
        log, port = folder / "log", free_port()
        log.touch()
        certificate = ""
        argv = [server, "--port", "0" if tls else str(port), "--bind", address, "--dir", str(folder)]
        argv += ["--save", "", "--daemonize", "no", "--unixsocket", str(folder / "sock")]
        if tls:
            made, key = make_certificate(folder, owner)
            certificate = str(made)
            argv += ["--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", str(key)]
            argv += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"]
        argv += options

        def administer(command: str) -> str:
            words = [client, "-s", str(folder / "sock"), *command.split()]
            return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

        with running([*as_user(owner), *argv], log) as pid:
            wait_for(lambda: listening(port), "Redis", log)
            yield Server(port, certificate, pid, administer)


class Rabbit:
    """A RabbitMQ node: its management API's port; `call` asks it something as administrator."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, body: object = None) -> object:
        """What the API answers; None where it answers nothing. Raises for a status that is an error."""
        import requests

        done = requests.request(
            method, self.url + path, json=body, auth=("boss", PASSWORD), timeout=20, proxies={"http": ""}
        )
        done.raise_for_status()
        return done.json() if done.content else None


_RABBIT: str = """
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {port}
default_user = boss
default_pass = {password}
disk_free_limit.absolute = 64MB
management.rates_mode = none
collect_statistics_interval = 5000
log.console = false
"""


@contextlib.contextmanager
def rabbitmq() -> Iterator[Rabbit]:
    """RabbitMQ with its management API; users `boss` (administrator), `mon` (monitoring), `app` (no tag)."""
    server = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if not server.exists():
        services.missing("RabbitMQ", "apt-get install rabbitmq-server")
    epmd = services.program("epmd", "erlang-base")
    owner = "rabbitmq" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with folder_of(owner) as folder:
        log, port, amqp, names, far = folder / "log", *(free_port() for _ in range(4))
        log.touch()
        (folder / "rabbitmq.conf").write_text(_RABBIT.format(amqp=amqp, port=port, password=PASSWORD))
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(names), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"flt{os.getpid()}@localhost", "RABBITMQ_DIST_PORT": str(far),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"), "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"), "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }  # fmt: skip
        # In the foreground and first, so that the node starts none that would outlive it.
        mapper = [*as_user(owner), epmd, "-address", "127.0.0.1", "-port", str(names)]
        with (
            running(mapper, log, environment),
            running([*as_user(owner), str(server)], log, environment) as pid,
        ):
            rabbit = Rabbit(port, pid)

            def up() -> bool:
                with contextlib.suppress(Exception):
                    nodes = rabbit.call("GET", "/api/nodes")
                    return isinstance(nodes, list) and bool(nodes) and bool(nodes[0].get("mem_limit"))
                return False

            wait_for(up, "RabbitMQ", log)
            for name, tags in (("mon", "monitoring"), ("app", "")):
                rabbit.call("PUT", f"/api/users/{name}", {"password": PASSWORD, "tags": tags})
            yield rabbit
