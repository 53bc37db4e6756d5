"""The harness held to the truth: what it says of servers, accounts and lines, OpenSSH's client finds so."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE

import paramiko
import psutil
import pytest
import services
from relays import Relay, closing_server, garbage_server, silent_server
from ssh_accounts import SHELLS, Account, account
from sshd import Sshd, alive, start_sshd

POLITE = [name for name in SHELLS if name != "nologin"]


def run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Wait for what another process does; the test's own timeout is the limit."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(65536)
        assert piece, f"ended after {len(data)} bytes"
        data += piece
    return data


@pytest.fixture
def client_key(tmp_path: Path) -> Path:
    """A private key that no server knows yet."""
    path = tmp_path / "id_other"
    keygen = services.program("ssh-keygen", "openssh-client")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that gives back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except ConnectionError:
                pass

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stopping.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=serve, args=[connection]))
            threads[-1].start()

    stopping = threading.Event()
    threads = [threading.Thread(target=accept)]
    threads[0].start()
    port = listener.getsockname()[1]
    yield port
    stopping.set()
    socket.create_connection(("127.0.0.1", port)).close()
    for thread in threads:
        thread.join()
    listener.close()


# The server


def test_the_key_of_the_server_logs_in(ssh_server: Sshd) -> None:
    done = run([*ssh_server.ssh(), "echo ok; id -un"])
    assert (done.returncode, done.stdout) == (0, f"ok\n{ssh_server.user}\n"), done.stderr
    assert f"Accepted publickey for {ssh_server.user}" in ssh_server.log()


def test_another_key_is_refused_until_it_is_authorized(tmp_path: Path, client_key: Path) -> None:
    with start_sshd(tmp_path / "server") as server:
        assert run([*server.ssh(identity=client_key), "true"]).returncode == 255
        server.authorize(client_key.with_suffix(".pub").read_text(), 'command="echo forced"')
        assert run([*server.ssh(identity=client_key), "echo asked"]).stdout == "forced\n"
        assert run([*server.ssh(), "echo asked"]).stdout == "asked\n"


def test_a_certificate_logs_in_its_principal_and_nobody_after_its_time(
    ssh_server: Sshd, client_key: Path
) -> None:
    public = client_key.with_suffix(".pub")

    def login(principal: str, validity: str) -> int:
        certificate = ssh_server.sign(public, [principal], validity)
        command = ssh_server.ssh("-o", f"CertificateFile={certificate}", identity=client_key)
        return run([*command, "true"]).returncode

    assert login(ssh_server.user, "-1h:+1h") == 0
    assert login("somebody-else", "-1h:+1h") == 255
    assert login(ssh_server.user, "-2h:-1h") == 255


def test_the_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    with start_sshd(tmp_path, host_keys=("ed25519", "rsa", "ecdsa")) as server:
        keygen = services.program("ssh-keygen", "openssh-client")
        printed = run([keygen, "-l", "-f", str(server.known_hosts)]).stdout
        for kind in ("ed25519", "rsa", "ecdsa"):
            assert server.fingerprint(kind) in printed
            algorithm = server.host_key(kind).split()[0].replace("ssh-rsa", "rsa-sha2-512")
            assert run([*server.ssh("-o", f"HostKeyAlgorithms={algorithm}"), "true"]).returncode == 0


def test_every_address_answers_and_is_known(tmp_path: Path) -> None:
    addresses = ("127.0.0.1", "127.0.0.2", "127.3.2.1")
    with start_sshd(tmp_path, listen=addresses) as server:
        for address in addresses:
            asked = [*server.ssh(address=address), "echo $SSH_CONNECTION"]
            assert run(asked).stdout.split()[2:] == [address, str(server.port)]


def test_a_changed_host_key_is_refused_and_live_sessions_go_on(tmp_path: Path) -> None:
    with start_sshd(tmp_path) as server:
        session = subprocess.Popen([*server.ssh(), "cat"], stdin=PIPE, stdout=PIPE, text=True)
        assert session.stdin is not None and session.stdout is not None
        session.stdin.write("before\n")
        session.stdin.flush()
        assert session.stdout.readline() == "before\n"
        old = server.fingerprint()
        server.change_host_key()
        assert server.fingerprint() != old
        refused = run([*server.ssh(), "true"])
        assert refused.returncode == 255
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
        assert session.communicate("after\n")[0] == "after\n"
        server.write_known_hosts()
        assert run([*server.ssh(), "true"]).returncode == 0


def test_options_reach_the_server(tmp_path: Path) -> None:
    with start_sshd(tmp_path, options={"MaxSessions": 1}) as server, paramiko.SSHClient() as client:
        client.load_host_keys(str(server.known_hosts))
        client.connect("127.0.0.1", server.port, server.user, key_filename=str(server.identity))
        transport = client.get_transport()
        assert transport is not None
        with transport.open_session(), pytest.raises(paramiko.ChannelException):
            transport.open_session()


def test_sessions_are_counted_and_can_be_killed(tmp_path: Path) -> None:
    with start_sshd(tmp_path) as server:
        assert server.sessions() == []
        lose_a_session(server, server.user)


def test_the_session_of_an_account_can_be_killed_too(ssh_server: Sshd) -> None:
    with account() as somebody:
        somebody.authorize(ssh_server.public_key)
        lose_a_session(ssh_server, somebody.name)


def lose_a_session(server: Sshd, user: str) -> None:
    session = subprocess.Popen(
        [*server.ssh(user=user), "echo up; exec cat"], stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True
    )
    assert session.stdout is not None
    assert session.stdout.readline() == "up\n"
    eventually("it is the only session", lambda: len(server.sessions()) == 1)
    (pid,) = server.sessions()
    os.kill(pid, signal.SIGKILL)
    session.wait()  # its input is still open: only the lost line can end it
    session.communicate()
    assert session.returncode == 255
    eventually("the killed session is not counted", lambda: server.sessions() == [])


def test_it_comes_back_on_its_port_with_its_keys(tmp_path: Path) -> None:
    with start_sshd(tmp_path) as server:
        port = server.port
        server.stop()
        assert run([*server.ssh(), "true"]).returncode == 255
        server.start()
        assert server.port == port
        assert run([*server.ssh(), "true"]).returncode == 0


def test_nothing_is_left_running(tmp_path: Path) -> None:
    with start_sshd(tmp_path) as server:
        said = run([*server.ssh(), "nohup sleep 600 >/dev/null 2>&1 & echo $!"]).stdout
        sleeper = psutil.Process(int(said))
        assert alive(sleeper)
        session = subprocess.Popen([*server.ssh(), "echo up; sleep 600"], stdout=PIPE)
        assert session.stdout is not None
        assert session.stdout.readline() == b"up\n"
    assert not alive(sleeper)
    session.communicate()
    assert session.returncode == 255
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


# Accounts


@pytest.mark.parametrize("shell", POLITE)
def test_an_account_answers_in_its_shell(ssh_server: Sshd, shell: str) -> None:
    with account(shell) as somebody:
        somebody.authorize(ssh_server.public_key)
        done = run([*ssh_server.ssh(user=somebody.name), "echo ok; id -un"])
        assert (done.returncode, done.stdout) == (0, f"ok\n{somebody.name}\n"), done.stderr + ssh_server.log()
        asked = "sh -c 'readlink /proc/$PPID/exe'; true"  # with one command alone the shell would give way
        shown = run([*ssh_server.ssh(user=somebody.name), asked]).stdout.strip()
        assert shown == os.path.realpath(somebody.shell)


def test_nologin_says_so(ssh_server: Sshd) -> None:
    with account("nologin") as somebody:
        somebody.authorize(ssh_server.public_key)
        done = run([*ssh_server.ssh(user=somebody.name), "echo ok"])
        assert done.returncode == 1
        assert "not available" in done.stdout


def test_a_password_logs_in_and_a_wrong_one_does_not(password_ssh_server: Sshd) -> None:
    def login(somebody: Account, password: str) -> str:
        with paramiko.SSHClient() as client:
            client.load_host_keys(str(password_ssh_server.known_hosts))
            client.connect(
                "127.0.0.1",
                password_ssh_server.port,
                somebody.name,
                password,
                allow_agent=False,
                look_for_keys=False,
            )
            _, output, _ = client.exec_command("id -un")
            return str(output.read(), "utf-8").strip()

    with account(password="sésame: open") as somebody, account() as another:
        assert login(somebody, somebody.password) == somebody.name
        for who, wrong in ((somebody, "sesame"), (another, ""), (another, "*")):
            with pytest.raises(paramiko.AuthenticationException):
                login(who, wrong)


def test_dotfiles_make_their_noise(ssh_server: Sshd) -> None:
    with account("bash", rc={".bashrc": "echo noise\n", ".config/deep/file": "x"}) as somebody:
        somebody.authorize(ssh_server.public_key)
        done = run([*ssh_server.ssh(user=somebody.name), "echo ok; rm .config/deep/file"])
        assert (done.returncode, done.stdout) == (0, "noise\nok\n")


def test_sudo_does_what_it_allows_and_nothing_else(ssh_server: Sshd) -> None:
    services.program("sudo", "sudo")
    with account(sudo="{name} ALL=(root) NOPASSWD: /bin/sh -s") as allowed, account() as not_allowed:
        for somebody in (allowed, not_allowed):
            somebody.authorize(ssh_server.public_key)
        asked = [*ssh_server.ssh(user=allowed.name), "sudo -n /bin/sh -s"]
        assert run(asked, "id -u\n").stdout == "0\n"
        other = run([*ssh_server.ssh(user=allowed.name), "sudo -n /bin/cat /etc/shadow"])
        assert (other.returncode, other.stdout) == (1, "")
        refused = run([*ssh_server.ssh(user=not_allowed.name), "sudo -n /bin/sh -s"], "id -u\n")
        assert (refused.returncode, refused.stdout) == (1, "")


def test_bad_sudo_rights_are_not_installed() -> None:
    before = set(Path("/etc/sudoers.d").iterdir()) if os.geteuid() == 0 else set()
    with pytest.raises(AssertionError, match="visudo"), account(sudo="{name} may do what it likes"):
        pass
    assert {path for path in Path("/etc/sudoers.d").iterdir() if f"flt{os.getpid()}" in path.name} <= before


def users_of_processes() -> set[int]:
    """Of all that are there; one may end while it is looked at."""
    found: set[int] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            found.update(process.uids())
    return found


def test_an_account_leaves_nothing(ssh_server: Sshd) -> None:
    with account(sudo="{name} ALL=(root) NOPASSWD: /bin/true") as somebody:
        somebody.authorize(ssh_server.public_key)
        run([*ssh_server.ssh(user=somebody.name), "nohup sleep 600 >/dev/null 2>&1 &"])
        assert somebody.uid in users_of_processes()
    assert somebody.uid not in users_of_processes()
    assert not somebody.home.exists()
    for file in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid"):
        assert somebody.name not in Path(file).read_text()
    assert not (Path("/etc/sudoers.d") / somebody.name).exists()


# Lines


def test_ssh_works_through_a_slow_line(ssh_server: Sshd) -> None:
    with Relay("127.0.0.1", ssh_server.port, delay_s=0.02) as relay:
        ssh_server.known_at(relay.host, relay.port)
        begun = time.monotonic()
        done = run([*ssh_server.ssh(port=relay.port), "head -c 300000 /dev/zero"])
        assert (done.returncode, len(done.stdout)) == (0, 300000), done.stderr
        assert time.monotonic() - begun >= 2 * 0.02 * 5  # banner, key exchange, auth, session, exit
        assert relay.count == 1
        assert relay.bytes_down > 300000 > relay.bytes_up > 0


def test_a_quick_line_is_answered_while_a_slow_one_still_carries(echo: int) -> None:
    with Relay("127.0.0.1", echo, delay_s=30) as slow, Relay("127.0.0.1", echo) as quick:
        late = socket.create_connection((slow.host, slow.port))
        soon = socket.create_connection((quick.host, quick.port))
        with late, soon:
            late.sendall(b"x")
            for _ in range(20):
                soon.sendall(b"y")
                assert exactly(soon, 1) == b"y"
            late.setblocking(False)
            with pytest.raises(BlockingIOError):
                late.recv(1)
            eventually("the slow relay accepts", lambda: slow.count == 1)
            assert slow.bytes_up == 0


def test_a_delay_holds_a_whole_stream_in_order(echo: int) -> None:
    sent = b"".join(number.to_bytes(4, "big") for number in range(2_000_000))
    with (
        Relay("127.0.0.1", echo, delay_s=0.05) as relay,
        socket.create_connection((relay.host, relay.port)) as connection,
    ):

        def say() -> None:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=say)
        writer.start()
        got = exactly(connection, len(sent))
        writer.join()
        assert got == sent
        assert connection.recv(1) == b""  # the end travels too, in both directions
        assert relay.bytes_up == relay.bytes_down == len(sent)


def test_cut_resets_every_connection_and_lets_new_ones_in(echo: int) -> None:
    with Relay("127.0.0.1", echo) as relay:
        connections = [socket.create_connection((relay.host, relay.port)) for _ in range(3)]
        for connection in connections:
            connection.sendall(b"x")
            assert exactly(connection, 1) == b"x"
        relay.cut()
        for connection in connections:
            with connection, pytest.raises(ConnectionResetError):
                connection.recv(1)
        with socket.create_connection((relay.host, relay.port)) as again:
            again.sendall(b"y")
            assert exactly(again, 1) == b"y"
        assert relay.count == 4


def test_a_cut_line_ends_the_session_of_ssh(ssh_server: Sshd) -> None:
    with Relay("127.0.0.1", ssh_server.port) as relay, paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(relay.host, relay.port, ssh_server.user, key_filename=str(ssh_server.identity))
        _, output, _ = client.exec_command("echo up; exec cat")
        assert output.readline() == "up\n"
        relay.cut()
        assert output.read() == b""
        eventually("the server notices", lambda: ssh_server.sessions() == [])


def test_stall_forwards_nothing_and_closes_nothing(echo: int) -> None:
    with (
        Relay("127.0.0.1", echo) as relay,
        socket.create_connection((relay.host, relay.port)) as connection,
    ):
        connection.sendall(b"x")
        assert exactly(connection, 1) == b"x"
        relay.stall()
        connection.sendall(b"y")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert (relay.bytes_up, relay.bytes_down) == (1, 1)
        relay.resume()
        connection.settimeout(60)
        assert exactly(connection, 1) == b"y"


def test_a_relay_to_nothing_resets() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can answer there
        with (
            Relay(*closed.getsockname()) as relay,
            socket.create_connection((relay.host, relay.port)) as connection,
            pytest.raises(ConnectionResetError),
        ):
            connection.recv(1)


def test_the_mute_the_babbling_and_the_abrupt(ssh_server: Sshd) -> None:
    with silent_server() as silent, garbage_server() as garbage, closing_server() as closing:
        with (
            socket.create_connection((silent.host, silent.port), timeout=0.2) as connection,
            pytest.raises(TimeoutError),
        ):
            connection.recv(1)
        with socket.create_connection((garbage.host, garbage.port), timeout=60) as connection:
            assert not exactly(connection, 4).startswith(b"SSH-")
        with socket.create_connection((closing.host, closing.port), timeout=60) as connection:
            assert connection.recv(1) == b""
        mouths = (silent, garbage, closing)
        eventually("each has counted one", lambda: [mouth.count for mouth in mouths] == [1, 1, 1])
