"""Persons in free text: taken out where a check digit or the way it is written says so, and nowhere else."""

from __future__ import annotations

import random

import pytest

from agent.redact import Redactor
from agent.redaction.proofs import bank_card, identity_card

PEOPLE = [
    "ann@acme.example", "Bo.Li+erp@mail.acme.com.cn", "first_last@acme.io", "a@b.de",
    "+8613812345678", "+86 138 1234 5678", "+49 30 1234567", "+1 (212) 555-0123", "+442071838750",
    "13812345678", "138 1234 5678", "138-1234-5678", "8613812345678", "19912345678",
    "010-62345678", "0755-23456789", "(0755) 23456789", "021-62345678-801",
    "11010519491231002X", "11010519491231002x", "440524188001010014".replace("1880", "1980")[:17] + "8",
    "4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005",
    "6222021234567890128",
]  # fmt: skip

NOBODY = [
    "1764100000", "1764100000123", "1764100000123456", "1764100000123456789",  # moments
    "17179869184", "13958643712", "memory of 17179869184 B", "13812345678 bytes", "rx_bytes: 13812345678",
    "lo: 17728196327 7028998 0 0", "eth0 13812345678 14912345678", "inode 13812345678", "/data/13812345678",
    "port 15432", "1.3812345678e10", "0x13812345678", "13812345678.5", "req-13812345678-a", "13812345678ms",
    "110105194912310021", "110105194913310022", "990105194912310022",  # a wrong check digit, month, province
    "4111111111111112", "1234567812345678", "4111111111111111.5", "0000000000000000", "4444444444444444",
    "+0800", "+08:00", "5.10+20230101", "2026-11-25", "010-1234", "555-0123",
    "root@db1.acme.com", "git@github.com:acme/erp.git", "user@1000.service", "postgres@db1",
    "aes128-gcm@openssh.com", "name@sha256:abcdef", "ann@db1.acme.com:22",
    "postgresql://ann@db1.acme.com/erp",
    "550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e", "00:16:3e:5e:6c:00",
]  # fmt: skip


def luhn(digits: str) -> str:
    return next(digits + str(last) for last in range(10) if luhn_sum(digits + str(last)) % 10 == 0)


def luhn_sum(digits: str) -> int:
    doubled = [int(each) * (1 + at % 2) for at, each in enumerate(reversed(digits))]
    return sum(each - 9 if each > 9 else each for each in doubled)


@pytest.mark.parametrize("written", PEOPLE)
def test_a_person_is_taken_out_of_a_sentence(written: str) -> None:
    if written.isdigit() and len(written) == 19:
        written = luhn(written[:-1])
    if written.startswith("44052419800101001"):
        written = next(written[:17] + last for last in "0123456789X" if identity_card(written[:17] + last))
    assert written not in (clean := Redactor("site").text(f"please ask {written}, who knows"))
    assert clean.startswith("please ask [redacted:")
    assert clean.endswith(", who knows")


@pytest.mark.parametrize("written", NOBODY)
def test_what_is_no_person_stays(written: str) -> None:
    for text in (written, f"it is {written} now"):
        assert Redactor("site").text(text) == text


def test_a_number_under_the_name_of_a_telephone_is_one() -> None:
    for text in ("phone: 62345678", "电话：62345678", "mobile=13812345678", '"tel": "0062345678"'):
        assert "345678" not in Redactor("site").text(text)


def test_a_text_that_is_a_number_is_a_number() -> None:
    """Values of configuration often come as texts."""
    assert Redactor("site").text("13812345678") == "13812345678"
    assert Redactor("site").named("innodb_buffer_pool_size", "17179869184") == "17179869184"


def test_the_check_digit_of_an_identity_card_catches_what_is_none() -> None:
    drawn = random.Random(20)
    fits = 0
    for _ in range(20_000):
        made = f"110105{drawn.randint(1930, 2010)}{drawn.randint(1, 12):02}{drawn.randint(1, 28):02}"
        fits += identity_card(made + f"{drawn.randrange(10_000):04}")
    assert 0.07 < fits / 20_000 < 0.11  # ten of eleven check digits can be digits


def test_only_numbers_that_issuers_give_are_cards() -> None:
    drawn = random.Random(20)
    for beginning, length in (("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("62", 19), ("6011", 16)):
        body = beginning + "".join(str(drawn.randrange(10)) for _ in range(length - len(beginning) - 1))
        assert bank_card(luhn(body)), body
    for beginning, length in (("9", 16), ("1", 16), ("4", 15), ("51", 15), ("0", 16)):
        body = beginning + "".join(str(drawn.randrange(10)) for _ in range(length - len(beginning) - 1))
        assert not bank_card(luhn(body)), body


def test_a_value_is_a_persons_where_its_key_says_so() -> None:
    for name in ("contact.mobile", "phone", "手机号", "idCard", "support_tel"):
        assert Redactor("site").named(name, "62345678").startswith("[redacted:"), name
    assert Redactor("site").named("hotel", "62345678") == "62345678"
