"""TLS as a server speaks it: the chain it sends, the protocol it agrees to, and OpenSSL's word on both.

Two handshakes are made: one that verifies nothing shows what there is, one that verifies says what OpenSSL
makes of it. Trust is that of the agent's machine, or of a file of certificates on it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, Talk
from checks.facts.named_secret import refuse_unnamed
from checks.facts.pem import Certificate, CertificateFile, certificates_in, described
from checks.facts.starttls import NoTls, start_tls
from checks.facts.tlscontext import VERIFIED, ascii_host, context, open_context, words

if TYPE_CHECKING:
    import ssl

    from checks.facts.deadline import Deadline
    from checks.facts.dial import Dialer
    from checks.facts.host import Host

MAX_TIMEOUT_S: Final = 30.0
MAX_CHAIN: Final = 50


PORTS: Final = {"smtp": 25, "imap": 143, "pop3": 110, "ldap": 389, "postgres": 5432, "mysql": 3306}
"""Where a server is that names no port, by the protocol that TLS is asked of."""

_SERVER: Final = (
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\x00-\x20\[\]<>{}@:/]{1,253}))(?::(?P<port>[0-9]{1,5}))?"
)


class TlsSeen(msgspec.Struct, frozen=True):
    """What a server showed. `broken` says why no handshake came about (``no-tls``, ``handshake``), and then
    the rest is empty; `cause` is what OpenSSL thinks of the chain, empty where it verifies it; `detail` are
    the words for either. `whole` is False where only the first certificate could be seen. `refused` says why
    the server went no further after that, as one does that wants a client's certificate; then protocol and
    cipher are not known."""

    protocol: str = ""
    cipher: str = ""
    chain: tuple[Certificate, ...] = ()
    cause: str = ""
    broken: str = ""
    detail: str = ""
    whole: bool = True
    refused: str = ""


class Handshake(Talk, frozen=True, tag="tls-handshake"):
    """Two handshakes with one server; `timeout` in seconds for each."""

    host: str
    port: int
    starttls: str = "none"
    name: str = ""
    ca: str = ""
    timeout: float | str = 5.0

    @property
    def destination(self) -> tuple[str, int]:
        return self.host, self.port

    def describe(self) -> str:
        asked = f" after {self.starttls} STARTTLS" if self.starttls != "none" else ""
        called = f" for {self.name}" if self.name else ""
        trusting = f", trusting {self.ca}" if self.ca else ""
        return f"TLS handshakes with {self.host}:{self.port}{called}{asked}{trusting}"

    def talk(self, dialer: Dialer) -> TlsSeen:
        import ssl

        from checks.facts.deadline import Deadline

        trusted = context(self.ca)
        try:
            with Deadline(float(self.timeout)) as deadline:
                shown = self._shake(dialer, open_context(), deadline)
        except NoTls as none:
            return TlsSeen(broken="no-tls", detail=str(none))
        except (ssl.SSLError, ConnectionError) as error:
            if deadline.passed:
                raise self._late() from None
            return TlsSeen(broken="handshake", detail=words(error))
        except OSError as error:
            raise self._late() if deadline.passed or isinstance(error, TimeoutError) else error from None
        cause, detail = self._verdict(dialer, trusted)
        return msgspec.structs.replace(shown, cause=cause, detail=detail)

    def _verdict(self, dialer: Dialer, trusted: ssl.SSLContext) -> tuple[str, str]:
        import ssl

        from checks.facts.deadline import Deadline

        try:
            with Deadline(float(self.timeout)) as deadline:
                self._shake(dialer, trusted, deadline)
        except ssl.SSLCertVerificationError as error:
            return VERIFIED.get(error.verify_code, "untrusted"), error.verify_message.rstrip(".")
        except (OSError, NoTls) as error:
            if deadline.passed:
                raise self._late() from None
            raise NotReadable(f"the second handshake did not come about: {words(error)}") from error
        return "", ""

    def _shake(self, dialer: Dialer, how: ssl.SSLContext, deadline: Deadline) -> TlsSeen:
        """What is seen. A handshake that the server breaks off when it has shown its certificates, and that
        `how` has not refused for them, is one as well."""
        import ssl

        host = ascii_host(self.host)
        with dialer.connect(host, self.port, float(self.timeout)) as plain:
            deadline.watch(plain)
            try:
                start_tls(self.starttls, plain)
            except (NotReadable, ConnectionError) as problem:
                if deadline.passed:
                    raise self._late() from None
                if isinstance(problem, NotReadable):
                    raise
                raise NotReadable(f"it closed the connection before TLS began: {words(problem)}") from problem
            name, refused = ascii_host(self.name) or host, ""
            with how.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as link:
                try:
                    link.do_handshake()
                except ssl.SSLCertVerificationError:
                    raise
                except (ssl.SSLError, ConnectionError) as error:
                    if deadline.passed or not _chain(link)[0]:
                        raise
                    refused = words(error)
                return _seen(link, refused)

    def _late(self) -> NotReadable:
        return NotReadable(f"no handshake within {float(self.timeout):g} s", "timeout")


@fact
class TlsServer(Fact, frozen=True):
    """What a server shows in a TLS handshake, and whether it can be trusted.

    `server` is ``host:port`` or ``host`` (443, or the port of the protocol that TLS is asked of), an IPv6
    address in brackets. `name` is asked for and verified in place of the host; `ca` is a file on the agent's
    machine with the certificates to trust in place of the system's; `timeout` in seconds. Raises `BadInput`
    where `server` is written in another way.
    """

    value_type: ClassVar[type] = TlsSeen
    deadline_s: ClassVar[float] = 4 * MAX_TIMEOUT_S + 5.0
    server: str
    starttls: str = "none"
    name: str = ""
    ca: str = ""
    timeout: float | str = 5.0

    def __post_init__(self) -> None:
        if "{" not in self.server:
            place_of(self.server, self.starttls)

    def describe(self) -> str:
        return self._ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._ask(),)

    def read(self, host: Host) -> TlsSeen:
        seen: TlsSeen = host.talk(self._ask())
        return seen

    def _ask(self) -> Handshake:
        timeout = self.timeout
        if not isinstance(timeout, str):
            timeout = min(max(float(timeout), 0.1), MAX_TIMEOUT_S)
        place = (self.server, 0) if "{" in self.server else place_of(self.server, self.starttls)
        return Handshake(*place, self.starttls, self.name, self.ca, timeout)


class Held(msgspec.Struct, frozen=True):
    """The certificates of a server or a file; `whole` is False where only a server's own could be seen."""

    chain: tuple[Certificate, ...]
    whole: bool = True


@fact
class Certificates(Fact, frozen=True):
    """The certificates that a server sends (``host:port``), or that lie in a file (an absolute path).

    `passphrase` is as of `CertificateFile`, the others are as of `TlsServer`.
    """

    value_type: ClassVar[type] = Held
    deadline_s: ClassVar[float] = 4 * MAX_TIMEOUT_S + 5.0
    of: str
    starttls: str = "none"
    name: str = ""
    passphrase: str = ""
    timeout: float | str = 5.0

    def __post_init__(self) -> None:
        refuse_unnamed(self.passphrase, self.of)
        if "{" not in self.of:
            self._source()

    def describe(self) -> str:
        return self.of if "{" in self.of else self._source().describe()

    def asks(self) -> tuple[Ask, ...]:
        return () if "{" in self.of else self._source().asks()

    def read(self, host: Host) -> Held:
        source = self._source()
        if isinstance(source, CertificateFile):
            return Held(source.read(host))
        seen = source.read(host)
        if seen.broken:
            raise NotReadable(f"{self.of}: no TLS came about: {seen.detail}", seen.broken)
        return Held(seen.chain, seen.whole)

    def _source(self) -> CertificateFile | TlsServer:
        if self.of.startswith("/") or self.of[1:3] in (":\\", ":/"):
            return CertificateFile(self.of, self.passphrase)
        return TlsServer(self.of, self.starttls, self.name, "", self.timeout)


def place_of(server: str, starttls: str = "none") -> tuple[str, int]:
    """Host and port of a server as people write it; raises `BadInput` for anything else."""
    found = re.fullmatch(_SERVER, server)
    port = int(found["port"] or PORTS.get(starttls, 443)) if found else 0
    if found is None or not 0 < port < 65536:
        raise BadInput(f"{server!r:.200} is no server; write host, host:port or [IPv6 address]:port")
    return found["v6"] or found["host"], port


def _seen(link: ssl.SSLSocket, refused: str) -> TlsSeen:
    chain, whole = _chain(link)
    found = [
        described(certificates_in(each, "the handshake")[0], "the handshake") for each in chain[:MAX_CHAIN]
    ]
    cipher = link.cipher()
    agreed = (link.version() or "", cipher[0] if cipher else "")
    return TlsSeen(*agreed, tuple(found), whole=whole, refused=refused)


def _chain(link: Any) -> tuple[list[bytes], bool]:
    """The certificates as DER, the server's own first. Before 3.13 Python gives the others to nobody who
    does not ask its inner object for them."""
    if hasattr(link, "get_unverified_chain"):
        return list(link.get_unverified_chain()), True
    inner: Any = getattr(link, "_sslobj", None)
    if hasattr(inner, "get_unverified_chain"):
        from _ssl import ENCODING_DER

        return [each.public_bytes(ENCODING_DER) for each in inner.get_unverified_chain() or ()], True
    try:
        own = link.getpeercert(binary_form=True)
    except ValueError:  # the handshake came to no end
        own = None
    return [own] if own else [], False
