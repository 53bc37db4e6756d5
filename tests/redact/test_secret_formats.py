"""The formats in which secrets stand in configuration, logs and command lines, each as its product writes it.

The secrets are put together here, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import string
from re import _constants, _parser  # type: ignore[attr-defined]
from time import thread_time

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.redact import Redactor
from agent.redaction.detectors import DETECTORS

PLAIN = "Zx9-hunter2"
WORD = "correcthorsebattery"
MIXED = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7j"
HEX32 = "0123456789abcdef" * 2
HEX40 = "0123456789ABCDEF0123456789ABCDEF01234567"
BASIC = base64.b64encode(b"monitor:Zx9-hunter2").decode()

PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PKCS8 = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LOCKED = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
OPENSSH = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def body_of(pem: str) -> str:
    return pem.splitlines()[1][:40]


SECRETS = {
    "JDBC with parameters": ("jdbc:postgresql://db:5432/erp?user=app&password={}", PLAIN),
    "JDBC SQL Server": ("jdbc:sqlserver://db:1433;databaseName=erp;user=sa;password={};encrypt=true", PLAIN),
    "JDBC Oracle thin": ("jdbc:oracle:thin:scott/{}@//db:1521/erp", PLAIN),
    "ODBC": ("Driver={{SQL Server}};Server=db;UID=sa;PWD={};", PLAIN),
    "ODBC in braces": ("Driver={{SQL Server}};Server=db;UID=sa;PWD={{{}}};", "a;b=c-9"),
    "ADO.NET": ("Server=db;Database=erp;User Id=sa;Password={};TrustServerCertificate=True", PLAIN),
    "libpq": ("host=db port=5432 user=app password={} dbname=erp", PLAIN),
    "libpq quoted": ("host=db password='{}' dbname=erp", "with blanks in it"),
    "AMQP": ("amqps://guest:{}@mq:5671/%2f", PLAIN),
    "Redis": ("rediss://default:{}@cache:6380/0", PLAIN),
    "MongoDB": ("mongodb+srv://app:{}@cluster0.mongo/erp?w=majority", PLAIN),
    ".pgpass": ("db.prod:5432:erp:app:{}", PLAIN),
    ".pgpass for any": ("10.0.0.5:*:*:app:{}", PLAIN),
    "htpasswd, MD5": ("admin:{}", "$apr1$0Qjd9iQ3$JpCvn0lL2PZTz0m6Hn4Hl1"),
    "htpasswd, bcrypt": ("admin:{}", "$2y$05$W4mpD6tVZfT2S8v7Ku4vWe5u0m5q5r4Yh3m8kq3yGJbq5x9b3nE9C"),
    "crypt, SHA-512": ("root:{}:19000:0:99999:7:::", "$6$saltsalt$" + MIXED * 2),
    "yescrypt": ("app:{}:19000:0", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd"),
    "LDAP": ("userPassword: {}", "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ5yZrZ"),
    "PostgreSQL md5": ("rolpassword | {}", "md5" + HEX32),
    "PostgreSQL SCRAM": ("rolpassword | {}", "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0$c3RvcmVka2V5:c2VydmVya2V5"),
    "MySQL native": ("authentication_string: {}", "*" + HEX40),
    "AWS key id": ("aws_access_key_id = {}", "AKIA" + "IOSFODNN7EXAMPLE"),
    "AWS secret key": ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"),
    "Azure storage": (
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=x",
        MIXED * 2 + "==",
    ),
    "Azure service bus": ("Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={}", MIXED + "="),
    "Azure SAS": ("https://a.blob/c?sv=2020-08-04&sig={}&se=2030", "abc%2Fdef%3D" + MIXED),
    "Slack token": ("using {} to post", "xoxb-" + "123456789012-" + MIXED),
    "Slack hook": ("POST https://hooks.slack.com/services/{}", "T00000000/B00000000/" + MIXED[:24]),
    "GitHub": ("cloned with {}", "gho_" + MIXED),
    "GitHub fine-grained": ("cloned with {}", "github_pat_" + MIXED + MIXED),
    "GitLab": ("PRIVATE-TOKEN {}", "glpat-" + MIXED[:20]),
    "GitLab runner": ("registered with {}", "glrt-" + MIXED[:24]),
    "Stripe": ("charged by {}", "sk_live_" + MIXED[:24]),
    "Google": ("maps?x={}", "AIza" + MIXED[:35]),
    "npm": ("//registry.npmjs.org/:_authToken={}", "npm_" + MIXED),
    "Vault": ("logged in with {}", "hvs." + MIXED),
    "Telegram": ("bot {} started", "123456789:" + "AA" + MIXED[:33]),
    "Aliyun AccessKey": ("AccessKeyId: {}", "LTAI5t" + MIXED[:18]),
    "Aliyun AccessKey secret": ('"AccessKeySecret": "{}"', MIXED[:30]),
    "Tencent SecretId": ("found {} in the log", "AKID" + MIXED[:32]),
    "Tencent SecretKey": ("SecretKey={}", MIXED[:32]),
    "WeCom hook": (
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={}",
        "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa",
    ),
    "DingTalk hook": ("https://oapi.dingtalk.com/robot/send?access_token={}", HEX32 + HEX32),
    "Feishu hook": (
        "https://open.feishu.cn/open-apis/bot/v2/hook/{}",
        "0a1b2c3d-1111-2222-3333-444455556666",
    ),
    "JWT": ("got {}", f"eyJ{MIXED}.eyJ{MIXED}.{MIXED}"),
    "bearer": ("Authorization: Bearer {}", MIXED),
    "bearer in a sentence": ("sent with bearer {} and refused", MIXED),
    "basic": ("Proxy-Authorization: Basic {}", BASIC),
    "basic in a sentence": ("sent with Basic {} and refused", BASIC),
    "digest scheme": ('Authorization: Digest username="a", response="{}"', HEX32),
    "AWS signature": ("authorization: AWS4-HMAC-SHA256 Credential=x, Signature={}", HEX32),
    "cookie": ("Cookie: theme=dark; JSESSIONID={}", HEX32),
    "set-cookie": ("Set-Cookie: sid={}; HttpOnly", MIXED),
    "session in a URL": ("GET /app;jsessionid={}?x=1", HEX32),
    "kubeconfig token": ("    token: {}", MIXED),
    "kubeconfig key": ("    client-key-data: {}", base64.b64encode(PKCS8.encode()).decode()),
    "a PEM in base64": ("data: {}", base64.b64encode(PKCS8.encode()).decode()),
    "PKCS#8": ("{}", PKCS8),
    "PKCS#8, locked": ("{}", LOCKED),
    "OpenSSH": ("{}", OPENSSH),
    "PGP": (
        "{}",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + MIXED + "\n-----END PGP PRIVATE KEY BLOCK-----",
    ),
    "SSH2": (
        "{}",
        f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{MIXED}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    ),
    "PuTTY": ("PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{}", MIXED),
    "one line of a key": ("{}", (MIXED * 3)[:64]),
    "mysql -p": ("mysqldump -u root -p{} erp", PLAIN),
    "sshpass": ("sshpass -p {} ssh web1", PLAIN),
    "curl -u": ("curl -s -u admin:{} https://x/", PLAIN),
    "redis-cli -a": ("redis-cli -h cache -a {} ping", PLAIN),
    "openssl": ("openssl rsa -in k.pem -passin pass:{}", PLAIN),
    "snmp": ("snmpwalk -v2c -c {} 10.0.0.1", "s3cretcommunity"),
    "an option": ("java -jar app.jar --db-password {}", PLAIN),
    "a Java property": ("java -Djavax.net.ssl.keyStorePassword={} -jar a.jar", PLAIN),
    "an environment": ("PGPASSWORD={} pg_dump erp", PLAIN),
    "redis.conf": ("requirepass {}", WORD),
    "snmpd.conf": ("rocommunity {} 10.0.0.0/8", WORD),
    "SQL": ("CREATE USER app IDENTIFIED BY '{}'", PLAIN),
    "SQL of PostgreSQL": ("ALTER ROLE app PASSWORD '{}'", PLAIN),
    "XML element": ("<password>{}</password>", PLAIN),
    "XML attribute": ('<property name="db.password" value="{}"/>', PLAIN),
    "XML property": ('<property name="db.password">{}</property>', PLAIN),
    "JSON in JSON": ('{{\\"password\\":\\"{}\\"}}', PLAIN),
    "YAML": ("spring.datasource.password: {}", PLAIN),
    "a value with commas": ("password={}", "ab,cd;ef&gh"),
    "Chinese": ("数据库密码：{}", PLAIN),
    "Chinese, halfwidth": ("口令={}", PLAIN),
}

HARMLESS = [
    "10.1.2.3", "fe80::1", "5.15.0-91-generic", "postgresql 15.4-1.pgdg120+1", "2026-01-01T12:00:00+08:00",
    "1764100000", "1764100000123", "17179869184 bytes", "pid 1386123, inode 13812345", "0x7f84d343abd0",
    "550e8400-e29b-41d4-a716-446655440000", "sha256:" + "ab" * 32, "ab" * 32,
    "d41d8cd98f00b204e9800998ecf8427e",
    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "listening on 0.0.0.0:5432 and [::]:5432",
    "/var/lib/postgresql/15/main/base/13812345678", "basic authentication is required", "bearer of good news",
    "PasswordAuthentication no", "password_encryption = scram-sha-256", "token_ttl: 30 s",
    "passwd: files systemd",
    "secret: env:DB_PASSWORD", "secret=file:/run/secrets/db)", "pass: 12, fail: 3", "password: {value}",
    "hmac-sha2-256-etm@openssh.com,curve25519-sha256@libssh.org", "user@1000.service", "getty@tty1.service",
    "postgresql://monitor@db1.acme.com:5432/erp", "ssh deploy@web1:22 via admin@bastion:22, with sudo",
    "server_tokens off", "ssl_certificate_key /etc/nginx/tls.key", "kernel.shmmax = 18446744073692774399",
    "memory 17179869184", "rx_bytes=15372894021", "00:16:3e:5e:6c:00", "12:34:56", "1.2.840.113549.1.1.11",
    "net.ipv4.ip_local_port_range = 32768 60999", "root:x:0:0:root:/root:/bin/bash", "-p 5432",
    "mysql -h db -P 3306",
    "https://collector.example:8443/runs/0190abcd-0000-7000-8000-000000000000", "UTC+8", "+0800",
    "version 4.1.1",
    "CN=db.example, O=Acme", "E: 13 of 15 replicas", "2026-11-25 19:55:54", "-----BEGIN CERTIFICATE-----",
    "Access-Control-Allow-Credentials: true", "systemd 252.17-1~deb12u1", "x86_64-linux-gnu",
    "MemTotal: 16384256 kB",
    "firstlight enrol URL --token TOKEN", "ssh-ed25519 SHA256:" + "Ab3d" * 10,
]  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_taken_out_of(kind: str) -> None:
    text, secret = SECRETS[kind]
    clean = Redactor("site").text(text.format(secret))
    for part in (secret, secret[-8:], secret[:12]):
        assert part.strip("{}") not in clean.replace("-----BEGIN", "").replace("-----END", "") or part in text
    assert "[redacted:" in clean


@pytest.mark.parametrize("kind", SECRETS)
def test_what_was_taken_out_stays_as_it_is(kind: str) -> None:
    text, secret = SECRETS[kind]
    once = Redactor("site").text(text.format(secret))
    assert Redactor("site").text(once) == once


@pytest.mark.parametrize("pem", [PKCS8, LOCKED, OPENSSH])
def test_nothing_of_a_private_key_stays(pem: str) -> None:
    assert body_of(pem) not in Redactor("site").text(f"read:\n{pem}\nend")
    assert body_of(pem) not in Redactor("site").text(" ".join(pem.split("\n")))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_machines_are_full_of_stays(text: str) -> None:
    assert Redactor("site").text(text) == text
    assert Redactor("site").text(f"it is {text} here") == f"it is {text} here"


@given(st.text(max_size=300), st.sampled_from(sorted(SECRETS)), st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_around_a_secret_is_redacted_once_and_for_all(before: str, kind: str, after: str) -> None:
    text, secret = SECRETS[kind]
    once = Redactor("site").text(f"{before}\n{text.format(secret)}\n{after}")
    assert Redactor("site").text(once) == once


ATTACKS = [
    "password", "a://", "eyJ", "-----BEGIN PRIVATE KEY-----", "a:", "$6$", "mysql ", "mysql -", "curl -u a",
    "Bearer ", "basic a", "<password", "name='password'", "?key=", "&sig=a", "cookie: ", "authorization=",
    "1", "1 ", "13", "+86 1", "a@", "a.", "@a.", "a@a.", "0755-", "4111 ", "\n", "-", "- ", " ", "\t-",
    "{SHA}",
    "LS0tLS1CRUdJTi", "A" * 64 + "\n", "::", ":1", "f:", "10.", "host.", "password=\\",
    "jdbc:oracle:thin:", "'", '"',
]  # fmt: skip


@pytest.mark.parametrize("part", ATTACKS)
def test_a_longer_hostile_text_takes_only_as_much_longer(part: str) -> None:
    def seconds(size: int) -> float:
        text = part * (size // len(part))
        began = thread_time()
        Redactor("site").text(text)
        Redactor("site").text(text + "password=")
        return thread_time() - began

    seconds(1000)
    short, long = min(seconds(8_000) for _ in range(3)), min(seconds(64_000) for _ in range(3))
    assert long < max(40 * short, 1.0), (short, long)  # eight times as long; quadratic would be 64 times


def test_every_repeat_of_a_detector_has_an_end() -> None:
    """But for the text behind the head of a private key, which is taken whole."""
    for detector in DETECTORS:
        pattern = detector.pattern.replace("|.*))", "))").replace("(?P<secret>.*)", "(?P<secret>x)")
        assert not endless(_parser.parse(pattern)), pattern


def endless(part: object) -> bool:
    """Whether a repeat without an end is anywhere in a parsed pattern."""
    if part is _constants.MAXREPEAT:
        return True
    return isinstance(part, list | tuple | _parser.SubPattern) and any(endless(each) for each in part)


def test_the_alphabet_alone_is_nothing() -> None:
    assert Redactor("site").text(string.printable) == string.printable
