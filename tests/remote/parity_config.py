"""Configuration files of every format, with what they include, for both faces to read."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import parity_samples

from checks.fact import Fact
from checks.facts.config import ConfigValue, SecretMatches
from checks.facts.content import ConfigState

RECORDED = Path(__file__).parents[1] / "facts/recorded/config"

_FILES = {
    "nginx.conf": "user www;\ninclude sites/*;\ninclude [^x]*.part;\n",
    "sites/a": 'server { listen 81; server_name "a b"; }\n',
    "sites/.hidden": "server { listen 82; }\n",
    "sites/b c'\"$d": "server { listen 83; }\n",
    "one.part": "worker_processes 2;\n",
    "outside.conf": "include /etc/passwd;\n",
    "postgresql.conf": "port = 1\ninclude_dir 'conf.d'\ninclude_if_exists 'nowhere'\n",
    "conf.d/b.conf": "port = 3\n",
    "conf.d/a.conf": "port = 2\n",
    "postgresql.auto.conf": "work_mem = '1MB'\n",
    "my.cnf": "[mysqld]\nport = 1\n!includedir {folder}/conf.d\n!include {folder}/extra.cnf\n",
    "conf.d/z.cnf": "[mysqld]\nmax-connections = 7\n",
    "extra.cnf": "[client]\npassword = open sesame\n",
    "sshd_config": "Include sshd_config.d/*.conf {folder}/nowhere/*.conf\nPort 22\n",
    "sshd_config.d/x.conf": "Port 2222\nMatch all\nPort 3\n",
    "a.service": "[Service]\nUser=a\nExecStart=/bin/x\n",
    "a.service.d/b.conf": "[Service]\nUser=b\n",
    "a.service.d/a.conf": "[Service]\nUser=c\nExecStart=\nExecStart=/bin/y\n",
    "locked.conf": "include locked/*;\n",
    "gbk.ini": "名 = 启动检查\n".encode("gb18030"),
    "latin.ini": b"name = caf\xe9\n",
    "utf16.ini": "name = ünï\n".encode("utf-16"),
    "bom.toml": "\ufeffa = 1\n",
}


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    """The files, a folder that only root may list, and what Debian ships."""
    del stack
    at = folder / "config"
    for name, text in _FILES.items():
        path = at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.replace("{folder}", str(at)).encode() if isinstance(text, str) else text
        path.write_bytes(data)
    (at / "locked").mkdir()
    (at / "locked/a").write_text("a b;\n")
    (at / "locked").chmod(0o700)
    (at / "secret.service.d").mkdir(mode=0o700)
    (at / "secret.service").write_text("[Service]\nUser=a\n")
    for name in ("server.xml", "web.xml"):
        shutil.copy(RECORDED / "opt/tomcat/conf" / name, at / name)
    for name in ("application.properties", "shop.toml"):
        shutil.copy(RECORDED / "opt/shop" / name, at / name)
    shutil.copy(RECORDED / "etc/shop/shop.env", at / "shop.env")
    shutil.copy(RECORDED / "etc/redis/redis.conf", at / "redis.conf")


def samples(world: parity_samples.World) -> dict[str, Fact]:
    """One or more keys of each format."""
    at = f"{world.folder}/config"
    asked = [
        *(
            ("nginx.conf", key)
            for key in ("user", "server.listen[]", "server[1].server_name", "worker_processes")
        ),
        *(("outside.conf", "a"), ("locked.conf", "a")),
        *(("postgresql.conf", key) for key in ("port[]", "work_mem", "nothing")),
        *(("my.cnf", key) for key in ("mysqld.port", "mysqld.max_connections", "client.password")),
        *(("sshd_config", key) for key in ("port", "PermitRootLogin")),
        *(("a.service", key) for key in ("Service.User", "Service.ExecStart")),
        *(("secret.service", "Service.User"),),
        *(("gbk.ini", "名"), ("latin.ini", "name"), ("utf16.ini", "name"), ("bom.toml", "a")),
        *(("server.xml", "Server/Service/Connector/@port"), ("web.xml", "web-app/extra")),
        *(("application.properties", "app.greeting"), ("shop.toml", "database.ports")),
        *(("shop.env", "GREETING"), ("shop.env", "OPTS"), ("redis.conf", "databases")),
    ]
    found: dict[str, Fact] = {
        f"ConfigValue {name} {key}": ConfigValue(f"{at}/{name}", "auto", key) for name, key in asked
    }
    return found | {
        "ConfigValue of a file that includes one elsewhere": ConfigValue(
            f"{at}/outside.conf", "nginx", "a", ("/etc",)
        ),
        "ConfigValue of a locked folder": ConfigValue(f"{at}/locked.conf", "nginx", "a"),
        "ConfigState of a unit": ConfigState(f"{at}/a.service", "auto", "Service.User"),
        "SecretMatches in an included file": SecretMatches(
            f"{at}/my.cnf", "auto", "client.password", f"file:{world.folder}/secret"
        ),
        "ConfigValue of Debian's sshd": ConfigValue("/etc/ssh/sshd_config", "auto", "UsePAM"),
        "ConfigValue of Debian's unit": ConfigValue(
            "/lib/systemd/system/ssh.service", "auto", "Service.Type"
        ),
    }
