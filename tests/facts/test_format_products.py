"""The files of products with what they include, as Debian ships them (below `recorded/config`)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from checks.fact import NotReadable
from checks.facts.asks import ListFolder, ReadFile
from checks.facts.config import ConfigValue, SecretMatches, Setting
from checks.facts.content import ConfigState
from checks.facts.formats import MISSING, format_of, look_up
from checks.facts.localhost import LocalHost
from checks.facts.permitted import Permitted

RECORDED = Path(__file__).parent / "recorded/config"
NGINX = "/etc/nginx/nginx.conf"
POSTGRESQL = "/etc/postgresql/15/main/postgresql.conf"
MYSQL = "/etc/mysql/my.cnf"
SSHD = "/etc/ssh/sshd_config"
UNIT = "/lib/systemd/system/ssh.service"


def read(path: str, key: str, root: Path = RECORDED, include: tuple[str, ...] = ()) -> Setting:
    """The setting, read through the guard that holds a fact to what it declared."""
    fact = ConfigValue(path, "auto", key, include)
    return fact.read(Permitted(LocalHost(str(root)), fact))


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (NGINX, "worker_processes", "auto"),
        (NGINX, "events.worker_connections", "768"),
        (NGINX, "http.ssl_protocols", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
        (NGINX, "http.types.text/html", "html htm shtml"),
        (NGINX, "http.server[1].listen", "443 ssl"),
        (NGINX, "http.server[2].listen", ["80 default_server", "[::]:80 default_server"]),
        (NGINX, "http.server.listen", ["443 ssl", "80 default_server", "[::]:80 default_server"]),
        (NGINX, "http.server[3].listen", MISSING),
        (NGINX, "http.server[0].listen", MISSING),
        (NGINX, "http.server[server_name=www.example.com].location[/api].client_max_body_size", "50m"),
        (
            NGINX,
            "http.server[server_name=www.example.com].location[/api].proxy_set_header",
            [
                "Host $host",
                "X-Real-IP $remote_addr",
                "X-Forwarded-For $proxy_add_x_forwarded_for",
                "X-Forwarded-Proto $scheme",
            ],
        ),
        (NGINX, r"http.server.location[~ \.php$].return", "404"),
        (NGINX, "http.server.add_header", "X-Note a; b { c } # d"),
        (NGINX, "http.server.set", "$x ${host}_y"),
        (NGINX, "http.upstream[app].server[]", ["10.0.0.1:8080", "10.0.0.2:8080 backup"]),
        (NGINX, "http.server[1].content_by_lua_block", ""),
        (POSTGRESQL, "port", "5432"),
        (POSTGRESQL, "PORT", "5432"),
        (POSTGRESQL, "shared_buffers", "2GB"),
        (POSTGRESQL, "shared_buffers[]", ["128MB", "2GB"]),
        (POSTGRESQL, "work_mem", "128MB"),
        (POSTGRESQL, "datestyle", "iso, mdy"),
        (POSTGRESQL, "log_line_prefix", "%m it's '%p' # no comment"),
        (POSTGRESQL, "pg_stat_statements.max", "10000"),
        (POSTGRESQL, "effective_cache_size", MISSING),
        (MYSQL, "client-server.socket", "/run/mysqld/mysqld.sock"),
        (MYSQL, "mysqld.bind_address", "127.0.0.1"),
        (MYSQL, "mysqld.character_set_server", "utf8mb4"),
        (MYSQL, "mysqld.max_connections", MISSING),
        (SSHD, "permitrootlogin", "no"),
        (SSHD, "PermitRootLogin[]", ["no", "yes"]),
        (SSHD, "Port", ["22", "2222"]),
        (SSHD, "AllowUsers", "ann lee bo"),
        (SSHD, "MaxAuthTries", "3"),
        (SSHD, "UsePAM", "yes"),
        (SSHD, "PasswordAuthentication", MISSING),
        (SSHD, "Subsystem", "sftp /usr/lib/openssh/sftp-server"),
        (UNIT, "Service.LimitNOFILE", "65536"),
        (UNIT, "Service.Environment", "LANG=C.UTF-8"),
        (UNIT, "Service.ExecStartPre", "/usr/sbin/sshd -T -f /etc/ssh/sshd_config"),
        (UNIT, "Service.ExecReload", ["/usr/sbin/sshd -t", "/bin/kill -HUP $MAINPID"]),
        (UNIT, "Service.TasksMax", MISSING),
        (UNIT, "Install.Alias", "sshd.service"),
        (UNIT, "Service.KillMode", "process"),
        ("/etc/redis/redis.conf", "databases", "16"),
        ("/etc/redis/redis.conf", "TCP-backlog", "511"),
        ("/etc/default/grub", "GRUB_TIMEOUT", "5"),
        ("/etc/default/rsync", "RSYNC_OPTS", ""),
        ("/etc/shop/shop.env", "DB_HOST", "db2"),
        ("/etc/shop/shop.env", "DB_HOST[]", ["db1", "db2"]),
        ("/etc/shop/shop.env", "DB_PORT", "5432"),
        ("/etc/shop/shop.env", "GREETING", 'hello "$USER" \\ it\'s'),
        ("/etc/shop/shop.env", "MULTI", "one\ntwo"),
        ("/etc/shop/shop.env", "EMPTY", ""),
        ("/etc/shop/shop.env", "URL", "http://x/#top"),
        ("/etc/shop/shop.env", "MODE", "live"),
        ("/etc/shop/shop.env", "DIR", "$(dirname $0)/x"),
        ("/etc/shop/shop.env", "NOTHING", MISSING),
        ("/opt/shop/application.properties", "server.port", "8080"),
        ("/opt/shop/application.properties", "server.servlet.context-path", "/shop"),
        ("/opt/shop/application.properties", "spring.application.name", "shop"),
        ("/opt/shop/application.properties", "spring.profiles.active", "prod,metrics"),
        ("/opt/shop/application.properties", "app.greeting", "你好 😀"),
        ("/opt/shop/application.properties", "app.path", r"C:\shop\data"),
        ("/opt/shop/application.properties", "key with blanks:=", "value"),
        ("/opt/shop/application.properties", "app.servers[1]", "b"),
        ("/opt/shop/application.properties", "empty", ""),
        ("/opt/shop/application.properties", "alone", ""),
        ("/opt/shop/application.properties", "logging.level.root", "WARN"),
        ("/opt/shop/application.properties", "logging.level.root[]", ["INFO", "WARN"]),
        ("/opt/shop/shop.toml", "database.ports", [8000, 8001]),
        ("/opt/shop/shop.toml", "database.ports[1]", 8001),
        ("/opt/shop/shop.toml", "database.connection_max", 5000),
        ("/opt/shop/shop.toml", "database.since", "2024-05-27 07:32:00+00:00"),
        ("/opt/shop/shop.toml", "database.ratio", "inf"),
        ("/opt/shop/shop.toml", "database.enabled", True),
        ("/opt/shop/shop.toml", "servers.alpha.ip[]", ["10.0.0.1"]),
        ("/opt/shop/shop.toml", "products[1].name", "Nail"),
        ("/opt/tomcat/conf/server.xml", "Server/@port", "8005"),
        ("/opt/tomcat/conf/server.xml", "Server/Service/Connector[2]/@port", "8443"),
        ("/opt/tomcat/conf/server.xml", "Server/Service/Connector/@port", ["8080", "8443"]),
        ("/opt/tomcat/conf/server.xml", "Server/Service/Connector[@port=8443]/@SSLEnabled", "true"),
        ("/opt/tomcat/conf/server.xml", "Server/Service/Connector[3]/@port", MISSING),
        ("/opt/tomcat/conf/server.xml", "Server/*/Engine/Host/@appBase", "webapps"),
        (
            "/opt/tomcat/conf/server.xml",
            "Server/GlobalNamingResources/Resource[@name=jdbc/shop]/@maxTotal",
            "50",
        ),
        ("/opt/tomcat/conf/web.xml", "web-app/session-config/session-timeout", "30"),
        ("/opt/tomcat/conf/web.xml", "web-app/context-param[param-name=mode]/param-value", "live"),
        ("/opt/tomcat/conf/web.xml", "web-app/extra", "a < b"),
        ("/opt/tomcat/conf/web.xml", "web-app/extra/@level", "2"),
    ],
)
def test_a_key_is_found_in_a_real_file(path: str, key: str, value: Any) -> None:
    assert read(path, key) == (Setting(False) if value is MISSING else Setting(True, value))


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/etc/shop/shop.env", "DB_PASSWORD"),
        ("/opt/shop/application.properties", "spring.datasource.password"),
        ("/opt/shop/shop.toml", "database.password"),
        ("/opt/tomcat/conf/server.xml", "Server/GlobalNamingResources/Resource/@password"),
        (
            "/opt/tomcat/conf/server.xml",
            "Server/Service/Connector/SSLHostConfig/Certificate/@certificateKeystorePassword",
        ),
        ("/opt/tomcat/conf/web.xml", "web-app/context-param[param-name=db.password]/param-value"),
    ],
)
def test_a_secret_is_seen_in_every_format_and_kept_from_none(path: str, key: str) -> None:
    assert read(path, key) == Setting(True, withheld=True)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (
            "/opt/shop/application.properties",
            "spring.datasource.url",
            "jdbc:postgresql://app:***@db1:5432/shop",
        ),
        (
            "/opt/tomcat/conf/server.xml",
            "Server/GlobalNamingResources/Resource/@url",
            "jdbc:postgresql://db1:5432/shop?user=shop&password=***",
        ),
    ],
)
def test_a_password_within_a_value_is_masked(path: str, key: str, value: str) -> None:
    assert read(path, key).value == value


@pytest.mark.parametrize(
    ("format", "text", "key"),
    [
        ("systemd", "[Service]\nEnvironment=DB_PASSWORD=hunter2\n", "Service.Environment"),
        ("systemd", '[Service]\nEnvironment="A=1" "API_TOKEN=hunter2"\n', "Service.Environment"),
        ("env", "JAVA_OPTS='-Xmx1g -Dkeystore.pass=hunter2'\n", "JAVA_OPTS"),
        ("keyvalue", "requirepass hunter2\n", "requirepass"),
        ("keyvalue", "masterauth hunter2\n", "masterauth"),
    ],
)
def test_a_secret_that_a_value_assigns_is_withheld(tmp_path: Path, format: str, text: str, key: str) -> None:
    (tmp_path / "file").write_text(text)
    fact = ConfigValue(str(tmp_path / "file"), format, key)
    assert fact.read(LocalHost()) == Setting(True, withheld=True)


@pytest.mark.parametrize(
    ("format", "text", "key", "value"),
    [
        ("nginx", "ssl_certificate_key /etc/ssl/shop.key;", "ssl_certificate_key", "/etc/ssl/shop.key"),
        ("sshd", "HostKey /etc/ssh/ssh_host_rsa_key\n", "HostKey", "/etc/ssh/ssh_host_rsa_key"),
        ("nginx", "ssl_certificate_key data:abc;", "ssl_certificate_key", None),
        ("nginx", "http { server_tokens off; }", "http.server_tokens", "off"),
        ("nginx", "http { proxy_pass http://app:8069; }", "http.proxy_pass", "http://app:8069"),
        ("nginx", "http { proxy_pass http://a:b@app/; }", "http.proxy_pass", "http://a:***@app/"),
        ("nginx", "http { fastcgi_pass 127.0.0.1:9000; }", "http.fastcgi_pass", "127.0.0.1:9000"),
        ("nginx", "http { smtp_pass hunter2; }", "http.smtp_pass", None),
        ("keyvalue", "proxy_pass hunter2\n", "proxy_pass", None),
        ("keyvalue", "api_key /9j4AAQSkZJRgABAQ\n", "api_key", None),
        ("keyvalue", "api_key abc.key\n", "api_key", None),
        ("keyvalue", "password /etc/ssl/shop.key\n", "password", None),
    ],
)
def test_what_is_only_called_like_a_secret_is_kept_and_all_else_is_not(
    tmp_path: Path, format: str, text: str, key: str, value: str | None
) -> None:
    (tmp_path / "file").write_text(text)
    seen = ConfigValue(str(tmp_path / "file"), format, key).read(LocalHost())
    assert seen == Setting(True, value, withheld=value is None)


def test_a_secret_is_compared_in_an_included_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.cnf").write_text(f"[client]\nuser = a\n!include {tmp_path}/secret.cnf\n")
    (tmp_path / "secret.cnf").write_text("[client]\npassword = hunter2\n")
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    fact = SecretMatches(f"{tmp_path}/my.cnf", "auto", "client.password", "env:DB_PASSWORD")
    assert fact.read(Permitted(LocalHost(), fact)) is True


def test_what_may_be_read_is_said_before() -> None:
    assert ConfigValue(NGINX, "auto", "user", ("/srv/conf",)).asks() == (
        ReadFile(NGINX),
        ListFolder("/etc/nginx"),
        ListFolder("/etc/nginx/<folder>"),
        ReadFile("/etc/nginx/<included file>"),
        ListFolder("/usr/share/nginx/modules"),
        ListFolder("/usr/share/nginx/modules/<folder>"),
        ReadFile("/usr/share/nginx/modules/<included file>"),
        ListFolder("/srv/conf"),
        ListFolder("/srv/conf/<folder>"),
        ReadFile("/srv/conf/<included file>"),
    )
    assert (
        ReadFile("/<data directory>/postgresql.auto.conf") in ConfigValue(POSTGRESQL, "auto", "port").asks()
    )
    assert ConfigValue("/etc/app.ini", "auto", "a").asks() == (ReadFile("/etc/app.ini"),)
    assert ConfigValue("C:\\nginx\\nginx.conf", "auto", "a").asks() == (ReadFile("C:\\nginx\\nginx.conf"),)


@pytest.mark.parametrize("path", ["/nginx.conf", "/etc/nginx.conf", "/etc/my.cnf", "/tmp/postgresql.conf"])
def test_a_folder_that_is_everybodys_is_never_opened_as_a_whole(path: str) -> None:
    asked = ConfigValue(path, "auto", "a").asks()[1:]
    opened = {ask.path.rpartition("/")[0] for ask in asked if isinstance(ask, ReadFile)}
    listed = {ask.path for ask in asked if isinstance(ask, ListFolder)}
    assert opened <= {"/etc/my.cnf.d", "/etc/mysql", "/<data directory>", "/usr/share/nginx/modules"}
    assert listed.isdisjoint({"", "/", "/etc", "/tmp"})


def test_the_private_keys_of_sshd_are_not_among_what_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "etc/ssh/sshd_config").write_text("Include ssh_host_rsa_key\n")
    (tmp_path / "etc/ssh/ssh_host_rsa_key").write_text("secret\n")
    with pytest.raises(NotReadable) as refused:
        read(SSHD, "Port", tmp_path)
    assert refused.value.cause == "not-approved"


def test_a_units_drop_ins_are_looked_for_where_systemd_does() -> None:
    asks = ConfigValue("/lib/systemd/system/shop-web@a.service", "auto", "Service.User").asks()
    listed = [ask.path for ask in asks if isinstance(ask, ListFolder)]
    assert listed[:2] == [
        "/etc/systemd/system/shop-web@a.service.d",
        "/run/systemd/system/shop-web@a.service.d",
    ]
    assert "/etc/systemd/system/shop-web@.service.d" in listed
    assert "/etc/systemd/system/shop-.service.d" in listed
    assert "/etc/systemd/system/service.d" in listed


def test_what_lies_outside_is_read_only_where_it_was_named(tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "srv/conf").mkdir(parents=True)
    (tmp_path / "srv/conf/a.conf").write_text("server { listen 81; }")
    (tmp_path / "etc/nginx/conf.d/outside.conf").write_text("include /srv/conf/a.conf;\n")
    with pytest.raises(NotReadable) as refused:
        read(NGINX, "http.server.listen", tmp_path)
    assert refused.value.cause == "not-approved"
    assert str(refused.value) == (
        "/etc/nginx/conf.d/outside.conf:1 includes /srv/conf/a.conf, which lies outside the folders of the "
        "plan; name its folder in `include`"
    )
    assert "81" in str(read(NGINX, "http.server.listen", tmp_path, ("/srv/conf",)).value)


@pytest.mark.parametrize("way_out", ["../../shadow", "/etc/nginx/../shadow", "/etc/nginx/*/../../shadow"])
def test_dots_lead_nowhere(tmp_path: Path, way_out: str) -> None:
    (tmp_path / "etc/nginx/x").mkdir(parents=True)
    (tmp_path / "etc/shadow").write_text("a b;")
    (tmp_path / "etc/nginx/nginx.conf").write_text(f"include {way_out};\n")
    with pytest.raises(NotReadable) as refused:
        read(NGINX, "a", tmp_path)
    assert refused.value.cause == "not-approved"


@pytest.mark.parametrize(
    ("main", "text", "other", "said", "key", "value"),
    [
        (
            "/etc/nginx/nginx.conf",
            "include /usr/share/nginx/modules/*.conf;\n",
            "/usr/share/nginx/modules/mod-stream.conf",
            'load_module "/usr/lib64/nginx/modules/ngx_stream_module.so";\n',
            "load_module",
            "/usr/lib64/nginx/modules/ngx_stream_module.so",
        ),
        (
            "/etc/ssh/sshd_config",
            "Include /etc/crypto-policies/back-ends/opensshserver.config\n",
            "/etc/crypto-policies/back-ends/opensshserver.config",
            "Ciphers aes256-gcm@openssh.com,aes256-ctr\n",
            "Ciphers",
            "aes256-gcm@openssh.com,aes256-ctr",
        ),
        (
            "/etc/my.cnf",
            "[client-server]\n!includedir /etc/my.cnf.d\n",
            "/etc/my.cnf.d/server.cnf",
            "[mysqld]\nmax_connections=500\n",
            "mysqld.max-connections",
            "500",
        ),
    ],
)
def test_what_red_hat_includes_from_elsewhere_is_read(
    tmp_path: Path, main: str, text: str, other: str, said: str, key: str, value: str
) -> None:
    for path, content in ((main, text), (other, said)):
        file = tmp_path / path[1:]
        file.parent.mkdir(parents=True)
        file.write_text(content)
    assert read(main, key, tmp_path).value == value


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "etc/nginx").mkdir(parents=True)
    for name, other in (("nginx.conf", "b.conf"), ("b.conf", "nginx.conf")):
        (tmp_path / "etc/nginx" / name).write_text(f"include {other};\n")
    with pytest.raises(NotReadable, match="more than 10 deep") as refused:
        read(NGINX, "a", tmp_path)
    assert refused.value.cause == "parse"


def test_more_files_than_can_be_meant_are_refused(tmp_path: Path) -> None:
    (tmp_path / "etc/nginx/d").mkdir(parents=True)
    (tmp_path / "etc/nginx/nginx.conf").write_text("include d/*;\n")
    for number in range(201):
        (tmp_path / f"etc/nginx/d/{number}").write_text("a b;")
    with pytest.raises(NotReadable, match="more than 200 files") as refused:
        read(NGINX, "a", tmp_path)
    assert refused.value.cause == "too-large"


def test_an_included_file_that_is_missing_is_not_the_file_that_is(tmp_path: Path) -> None:
    (tmp_path / "etc/nginx").mkdir(parents=True)
    (tmp_path / "etc/nginx/nginx.conf").write_text("user a;\ninclude gone.conf;\n")
    fact = ConfigState(NGINX, "auto", "user")
    with pytest.raises(NotReadable, match=r"nginx\.conf:2 includes /etc/nginx/gone\.conf") as problem:
        fact.read(Permitted(LocalHost(str(tmp_path)), fact))
    assert problem.value.cause == "failed"


def test_postgresql_passes_over_what_need_not_exist(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/postgresql.conf").write_text("include_if_exists 'gone.conf'\nport = 1\n")
    assert read("/data/postgresql.conf", "port", tmp_path).value == "1"


def test_an_include_is_not_readable_where_only_a_text_is_given() -> None:
    with pytest.raises(NotReadable) as problem:
        look_up("include x.conf;", "nginx", "a", NGINX)
    assert problem.value.cause == "unsupported"


def test_an_option_that_goes_on_in_bare_words_is_not_guessed() -> None:
    for key in ("OPTS", "LANG"):
        with pytest.raises(NotReadable, match=f"{key} goes on after a blank") as problem:
            read("/etc/shop/shop.env", key)
        assert problem.value.cause == "parse"


@pytest.mark.parametrize(
    ("format", "text", "where"),
    [
        ("nginx", "a b;\nc {\n", "/etc/app:3"),
        ("nginx", "a b;\n}\n", "/etc/app:2"),
        ("nginx", "a 'b;\n", "/etc/app:1"),
        ("postgresql", "a = 1\n= 2\n", "/etc/app:2"),
        ("postgresql", "a = 'b\n", "/etc/app:1"),
        ("mysql", "[a]\nb\n[c\n", "/etc/app:3"),
        ("mysql", "b = 1\n", "/etc/app:1"),
        ("sshd", "Port 22\n=\n", "/etc/app:2"),
        ("sshd", 'Port 22\nBanner "x\n', "/etc/app:2"),
        ("systemd", "[Service]\nExecStart\n", "/etc/app:2"),
        ("systemd", "A=b\n", "/etc/app:1"),
        ("env", "A=1\nB='2\n", "/etc/app:2"),
        ("properties", "a=1\nb=\\u12\n", "/etc/app:2"),
        ("toml", "a = 1\nb = \n", "/etc/app:2"),
        ("toml", "a = 1\nb = [", "/etc/app:2"),
        ("xml", "<a>\n<b>\n</a>", "/etc/app:3"),
        ("xml", '<!DOCTYPE a [<!ENTITY b "c">]>\n<a>&b;</a>', "/etc/app:1"),
        ("xml", "", "/etc/app:1"),
    ],
)
def test_a_mistake_names_its_line(format: str, text: str, where: str) -> None:
    with pytest.raises(NotReadable) as problem:
        look_up(text, format, "a", "/etc/app")
    assert problem.value.cause == "parse"
    assert str(problem.value).startswith(where + ": ")


def test_an_xml_file_cannot_make_itself_large_or_fetch_anything(tmp_path: Path) -> None:
    """The well-known ways: entities that grow, and an entity that is a file of the machine."""
    (tmp_path / "secret").write_text("hunter2")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    for subset in (f'<!ENTITY l0 "ha">{laughs}', f'<!ENTITY l9 SYSTEM "file://{tmp_path}/secret">'):
        with pytest.raises(NotReadable, match="entit"):
            look_up(f"<!DOCTYPE a [{subset}]><a>&l9;</a>", "xml", "a", "/a.xml")
    outside = f'<!DOCTYPE a SYSTEM "file://{tmp_path}/secret"><a>b</a>'
    assert look_up(outside, "xml", "a", "/a.xml") == "b"


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("/etc/my.cnf", "mysql"),
        ("/etc/my.cnf.d/server.cnf", "mysql"),
        ("/etc/ssl/openssl.cnf", "ini"),
        ("/usr/local/nginx/conf/nginx.conf", "nginx"),
        ("/etc/nginx/sites-enabled/shop", "nginx"),
        ("/etc/sysctl.d/99-shop.conf", "keyvalue"),
        ("/etc/default/grub", "env"),
        ("/srv/shop/.env", "env"),
        ("/srv/shop/prod.env", "env"),
        ("/etc/os-release", "env"),
        ("/etc/systemd/system/shop.service", "systemd"),
        ("/opt/app/conf/server.xml", "xml"),
        ("C:\\app\\application.properties", "properties"),
        ("/etc/app.conf", "ini"),
        ("/etc/app", "ini"),
        ("/etc/app.YML", "yaml"),
    ],
)
def test_the_format_is_told_from_the_name(path: str, format: str) -> None:
    assert format_of(path) == format
