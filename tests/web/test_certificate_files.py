"""Certificates and keys in files of every form."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st
from services import program
from web_certificates import Issued, issue, weak_key

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.keypair import KeyFits
from checks.facts.localhost import LocalHost
from checks.facts.pem import CertificateFile, certificates_in, covers, described
from checks.facts.tls import Certificates

LOCKED = serialization.BestAvailableEncryption(b"open sesame")
DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def chain() -> list[Issued]:
    root = issue("Root", authority=True)
    middle = issue("Middle", root, authority=True)
    return [
        issue("leaf", middle, names=["leaf.example", "10.1.2.3", "2001:db8::7"], issuer_at=True),
        middle,
        root,
    ]


def subjects(path: Path, passphrase: str = "") -> list[str]:
    return [each.subject for each in CertificateFile(str(path), passphrase).read(LocalHost())]


def cause_of(fact: CertificateFile | KeyFits) -> str:
    with pytest.raises(NotReadable) as told:
        fact.read(LocalHost())
    assert "sesame" not in told.value.reason
    return told.value.cause


def test_forms_of_files(chain: list[Issued], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_P12", "open sesame")
    leaf, middle, root = chain
    path = tmp_path / "it"
    path.write_bytes(b"Subject: leaf\n" + leaf.pem + b"\n# and\n" + middle.pem + root.pem)
    assert subjects(path) == ["leaf", "Middle", "Root"]
    path.write_bytes(leaf.key_pem + leaf.pem.replace(b"\n", b"\r\n"))
    assert subjects(path) == ["leaf"]
    path.write_bytes(leaf.certificate.public_bytes(DER))
    assert subjects(path) == ["leaf"]
    store = pkcs12.serialize_key_and_certificates(
        b"x", leaf.key, leaf.certificate, [middle.certificate], LOCKED
    )
    path.write_bytes(store)
    assert subjects(path, "env:FL_P12") == ["leaf", "Middle"]
    assert cause_of(CertificateFile(str(path))) == "denied"
    monkeypatch.setenv("FL_P12", "wrong")
    assert cause_of(CertificateFile(str(path), "env:FL_P12")) == "denied"


def test_what_openssl_writes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = program("openssl", "openssl")
    monkeypatch.setenv("FL_P12", "open sesame")
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made += ["-keyout", "k.pem", "-out", "c.pem", "-days", "30", "-subj", "/O=Acme/CN=by openssl"]
    made += ["-addext", "subjectAltName=DNS:a.example,IP:10.1.2.3"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    for argv in (
        ["pkcs12", "-export", "-in", "c.pem", "-inkey", "k.pem", "-out", "c.p12", "-passout", "env:FL_P12"],
        ["ec", "-in", "k.pem", "-out", "old.pem"],
        ["ec", "-in", "k.pem", "-out", "locked.pem", "-aes256", "-passout", "env:FL_P12"],
        ["pkey", "-in", "k.pem", "-outform", "DER", "-out", "k.der"],
        ["x509", "-in", "c.pem", "-text", "-out", "text.pem"],
    ):
        subprocess.run([openssl, *argv], cwd=tmp_path, check=True, capture_output=True)
    (certificate,) = CertificateFile(str(tmp_path / "text.pem")).read(LocalHost())
    assert (certificate.subject, certificate.names, certificate.self_signed) == (
        *("by openssl", ("a.example", "10.1.2.3"), True),
    )
    said = subprocess.run(
        [openssl, "x509", "-in", "c.pem", "-noout", "-fingerprint", "-sha256"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert certificate.fingerprint == said.stdout.partition("=")[2].strip().replace(":", "").lower()
    for key, passphrase in (("k.pem", ""), ("old.pem", ""), ("k.der", ""), ("locked.pem", "env:FL_P12")):
        assert KeyFits(str(tmp_path / "c.pem"), str(tmp_path / key), passphrase).read(LocalHost())
    assert KeyFits(str(tmp_path / "c.p12"), "", "env:FL_P12").read(LocalHost())


def test_keys(chain: list[Issued], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_KEY", "open sesame")
    leaf, middle, _ = chain
    certificate, key = str(tmp_path / "c.pem"), str(tmp_path / "key")
    leaf.write(tmp_path, "c")
    assert KeyFits(certificate, str(tmp_path / "c.key")).read(LocalHost())
    assert KeyFits(certificate, str(tmp_path / "c.key"), "env:FL_KEY").read(LocalHost())
    (tmp_path / "key").write_bytes(middle.key_pem)
    assert not KeyFits(certificate, key).read(LocalHost())
    (tmp_path / "key").write_bytes(leaf.key_as(LOCKED))
    assert KeyFits(certificate, key, "env:FL_KEY").read(LocalHost())
    assert cause_of(KeyFits(certificate, key)) == "denied"
    monkeypatch.setenv("FL_KEY", "wrong")
    assert cause_of(KeyFits(certificate, key, "env:FL_KEY")) == "denied"
    (tmp_path / "key").write_bytes(b"open sesame")
    assert cause_of(KeyFits(certificate, key)) == "parse"
    (tmp_path / "key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nopensesame\n-----END PRIVATE KEY-----\n")
    assert cause_of(KeyFits(certificate, key)) == "parse"
    assert cause_of(KeyFits(certificate, str(tmp_path / "nowhere"))) == "absent"
    for make in (KeyFits, CertificateFile, Certificates):
        with pytest.raises(BadInput) as told:
            make("x.example", passphrase="open sesame")
        assert "sesame" not in str(told.value)


def test_what_is_judged_of_a_certificate(chain: list[Issued]) -> None:
    leaf, middle, root = (described(each.certificate, "it") for each in chain)
    assert leaf.names == ("leaf.example", "10.1.2.3", "2001:db8::7")
    assert (leaf.issuer_at, middle.issuer_at) == (True, False)
    assert (middle.authority, middle.self_signed, root.self_signed) == (True, False, True)
    weak = described(issue("weak", key=weak_key()).certificate, "it")
    assert (weak.key, weak.weak) == ("RSA 1024", "its key is RSA 1024")


def test_which_hosts_a_certificate_is_for() -> None:
    names = ("a.example", "*.b.example", "10.1.2.3", "2001:db8::7", "*.com")
    for host in ("a.example", "A.Example.", "x.b.example", "10.1.2.3", "2001:db8:0::7"):
        assert covers(names, host)
    for host in ("b.example", "x.y.b.example", "aa.example", "10.1.2.4", "example.com", "", "b.b"):
        assert not covers(names, host)


def test_too_many_certificates_are_refused(chain: list[Issued]) -> None:
    with pytest.raises(NotReadable) as told:
        certificates_in(chain[0].pem * 501, "it")
    assert told.value.cause == "too-large"


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from([b"-----BEGIN ", b"CERTIFICATE-----", b"-----END ", b"\n", b"MIIB", b"\x30\x82"])
    ).map(b"".join)
)
def test_any_bytes_are_certificates_or_not_readable(data: bytes) -> None:
    for given_ in (data, b"\x30" + data):
        with pytest.raises(NotReadable):
            certificates_in(given_, "it")


@given(st.data())
def test_a_damaged_certificate_is_described_or_not_readable(chain: list[Issued], data: st.DataObject) -> None:
    whole = bytearray(chain[0].certificate.public_bytes(DER))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        described(certificates_in(bytes(whole), "it")[0], "it")
    except NotReadable as problem:
        assert problem.cause in {"parse", "denied", "unsupported"}


def test_beginnings_without_an_end_take_no_time() -> None:
    """Found without looking at any byte twice: a million of them are a matter of milliseconds."""
    with pytest.raises(NotReadable):
        certificates_in(b"-----BEGIN CERTIFICATE-----\n" * 35_000, "it")
