"""Which certificates are trusted where OpenSSL was built for another system than the one it runs on."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from database_servers import make_certificate

from checks.facts import tlscontext


@pytest.fixture
def built_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL looks at a place that does not exist, and no variable names another."""
    nowhere = ssl.DefaultVerifyPaths(None, None, "NO_FILE", "/nowhere/cert.pem", "NO_DIR", "/nowhere/certs")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "/nowhere/of/openssl")


def test_the_place_of_the_machine_is_used(
    built_elsewhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, _ = make_certificate(tmp_path, "root")
    monkeypatch.setattr(tlscontext, "_TRUSTED", ("/nowhere/either", str(certificate)))
    assert tlscontext.elsewhere_trusted() == str(certificate)
    assert tlscontext.context().cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}


def test_a_machine_that_trusts_nobody_trusts_nobody(
    built_elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tlscontext, "_TRUSTED", ("/nowhere/either",))
    assert tlscontext.elsewhere_trusted() == ""
    assert tlscontext.context().cert_store_stats() == {"x509": 0, "crl": 0, "x509_ca": 0}


def test_where_openssl_looks_by_itself_nothing_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, _ = make_certificate(tmp_path, "root")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(tlscontext, "_TRUSTED", ("/must/not/be/read",))
    assert tlscontext.elsewhere_trusted() == ""
