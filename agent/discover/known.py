"""Products that are known by what they leave on a machine: names of processes, services, packages and Java
programs, and where their configuration is.

Names are those that the makers' and the distributions' packages use.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec


class Product(msgspec.Struct, frozen=True):
    """How a product is told. It runs where one of its `processes` does, or one of its `services`, or a Java
    program that `java` fits, or a process with arguments that fit (`arguments`: name and regular expression).

    `packages` fit the whole name of a package; `profile` is our role profile, if there is one; `configs` are
    paths that may hold patterns. `ports` are those it listens on for good, whatever the kernel's range.
    """

    name: str
    processes: tuple[str, ...] = ()
    java: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    services: str = ""
    packages: str = ""
    profile: str = ""
    configs: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()

    def has_service(self, name: str) -> bool:
        """Whether a service of that name is this product's."""
        return bool(self.services) and re.fullmatch(self.services, name) is not None

    def has_package(self, name: str) -> bool:
        """Whether a package of that name is this product's."""
        return bool(self.packages) and re.fullmatch(self.packages, name) is not None


PRODUCTS: Final[tuple[Product, ...]] = (
    Product(
        "PostgreSQL",
        ("postgres", "postmaster"),
        services=r"postgresql([@-].*)?",
        packages=r"postgresql(-?\d+(\.\d+)?)?(-server)?|postgresql\d*-server|timescaledb.*",
        profile="db-postgresql",
        configs=(
            "/etc/postgresql/*/*/postgresql.conf",
            "/etc/postgresql/*/*/pg_hba.conf",
            "/var/lib/pgsql/data/postgresql.conf",
            "/var/lib/pgsql/data/pg_hba.conf",
            "/var/lib/pgsql/*/data/postgresql.conf",
            "/var/lib/pgsql/*/data/pg_hba.conf",
        ),
        ports=(5432,),
    ),
    Product(
        "MySQL or MariaDB",
        ("mysqld", "mariadbd"),
        services=r"mysqld?|mariadb",
        packages=r"(mysql|mariadb)(-community)?-server(-\d[\d.]*)?",
        profile="db-mysql",
        configs=("/etc/my.cnf", "/etc/my.cnf.d/*.cnf", "/etc/mysql/my.cnf", "/etc/mysql/*.conf.d/*.cnf"),
        ports=(3306, 33060),
    ),
    Product(
        "Redis",
        ("redis-server", "valkey-server"),
        services=r"(redis|valkey)(-server)?(@.*)?",
        packages=r"(redis|valkey)(-server)?|redis-sentinel",
        profile="cache-redis",
        configs=("/etc/redis/*.conf", "/etc/redis.conf", "/etc/valkey/*.conf"),
        ports=(6379,),
    ),
    Product(
        "RabbitMQ",
        arguments=(("beam.smp", "rabbit"),),
        services=r"rabbitmq-server",
        packages=r"rabbitmq-server",
        profile="queue-rabbitmq",
        configs=(
            "/etc/rabbitmq/rabbitmq.conf",
            "/etc/rabbitmq/conf.d/*.conf",
            "/etc/rabbitmq/enabled_plugins",
        ),
        ports=(5672, 15672, 25672),
    ),
    Product(
        "nginx",
        ("nginx",),
        services=r"nginx",
        packages=r"nginx(-core|-full|-light|-extras)?",
        profile="web-nginx",
        configs=(
            "/etc/nginx/nginx.conf",
            "/etc/nginx/conf.d/*.conf",
            "/etc/nginx/sites-enabled/*",
        ),
    ),
    Product(
        "Apache",
        ("apache2", "httpd", "httpd-prefork"),
        services=r"apache2|httpd",
        packages=r"apache2|httpd",
        configs=(
            "/etc/apache2/apache2.conf",
            "/etc/apache2/httpd.conf",
            "/etc/apache2/sites-enabled/*",
            "/etc/apache2/vhosts.d/*.conf",
            "/etc/httpd/conf/httpd.conf",
            "/etc/httpd/conf.d/*.conf",
        ),
    ),
    Product(
        "HAProxy",
        ("haproxy",),
        services=r"haproxy",
        packages=r"haproxy",
        configs=("/etc/haproxy/haproxy.cfg",),
    ),
    Product(
        "Tomcat",
        java=r"org[.]apache[.]catalina[.]startup[.]Bootstrap",
        services=r"tomcat\d*(@.*)?",
        packages=r"tomcat\d*",
        profile="app-server-jvm",
        configs=("/etc/tomcat*/server.xml",),
    ),
    Product(
        "Odoo",
        ("odoo", "odoo-bin", "openerp-server"),
        arguments=(("python3", r"odoo(-bin)?\b"),),
        services=r"odoo(-server)?",
        packages=r"odoo",
        profile="odoo",
        configs=("/etc/odoo/odoo.conf", "/etc/odoo.conf"),
    ),
    Product(
        "ERPNext (Frappe)",
        arguments=(("gunicorn", r"frappe[.]app"), ("python3", r"frappe[.]app|frappe[.]utils[.]bench_helper")),
        services=r"frappe.*",
        profile="erpnext",
    ),
    Product(
        "SAP HANA",
        ("hdbnameserver", "hdbindexserver", "hdbdaemon"),
        services=r"sapinit|SAP[A-Z][A-Z0-9]{2}_\d\d",
        configs=("/hana/shared/*/global/hdb/custom/config/global.ini",),
        ports=(30013, 30015, 50013, 50014),
    ),
    Product(
        "Oracle Database",
        ("tnslsnr",),
        services=r"oracle.*|dbora",
        packages=r"oracle-database-.*",
        configs=("/etc/oratab",),
        ports=(1521,),
    ),
    Product(
        "SQL Server",
        ("sqlservr",),
        services=r"mssql-server",
        packages=r"mssql-server(-.*)?",
        configs=("/var/opt/mssql/mssql.conf",),
        ports=(1433,),
    ),
    Product(
        "MongoDB",
        ("mongod", "mongos"),
        services=r"mongo[ds]",
        packages=r"mongodb-(org|enterprise)(-server)?",
        configs=("/etc/mongod.conf",),
        ports=(27017,),
    ),
    Product(
        "Elasticsearch or OpenSearch",
        java=r"org[.](elasticsearch|opensearch)[.].*",
        arguments=(("java", r"org[.](elasticsearch|opensearch)[./]"),),
        services=r"elasticsearch|opensearch",
        packages=r"elasticsearch|opensearch",
        configs=(
            "/etc/elasticsearch/elasticsearch.yml",
            "/etc/elasticsearch/jvm.options",
            "/etc/opensearch/opensearch.yml",
        ),
        ports=(9200, 9300),
    ),
    Product(
        "Kafka",
        java=r"kafka[.]Kafka",
        services=r"(confluent-)?kafka|confluent-server",
        packages=r"confluent-(kafka|server)",
        profile="app-server-jvm",
        configs=("/etc/kafka/server.properties",),
        ports=(9092,),
    ),
    Product(
        "ZooKeeper",
        java=r"org[.]apache[.]zookeeper[.]server[.].*",
        services=r"(confluent-)?zookeeper",
        packages=r"zookeeperd?",
        profile="app-server-jvm",
        configs=("/etc/zookeeper/conf/zoo.cfg", "/etc/kafka/zookeeper.properties"),
        ports=(2181,),
    ),
    Product(
        "Docker",
        ("dockerd",),
        services=r"docker",
        packages=r"docker(-ce|[.]io|-engine)?|moby-engine",
        configs=("/etc/docker/daemon.json",),
    ),
    Product(
        "Kubernetes node",
        ("kubelet",),
        services=r"kubelet|k3s(-agent)?|rke2-(server|agent)",
        packages=r"kubelet",
        configs=("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf"),
        ports=(10250,),
    ),
    Product(
        "OpenSSH",
        ("sshd",),
        services=r"sshd?",
        packages=r"openssh-server|openssh",
        configs=("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"),
    ),
)

TLS_PORTS: Final = frozenset(
    {443, 465, 636, 853, 990, 993, 995, 2376, 5671, 5986, 6443, 8443, 8883, 9443, 10250}
)
"""Ports where TLS begins with the first byte (IANA's registry, and what the products above use)."""

WEB_SERVERS: Final = frozenset(
    {"nginx", "apache2", "httpd", "httpd-prefork", "haproxy", "envoy", "traefik", "caddy"}
)
"""Programs that speak TLS on any port they like."""
