"""What a secret looks like in free text: one detector a kind, each compiled when a text first hints at it.

A hint is a plain word that every match of the detector contains, so that the texts of an ordinary run
compile no pattern at all. Every repeat is bounded, so that no text takes longer than its length times a
constant. Formats are those that vendors and secret scanners publish (GitHub's secret scanning, gitleaks).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Final, NamedTuple

from agent.redaction import proofs


class Detector(NamedTuple):
    """`hints` in lower case, one of which a text holds, and `marks`, one of which it holds too.

    The one group of `pattern` that matched is what is taken out, where `proof` says that it is a secret.
    `fits` looks at the whole text before the pattern is compiled.
    """

    hints: tuple[str, ...]
    pattern: str
    flags: re.RegexFlag = re.NOFLAG
    marks: tuple[str, ...] = ("",)
    proof: Callable[[str], bool] = bool
    fits: Callable[[str], bool] = bool


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _like_pgpass(text: str) -> bool:
    return text.count(":") >= 4


def _like_pem(text: str) -> bool:
    return len(text) >= 64 and any(len(line) in _PEM_LINES for line in text.splitlines())


_PEM_LINES: Final = (64, 70, 76)
_NAMES: Final = (
    r"(?:(?<![A-Za-z])(?<!\bnot )(?i:pass)|(?<=[a-z])Pass"
    r"|(?<!\bNO)(?i:passw(?:or)?d)"  # NOPASSWD is a word of sudoers
    r"|(?i:passphrase|passcode|pwd|secret|token|credentials?|authorization|session[-_]?id|community"
    r"|(?:api|access|private|secret|signing|encryption|account|auth|master|storage)[-_. ]?key(?:[-_]data)?"
    r"|erlang[-_.]cookie"
    r"|client-key-data|connection[-_. ]?string)|密码|口令|密钥|令牌)"
)
_NAME_HINTS: Final = (
    *("pass", "pwd", "secret", "token", "credential", "authorization", "key", "string", "session"),
    *("community", "cookie", "密码", "口令", "密钥", "令牌"),
)
_SET: Final = r"\\?[\"']?\s{0,5}(?:=>|:=|[:=：])\s{0,5}"
_VALUE: Final = (
    r"(?P<secret>\\\"[^\"\n]{1,500}\\\"|\"[^\"\n]{1,500}\"|'[^'\n]{1,500}'"  # in its quotes
    r"|\{[^}\n]{1,500}\}|[^\s\"',;&]{1,500})"
)
_QUERY: Final = r"key|sig|sign|signature|token|access_token|secret|password|passwd|pwd|auth|code|ticket"

_HEADER: Final = r"\b(?:proxy-)?authorization[\"']?\s{0,3}[:=]\s{0,3}"


DETECTORS: Final = (
    # scheme://user:password@host, also with an empty user (Redis) or an @ or / in the password, but no port
    Detector(
        ("://",),
        r"\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@]{0,200}:(?!\d{1,5}[/?#])(?P<secret>[^\s/?#]{1,500}|[^\s@]{1,500})@",
        re.IGNORECASE,
    ),
    # jdbc:oracle:thin:user/password@…
    Detector(("jdbc:oracle",), r"(?i:jdbc:oracle:\w{1,10}:)[^\s/@]{1,100}/(?P<secret>[^\s@]{1,200})@"),
    # PKCS#1 and #8, SEC 1, OpenSSH and PGP; RFC 4716 has four dashes; the end may have been cut off
    Detector(
        ("private key",),
        r"(?P<secret>-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
        r"(?:.{0,20000}?-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}|.*))",
        re.DOTALL,
    ),
    Detector(("private-lines:",), r"Private-Lines: \d{1,4}\s(?P<secret>.*)", re.DOTALL),  # PuTTY
    Detector(("age-secret-key-1",), r"(?P<secret>\bAGE-SECRET-KEY-1[0-9A-Z]{50,60})"),
    # a PEM in base64, as kubeconfig and Kubernetes have it
    Detector(
        ("ls0tls1crudjti",), r"(?P<secret>LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,20000})", proof=proofs.pem_key
    ),
    # JSON Web Token, RFC 7519
    Detector(("eyj",), r"(?P<secret>\beyJ[\w-]{8,4000}\.[\w-]{8,4000}\.[\w-]{0,2000})"),
    # Access key ids: AWS, Aliyun, Tencent Cloud
    Detector(
        ("akia", "asia", "ltai", "akid"),
        r"(?P<secret>\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|LTAI[A-Za-z0-9]{12,26}|AKID[A-Za-z0-9]{28,36})\b)",
    ),
    # Tokens that say whose they are: GitHub, GitLab, Slack, npm, PyPI, Docker, DigitalOcean, Hugging Face
    Detector(
        _words(
            "ghp_ gho_ ghu_ ghr_ ghs_ github_pat_ glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glagent-"
            " xox xapp- npm_ pypi- dckr_pat_ dop_v1_ hf_"
        ),
        r"(?P<secret>\b(?:gh[pousr]_\w{30,255}|github_pat_\w{30,255}"
        r"|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w-]{20,255}"
        r"|xox[abeprs]-[\w-]{10,255}|xapp-[\w-]{10,255}|npm_\w{36}|pypi-[\w-]{50,255}|dckr_pat_[\w-]{20,100}"
        r"|dop_v1_[0-9a-f]{64}|hf_[A-Za-z]{30,50})\b)",
    ),
    # ... Stripe, Google, Vault, SendGrid, and what begins with sk-
    Detector(
        ("sk_", "rk_", "whsec_", "aiza", "gocspx-", "ya29.", "hvs.", "hvb.", "sg.", "sk-"),
        r"(?P<secret>\b(?:[sr]k_(?:live|test)_\w{16,255}|whsec_[\w+/=]{20,100}|AIza[\w-]{35}"
        r"|GOCSPX-[\w-]{20,60}|ya29\.[\w-]{20,500}|hv[sb]\.[\w-]{20,300}"
        r"|SG\.[\w-]{16,32}\.[\w-]{30,60}|sk-(?:[a-z]{2,8}-)?[\w-]{20,200}))",
        proof=proofs.mixed,
    ),
    # Telegram's bots
    Detector((":aa",), r"\b\d{8,10}:(?P<secret>AA[\w-]{33})\b"),
    # Hooks whose address is the secret: Slack, Feishu and Lark, Teams, Discord
    Detector(
        ("hooks.slack.com", "/bot/v2/hook/", "webhook.office.com", "discord.com/api/webhooks"),
        r"(?:hooks\.slack\.com/(?:services|workflows)/|/bot/v2/hook/|webhook\.office\.com/webhookb2/"
        r"|discord(?:app)?\.com/api/webhooks/\d{1,25}/)(?P<secret>[\w/@-]{8,300})",
        re.IGNORECASE,
    ),
    # ?key=… of WeCom, ?access_token=… of DingTalk, ?sig=… of Azure
    Detector(
        ("key=", "sig", "token=", "secret=", "pass", "pwd=", "auth=", "code=", "ticket="),
        rf"[?&](?:[a-z]{{1,20}}[-_])?(?:{_QUERY})=(?P<secret>[^\s&#\"'<>]{{8,1000}})",
        re.IGNORECASE,
        marks=("?", "&"),
    ),
    Detector(
        ("bearer",), r"\bbearer\s{1,5}(?P<secret>[\w.~+/=-]{8,4000})", re.IGNORECASE, proof=proofs.mixed
    ),
    Detector(("basic",), r"\bbasic\s{1,5}(?P<secret>[\w+/=-]{8,1000})", re.IGNORECASE, proof=proofs.login),
    # A header that lets somebody in, whatever its scheme
    Detector(
        ("authorization", "cookie"),
        rf"{_HEADER}(?P<secret>[^\s\"'][^\n]{{3,4000}})|{_HEADER}[\"'](?P<quoted>[^\s\"'][^\n\"']{{3,4000}})"
        r"|\b(?:set-)?cookie[\"']?\s{0,3}:\s{0,3}[\"']?(?P<other>[^\s\"'=;]{1,200}=[^\n\"']{1,4000})",
        re.IGNORECASE,
        marks=(":", "="),
    ),
    Detector(
        ("jsessionid", "phpsessid", "sessionid", "sid="),
        r"\b(?:jsessionid|phpsessid|asp\.net_sessionid|sessionid|connect\.sid|sid)=(?P<secret>[^\s;&\"']{8,500})",
        re.IGNORECASE,
        marks=("=",),
    ),
    # crypt(5) and its kin, LDAP's schemes, PostgreSQL's and MySQL's own
    Detector(
        _words("$1$ $2 $5$ $6$ $7$ $y$ $gy$ $apr1$ $sha1$ $md5 $argon2 $scrypt$ $pbkdf2"),
        r"(?<![\w$])(?P<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|sha1|md5|argon2\w{0,2}|scrypt"
        r"|pbkdf2[\w-]{0,12})\$[^\s:\"',;]{8,500})",
    ),
    Detector(
        ("sha}", "crypt}", "md5}", "scram-sha-", "md5", "pbkdf2"),
        r"(?P<secret>\{(?:s?sha(?:256|512)?|s?md5|crypt|pbkdf2[\w-]{0,12})\}[\w$./+=]{8,500}"
        r"|\bscram-sha-(?:1|256)\$\d{1,9}:[\w+/=$:]{20,500}|(?<![\w:-])md5[0-9a-f]{32}(?!\w))",
        re.IGNORECASE,
    ),
    Detector(("*",), r"(?<![\w*])(?P<secret>\*[0-9A-F]{40})(?!\w)"),
    # A line of .pgpass: host:port:database:user:password
    Detector(
        (":",),
        r"^[^\s:#]{1,200}:(?:\d{1,5}|\*):[^\s:]{1,100}:[^\s:]{1,100}:(?P<secret>[^\s:]{4,200})$",
        re.MULTILINE,
        fits=_like_pgpass,
    ),
    # <password>…</password>, and name="db.password" value="…"
    Detector(
        _NAME_HINTS,
        rf"<[\w:.-]{{0,60}}{_NAMES}(?:\s[^<>]{{0,200}})?>\s{{0,20}}(?P<secret>[^<>\n]{{1,500}})\s{{0,20}}</"
        rf"|(?:name|key|id)=[\"'][\w:. -]{{0,80}}{_NAMES}[\"'][^<>]{{0,100}}?"
        r"(?:value=[\"'](?P<other>[^\"'<>]{1,500})|>\s{0,20}(?P<third>[^<>\n]{1,500})</)",
        marks=("<", "="),
    ),
    # password=… at the beginning of a line is all of the word
    Detector(
        _NAME_HINTS,
        rf"^[ \t]{{0,40}}(?:[>-] ?)?[\w.\[\]-]{{0,80}}?{_NAMES}{_SET}(?P<secret>[^\s\"'{{][^\s\"']{{0,500}})",
        re.MULTILINE,
        marks=(":", "=", "："),
    ),
    # password=…, token: …
    Detector(_NAME_HINTS, rf"{_NAMES}{_SET}{_VALUE}", marks=(":", "=", "：")),
    # --password …
    Detector(
        _NAME_HINTS,
        rf"--(?:[a-z]{{1,20}}-){{0,2}}{_NAMES}\s{{1,5}}(?P<secret>[^\s-]\S{{0,500}})",
        marks=("--",),
    ),
    # What programs take a password with: mysql -p…, sshpass -p …, curl -u user:…, openssl pass:…
    Detector(
        _words("mysql mariadb sshpass curl wget redis-cli ldap snmp smbclient passin passout"),
        r"\b(?:mysql\w{0,10}|mariadb[\w-]{0,10})\b[^\n|;]{0,300}?\s-p(?P<secret>[^\s-]\S{0,200})"
        r"|\bsshpass\s{1,5}-p\s{0,5}(?P<other>\S{1,200})"
        r"|\b(?:curl|wget|smbclient)\b[^\n|;]{0,300}?\s(?:-u|-U|--user)[\s=]{1,5}[^\s:%]{1,100}[:%]"
        r"(?P<third>\S{1,200})"
        r"|\bredis-cli\b[^\n|;]{0,300}?\s-a\s{1,5}(?P<fourth>\S{1,200})"
        r"|\bldap\w{1,10}\b[^\n|;]{0,300}?\s-w\s{0,5}(?P<fifth>\S{1,200})"
        r"|\bsnmp\w{1,10}\b[^\n|;]{0,300}?\s-[cAX]\s{0,5}(?P<sixth>\S{1,200})"
        r"|-pass(?:in|out)\s{1,5}pass:(?P<seventh>\S{1,200})",
    ),
    # requirepass …, rocommunity …, IDENTIFIED BY '…', PASSWORD '…'
    Detector(
        ("requirepass", "masterauth", "community", "identified", "password '"),
        r"\b(?:requirepass|masterauth|r[ow]community6?)\s{1,10}(?P<secret>[^\s\"']{1,500}|\"[^\"\n]{1,500}\")"
        r"|\bidentified\s{1,5}by\s{1,5}(?P<other>'[^'\n]{1,500}'|\"[^\"\n]{1,500}\")"
        r"|\bpassword\s{1,5}(?P<third>'[^'\n]{1,500}')",
        re.IGNORECASE,
    ),
    # A line out of the middle of a PEM: as long as PEM and OpenSSH break them, and no hexadecimal digest
    Detector(
        ("",),
        r"^(?P<secret>[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{70}|[A-Za-z0-9+/]{76})$",
        re.MULTILINE,
        proof=proofs.dense,
        fits=_like_pem,
    ),
)


@cache
def compiled(place: int) -> re.Pattern[str]:
    """The pattern of `DETECTORS[place]`."""
    return re.compile(DETECTORS[place].pattern, DETECTORS[place].flags)


def fitting(text: str) -> Iterator[tuple[re.Pattern[str], Callable[[str], bool]]]:
    """The detectors that a text hints at, sharpest first, each with its proof."""
    lowered = text.lower()
    for place, detector in enumerate(DETECTORS):
        if has_one(lowered, detector.hints) and has_one(lowered, detector.marks) and detector.fits(text):
            yield compiled(place), detector.proof


def has_one(text: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 - `any` costs three times as much, and this is done for every text
        if word in text:
            return True
    return False


@cache
def _secret_name() -> re.Pattern[str]:
    return re.compile(rf"{_NAMES}$")


@lru_cache(maxsize=4096)
def names_a_secret(name: str) -> bool:
    """Whether a key holds a secret whatever its value looks like: ``db.password``, ``X-Api-Key``."""
    lowered = name.lower()
    return has_one(lowered, _NAME_HINTS) and _secret_name().search(name) is not None


@cache
def _harmless() -> re.Pattern[str]:
    return re.compile(
        r"(?:\*+|x+|\.+|\W{1,2}|<[^>]*>|\{\w*\}|\$\{?\w+\}?|\$\([^)]*\)|%\w+%"
        r"|true|false|yes|no|on|off|none|null"
        r"|(?-i:TOKEN|PASSWORD|SECRET|KEY|NAME|FILE)|required|optional|unset|empty|files|compat|prompt|env:\w+|file:/[^\s)`]+|keyring:[^\s)]+|\d{1,4}"
        r"|\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?|\{\{[^}]*\}\}"
        r"|\[redacted:\w+\])[),;.`'\"\]]{0,3}",
        re.IGNORECASE,
    )


@cache
def _prose() -> re.Pattern[str]:
    return re.compile(
        r"\b(?:an?|no|not|its|the|their|your|right|to|must|should|can|will|never)\s+[\w-]+:\s+$",
        re.IGNORECASE,
    )


def is_prose(before: str, value: str) -> bool:
    """Whether a value stands behind the end of a clause: ``it holds a password: such a file is refused``."""
    return value.isalpha() and value.islower() and _prose().search(before[-80:]) is not None


def is_harmless(value: str) -> bool:
    """Whether a value stands in the place of a secret without being one: a mask, a placeholder, a switch."""
    return _harmless().fullmatch(value) is not None
