"""Files and requests that one side signs for the other."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.signed import parse, raw_key, sign, sign_request, signer, verify_request

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC, STRANGE = (key.public_key().public_bytes_raw() for key in (KEY, OTHER))


def test_a_signed_file_comes_back_whole_and_names_the_key_that_signed_it() -> None:
    file = parse(sign("rules", "epoch-1", b'{"a":\n1}', KEY).to_bytes(), "rules")
    assert (file.head.by, file.body) == ("epoch-1", b'{"a":\n1}')
    assert signer(file, [STRANGE, PUBLIC]) == PUBLIC
    assert signer(file, [STRANGE]) is None


def test_a_file_of_one_kind_never_passes_for_another() -> None:
    data = sign("receipts", "epoch-1", b"{}", KEY).to_bytes()
    with pytest.raises(BadInput, match="a file of receipts, and rules are wanted"):
        parse(data, "rules")
    renamed = parse(data.replace(b'"receipts"', b'"rules"'), "rules")
    assert signer(renamed, [PUBLIC]) is None


def test_who_signed_is_part_of_what_is_signed() -> None:
    data = sign("rules", "epoch-1", b"{}", KEY).to_bytes().replace(b"epoch-1", b"epoch-2")
    assert signer(parse(data, "rules"), [PUBLIC]) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_signed_file_or_one_clear_refusal(data: bytes) -> None:
    with pytest.raises(BadInput, match="signed"):
        parse(data, "rules")


@given(st.data())
def test_a_spoiled_file_is_refused_or_signed_by_nobody(data: st.DataObject) -> None:
    whole = sign("export", "a-1", b"some runs", KEY).to_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    spoiled = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    try:
        file = parse(spoiled, "export")
    except BadInput:
        return
    # A signature's base64 has bits that mean nothing; whatever else was changed fits no signature.
    assert signer(file, [PUBLIC]) is None or (file.head.by, file.body) == ("a-1", b"some runs")


def test_a_request_is_of_one_agent_one_method_one_path_and_one_body() -> None:
    signature = sign_request("a-1", "POST", "/x", b"body", KEY)
    assert verify_request(PUBLIC, "a-1", "POST", "/x", b"body", signature)
    for other in (
        ("a-2", "POST", "/x", b"body"),
        ("a-1", "GET", "/x", b"body"),
        ("a-1", "POST", "/y", b"body"),
    ):
        assert not verify_request(PUBLIC, *other, signature)
    assert not verify_request(PUBLIC, "a-1", "POST", "/x", b"bodY", signature)
    assert not verify_request(PUBLIC, "a-1", "POST", "/x", b"body", "no base64!")


@pytest.mark.parametrize("text", ["", "?", "AAAA", "A" * 200])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="public key"):
        raw_key(text)
