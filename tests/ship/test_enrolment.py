"""Becoming known to a collector: what is asked, what is kept, what never leaves the machine."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from ship_collector import Scripted, TinyCollector
from ship_sample import ship_one, spool_one

from agent.address import checked_url
from agent.enrolment import enrol
from agent.identity import fingerprint, load_identity, local_target, salt_for, save_salt
from agent.paths import State
from agent.paths import state as usual_state
from agent.spool import Spool
from checks.errors import BadInput, UplinkError
from checks.model import decode_report

CANARY = "c4n4ry-7b1e"


def test_enrolment_asks_with_a_public_key_and_keeps_what_it_was_told(state: State, collector: TinyCollector):
    done = enrol(state, collector.url, collector.token(), target="web-1")
    (request,) = collector.enrolments
    assert (request.target, request.agent, len(request.install)) == ("web-1", "", 32)
    identity = load_identity(state)
    assert identity == done.identity
    assert identity is not None
    assert (identity.agent, identity.sites, identity.epoch) == ("agent-1", ("plant-a", "plant-b"), "epoch-1")
    assert identity.targets == {"web-1": "t-web-1"}
    assert local_target(state).id == "t-web-1"


def test_enrolled_again_a_machine_keeps_its_ids_and_gets_a_new_key(machine: State, collector: TinyCollector):
    before = load_identity(machine)
    enrol(machine, collector.url, collector.token())
    after = load_identity(machine)
    assert before is not None
    assert after is not None
    assert (after.agent, after.install, after.target) == (before.agent, before.install, before.target)
    first, second = collector.enrolments
    assert first.public_key != second.public_key
    assert [path.name for path in machine.root.glob("key-*.pem")] == [after.key_file]


def test_a_refused_enrolment_changes_nothing(machine: State, collector: TinyCollector):
    before = machine.identity.read_bytes()
    with pytest.raises(UplinkError, match="The token is not valid: it was used or has expired") as refused:
        enrol(machine, collector.url, "wrong")
    assert refused.value.hold
    assert machine.identity.read_bytes() == before
    assert ship_one().outcome == "sent"


def test_an_enrolment_whose_answer_got_lost_is_asked_again_with_the_same_key(
    state: State, collector: TinyCollector
):
    collector.script.append(Scripted(0, stores=True))
    with pytest.raises(UplinkError):
        enrol(state, collector.url, collector.token())
    enrol(state, collector.url, collector.token())
    first, second = collector.enrolments
    assert (first.public_key, first.install) == (second.public_key, second.install)


def test_secrets_of_enrolment_stay_where_they_belong(state: State, collector: TinyCollector):
    token = f"{CANARY}-{collector.token()}"
    collector.tokens.add(token)
    enrol(state, collector.url, token)
    ship_one()
    collector.script.append(Scripted(500))
    ship_one()
    identity = load_identity(state)
    assert identity is not None
    secret = (state.root / identity.key_file).read_bytes().splitlines()[1]
    for path in state.root.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert CANARY.encode() not in text, path
            assert secret not in text or path.name == identity.key_file, path


def test_an_agent_reports_only_for_its_sites(machine: State, collector: TinyCollector):
    with pytest.raises(BadInput, match="--site elsewhere: this agent may report for plant-a, plant-b"):
        ship_one(site="elsewhere")
    assert ship_one(site="plant-b").outcome == "sent"
    (report,) = collector.reports.values()
    assert report.site == "plant-b"


def test_keys_of_findings_are_salted_with_the_site_unless_it_has_a_salt(machine: State):
    assert salt_for(None) == "plant-a"
    assert salt_for("plant-b") == "plant-b"
    save_salt(machine, "plant-b", "5a17" * 16)
    assert salt_for("plant-b") == "5a17" * 16
    assert salt_for(None) == "plant-a"


def test_without_enrolment_nothing_is_sent_and_nothing_is_written(state: State):
    assert salt_for(None) == "unenrolled"
    assert ship_one().outcome == "not-enrolled"
    assert not state.root.exists()


def test_a_shipped_run_says_who_where_when_and_what(machine: State, collector: TinyCollector):
    shipment = ship_one()
    assert shipment.outcome == "sent"
    (report,) = collector.reports.values()
    assert shipment.url == f"{collector.url}/runs/{report.run}"
    assert report.run in shipment.line
    assert (report.agent, report.sequence, report.previous) == ("agent-1", 1, "0" * 64)
    assert report.fingerprint == fingerprint(report.install)
    assert report.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert report.targets[0].name == "web-1"
    assert report.targets[0].id == "t-web-1"
    assert report.started < report.ended
    assert report.operator == "ada"


def test_a_run_made_while_the_collector_is_away_is_spooled_and_says_so(
    machine: State, collector: TinyCollector
):
    collector.stop()
    shipment = ship_one()
    assert shipment.outcome == "spooled"
    assert "spooled" in shipment.line
    assert "cannot be reached" in shipment.line
    (entry,) = Spool(machine.spool).pending()
    assert decode_report(Spool(machine.spool).read(entry).body).run == entry.run


def test_a_refused_run_is_told_apart_from_a_spooled_one(machine: State, collector: TinyCollector):
    spool_one(machine)
    collector.agents.clear()
    shipment = ship_one()
    assert shipment.outcome == "refused"
    assert "enrol again" in shipment.line


def _machine_files(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / {"machine": "etc/machine-id", "board": "sys/class/dmi/id/product_uuid"}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_the_fingerprint_tells_a_clone_from_its_original_and_gives_nothing_away(tmp_path: Path):
    machine_id = "3d1219c7c4c5404aaa1f6d2a48adfda4"
    original = _machine_files(tmp_path / "a", machine=machine_id, board="AAAA-1")
    same = _machine_files(tmp_path / "b", machine=machine_id, board="aaaa-1")
    clone = _machine_files(tmp_path / "c", machine=machine_id, board="BBBB-2")
    assert fingerprint("i1", original) == fingerprint("i2", same)
    assert fingerprint("i1", original) != fingerprint("i1", clone)
    assert machine_id not in fingerprint("i1", original)


def test_a_machine_without_ids_is_known_by_its_installation(tmp_path: Path):
    assert fingerprint("i1", tmp_path) == fingerprint("i1", tmp_path) != fingerprint("i2", tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "collector.example",
        "ftp://a",
        "https://",
        "https://a:99999",
        "https://u:p@a",
        "https://a/?x=1",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(BadInput):
        checked_url(url)


def test_plain_http_leaves_this_machine_only_on_request():
    with pytest.raises(BadInput, match="--insecure-http"):
        checked_url("http://collector.example")
    with pytest.raises(BadInput, match="--insecure-http"):
        checked_url("http://127.0.0.1.example.com")
    assert checked_url("http://collector.example/", insecure_http=True) == "http://collector.example"
    assert checked_url("http://127.0.0.1:8080") == "http://127.0.0.1:8080"
    assert checked_url("http://[::1]:8080") == "http://[::1]:8080"
    assert checked_url("https://collector.example/base/") == "https://collector.example/base"


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that no system trusts, and a server's context that bears it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Our own authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem, key_file = tmp_path / "authority.pem", tmp_path / "server.key"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_file)
    return pem, context


@pytest.fixture
def tls_collector(authority: tuple[Path, ssl.SSLContext]) -> Iterator[TinyCollector]:
    tiny = TinyCollector(authority[1])
    yield tiny
    tiny.stop()


def test_a_certificate_nobody_vouches_for_is_never_accepted(state: State, tls_collector: TinyCollector):
    with pytest.raises(UplinkError, match=r"is not trusted .* --ca FILE"):
        enrol(state, tls_collector.url, tls_collector.token())
    assert tls_collector.requests == []


def test_an_authority_of_ones_own_is_trusted_where_it_was_named(
    state: State, tls_collector: TinyCollector, authority: tuple[Path, ssl.SSLContext]
):
    pem, _ = authority
    enrol(state, tls_collector.url, tls_collector.token(), ca=pem)
    pem.unlink()
    assert ship_one().outcome == "sent"
    enrol(state, tls_collector.url, tls_collector.token())
    assert ship_one().outcome == "sent"


def test_a_file_without_certificates_is_no_authority(state: State, collector: TinyCollector, tmp_path: Path):
    (tmp_path / "empty.pem").write_text("hello")
    with pytest.raises(BadInput, match="holds no certificate"):
        enrol(state, collector.url, collector.token(), ca=tmp_path / "empty.pem")


def test_the_state_folder_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "here"))
    assert usual_state().root == tmp_path / "here"
    monkeypatch.delenv("FIRSTLIGHT_STATE")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert usual_state().root == Path("/var/lib/firstlight")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert usual_state().root == tmp_path / ".local/state/firstlight"


def test_a_damaged_identity_is_said_with_its_remedy(machine: State):
    machine.identity.write_text("{")
    with pytest.raises(BadInput, match=r"identity\.json: damaged .* enrol this machine again"):
        ship_one()


def test_settings_are_checked_and_named(machine: State):
    machine.config.write_text("conect_timeout_s = 3\n")
    shipment = ship_one()
    assert shipment.outcome == "failed"
    assert "NOT sent: " in shipment.line
    assert "config.toml" in shipment.line
    assert "connect_timeout_s" in shipment.line
