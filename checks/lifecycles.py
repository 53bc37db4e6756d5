"""When releases of operating systems end: the last day of security fixes that need no extra contract.

A table as of `AS_OF`, kept by hand; makers' pages are in `SOURCES`. Where a page names only a month the last
day of it stands here. A distribution whose maker publishes no dates (Kylin, UOS) is not in it.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

AS_OF: Final = date(2026, 11, 25)

SOURCES: Final = {
    "debian": "https://wiki.debian.org/LTS",
    "ubuntu": "https://ubuntu.com/about/release-cycle",
    "rhel": "https://access.redhat.com/support/policy/updates/errata",
    "centos": "https://www.centos.org/cl-vs-cs/",
    "rocky": "https://wiki.rockylinux.org/rocky/version/",
    "almalinux": "https://wiki.almalinux.org/release-notes/",
    "ol": "https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf",
    "fedora": "https://fedorapeople.org/groups/schedule/",
    "amzn": "https://aws.amazon.com/linux/amazon-linux-2023/faqs/",
    "sles": "https://www.suse.com/lifecycle",
    "opensuse-leap": "https://en.opensuse.org/Lifetime",
    "alpine": "https://alpinelinux.org/releases/",
    "openeuler": "https://www.openeuler.org/en/download/archive/",
    "anolis": "https://gitee.com/anolis/rnotes/blob/master/anolis/policy/life-cycle.md",
    "windows": "https://learn.microsoft.com/lifecycle/products/",
}

_ENDS: Final = {
    "debian": {"9": "2022-06-30", "10": "2024-06-30", "11": "2026-08-31", "12": "2028-06-30"}
    | {"13": "2030-06-30"},
    "ubuntu": {"16.04": "2021-04-30", "18.04": "2023-05-31", "20.04": "2025-05-31", "22.04": "2027-04-30"}
    | {"24.04": "2029-05-31", "24.10": "2025-07-10", "25.04": "2026-01-17", "25.10": "2026-07-31"}
    | {"26.04": "2031-04-30"},
    "rhel": {"6": "2020-11-30", "7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31"}
    | {"10": "2035-05-31"},
    # Both CentOS Linux 8 and the Stream of that number call themselves 8; the later end stands here.
    "centos": {"6": "2020-11-30", "7": "2024-06-30", "8": "2024-05-31", "9": "2027-05-31"}
    | {"10": "2030-01-01"},
    "rocky": {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "almalinux": {"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"},
    "ol": {"6": "2021-03-31", "7": "2024-12-31", "8": "2029-07-31", "9": "2032-06-30", "10": "2035-06-30"},
    "fedora": {"39": "2024-11-26", "40": "2025-05-13", "41": "2025-12-15", "42": "2026-05-13"}
    | {"43": "2026-12-09"},
    "amzn": {"2": "2026-06-30", "2018.03": "2023-12-31", "2023": "2029-06-30"},
    "sles": {"12.5": "2024-10-31", "15.3": "2022-12-31", "15.4": "2023-12-31", "15.5": "2024-12-31"}
    | {"15.6": "2025-12-31", "15.7": "2031-07-31", "16.0": "2027-11-30"},
    "opensuse-leap": {"15.4": "2023-12-07", "15.5": "2024-12-31", "15.6": "2026-04-30"}
    | {"16.0": "2027-10-31"},
    "alpine": {"3.16": "2024-05-23", "3.17": "2024-11-22", "3.18": "2025-05-09", "3.19": "2025-11-01"}
    | {"3.20": "2026-04-01", "3.21": "2026-11-01", "3.22": "2027-05-01", "3.23": "2027-11-01"},
    # Every service pack has an end of its own; os-release tells the pack in its names only.
    "openeuler": {"20.03": "2021-03-31", "20.03-sp1": "2022-12-31", "20.03-sp2": "2022-04-30"}
    | {"20.03-sp3": "2023-12-31", "20.03-sp4": "2025-11-30", "22.03": "2024-03-31"}
    | {"22.03-sp1": "2024-12-31", "22.03-sp2": "2024-03-31", "22.03-sp3": "2025-12-31"}
    | {"22.03-sp4": "2026-06-30", "24.03": "2026-05-31", "24.03-sp1": "2026-12-31"}
    | {"24.03-sp2": "2026-03-31", "24.03-sp3": "2027-12-31", "24.03-sp4": "2027-03-31"}
    | {"24.09": "2025-03-31", "25.03": "2025-09-30", "25.09": "2026-03-31", "26.09": "2027-03-31"},
    "anolis": {"8": "2031-03-31"},
    # As Python's platform.release() names them; the end is that of extended support.
    "windows": {"2012server": "2023-10-10", "2012serverr2": "2023-10-10", "2016server": "2027-01-12"}
    | {"2019server": "2029-01-09", "2022server": "2031-10-14", "2025server": "2034-10-10"},
}


def end_of_life(id: str, version: str, name: str = "") -> date | None:
    """The last day of fixes of a release, or None where the table does not know it.

    `id` and `version` are as os-release(5) gives them, `name` is the pretty name. A version is looked up as
    it is and then by fewer and fewer of its parts: 9.3 is 9, but 15.6 is never 15.
    """
    ends = _ENDS.get(id.lower())
    if ends is None:
        return None
    parts = version.lower().split(".")
    pack = re.search(r"\bsp(\d)\b", name.lower().replace("-", " ")) if id.lower() == "openeuler" else None
    if pack:
        parts = [*parts[:-1], f"{parts[-1]}-sp{pack[1]}"]
    for length in range(len(parts), 0, -1):
        found = ends.get(".".join(parts[:length]))
        if found:
            return date.fromisoformat(found)
    return None
