"""What names a person in free text: e-mail addresses, telephone numbers, identity and bank cards.

Low on false alarms on purpose: a number with a check digit counts only where that is right, and a telephone
number only where it is written as one. What a machine is full of (counts of bytes, times, versions, ids)
stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Final

from agent.redaction import proofs

_EMAIL: Final = (
    r"(?<![\w.+/@-])(?P<secret>[A-Za-z0-9][\w.+-]{0,63}"
    r"@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24})"
    r"(?![\w@-]|\.\w|:\d|:[\w/]|/)"
)
_NO_PERSON: Final = re.compile(
    # algorithms of SSH, units of systemd, accounts that are nobody's
    r".*@(?:(?:\w+\.)?(?:openssh\.com|libssh\.org|lysator\.liu\.se)|.*\.(?:service|socket|timer|target|mount"
    r"|device|path|slice|scope|swap|automount|conf|local|internal|lan))"
    r"|(?:root|git|hg|svn|nobody|daemon|postgres|mysql|oracle|www-data|noreply|no-reply)@.*",
    re.IGNORECASE,
)
_UNIT: Final = r" ?(?:[KMGTkmgt]i?[Bb]\b|[Bb]ytes?\b|[Bb]\b|[mnu]?s\b|octets|pages|blocks|字节)"
_PHONES: Final = (
    # E.164, written with its plus
    r"(?<![\w.+])(?P<secret>\+[1-9]\d{0,2}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4})(?![\w-]|[.:]\d)",
    # a mobile phone of China, in one or in groups of 3-4-4
    r"(?<![\w.:+/=%*-])(?P<secret>(?:86[ -]?)?1[3-9]\d(?:\d{8}|[ -]\d{4}[ -]\d{4}))"
    rf"(?![\w%*-]|[.:/]\d|{_UNIT})",
    # ... and where its name says so, whatever stands around it
    r"(?i:phone|mobile|tel|电话|手机|联系方式)[\"']?\s{0,3}[:=： ]\s{0,3}[\"']?"
    r"(?P<secret>\+?\d[\d -]{6,18}\d)(?!\d)",
    # a landline of China: area code and number
    r"(?<![\w.:/-])(?P<secret>(?:\(0[1-9]\d{1,2}\) ?|0[1-9]\d{1,2}-)[2-8]\d{6,7}(?:-\d{1,5})?)"
    r"(?![\w-]|[.:]\d)",
)
_IDENTITY: Final = r"(?<![\w.-])(?P<secret>[1-8]\d{16}[\dXx])(?![\w-]|\.\d)"
_CARD: Final = (
    r"(?<![\w.:/-])(?P<secret>\d{13,19}|\d{4}(?:[ -]\d{4}){2}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{5})"
    r"(?![\w-]|[.:]\d)"
)
_QUANTITY: Final = re.compile(
    r"(?i)(?:size|bytes?|count|total|free|used|limit|max|min|inode|pid|id|offset|length|memory|mem|sum|rx|tx"
    r"|serial|seq|number|version|time|stamp|ts|lsn|xid|oid|shmmax|shmall|buffer|cache|heap)"
    r"\w{0,20}[\"']?\s{0,3}[:= ]\s{0,3}$"
)

Proof = Callable[[re.Match[str]], bool]


def personal(text: str) -> Iterator[tuple[re.Pattern[str], Proof]]:
    """The detectors that a text hints at; the group ``secret`` is a person's where `Proof` says so."""
    if "@" in text:
        yield _compiled(_EMAIL), _is_somebodys
    if len(text) < 8 or not _digits().search(text):
        return
    yield _compiled(_IDENTITY), _is_a_card_of_identity
    if not _number().fullmatch(text):  # a number is no text
        yield _compiled(_CARD), _is_a_bank_card
        for pattern in _PHONES:
            yield _compiled(pattern), _is_a_phone


@lru_cache(maxsize=4096)
def names_a_person(name: str) -> bool:
    """Whether a key holds a number of somebody: ``contact.mobile``, ``id_card``."""
    return _number_names().search(name) is not None


@cache
def _number_names() -> re.Pattern[str]:
    return re.compile(
        r"(?i)(?:phone|mobile|msisdn|id[-_ ]?card(?:[-_ ]?no)?|身份证号?|手机号?|电话|(?:^|[._-])tel)$"
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _digits() -> re.Pattern[str]:
    """As many digits as the shortest of these numbers has, however they are grouped."""
    return re.compile(r"\d(?:[ ()-]{0,2}\d){7}")


@cache
def _number() -> re.Pattern[str]:
    return re.compile(r"\s*[+-]?\d+(?:\.\d+)?\s*")


def _is_somebodys(match: re.Match[str]) -> bool:
    return _NO_PERSON.fullmatch(match["secret"]) is None


def _is_a_card_of_identity(match: re.Match[str]) -> bool:
    return proofs.identity_card(match["secret"])


def _is_a_bank_card(match: re.Match[str]) -> bool:
    return proofs.bank_card(match["secret"]) and not _is_a_quantity(match)


def _is_a_phone(match: re.Match[str]) -> bool:
    found = match["secret"]
    if match.start() != match.start("secret"):  # its name stands before it
        return True
    digits = re.sub(r"\D", "", found)
    if found.startswith("+"):
        return 8 <= len(digits) <= 15
    # 17179869184 is 16 GiB
    return found != digits or not (int(digits) % 512 == 0 or _is_a_quantity(match) or _is_in_a_table(match))


def _is_in_a_table(match: re.Match[str]) -> bool:
    """Whether other numbers stand before or after it, as in the columns of /proc."""
    before, after = match.string[max(0, match.start() - 12) : match.start()], match.string[match.end() :][:12]
    return re.search(r"(?:^|\s)\d+\s+$", before) is not None or re.match(r"\s+\d+(?:\s|$)", after) is not None


def _is_a_quantity(match: re.Match[str]) -> bool:
    """Whether the word before says that it counts something."""
    return _QUANTITY.search(match.string[max(0, match.start() - 40) : match.start()]) is not None
