"""Programs that are known to get into the way of others: scanners that open every file, agents that put
configuration back, updaters that restart services at night.

The list is dated: it says what such programs were called when it was written, and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, ListProcesses, ReadFile
from checks.facts.host import MOUNT_TABLE

if TYPE_CHECKING:
    from checks.facts.host import Host

AS_OF: Final = "2026-11"

Kind = Literal["antivirus", "edr", "configuration", "update"]

PROGRAMS: Final[dict[tuple[str, Kind], tuple[str, ...]]] = {
    ("ClamAV", "antivirus"): ("clamd", "clamonacc"),
    ("Sophos", "antivirus"): ("savd", "savscand", "SophosScanD", "sophos_managementagent"),
    ("Trend Micro Deep Security", "antivirus"): ("ds_agent", "ds_am"),
    ("Kaspersky Endpoint Security", "antivirus"): ("kesl", "avp.exe"),
    ("ESET", "antivirus"): ("oaeventd", "egui.exe", "ekrn.exe"),
    ("Trellix (McAfee)", "antivirus"): ("mfetpd", "masvc", "mcshield.exe", "mfetp.exe"),
    ("Symantec Endpoint Protection", "antivirus"): ("rtvscand", "sisamddaemon", "ccSvcHst.exe"),
    ("Microsoft Defender", "antivirus"): ("wdavdaemon", "mdatp", "MsMpEng.exe", "MsSense.exe"),
    ("Bitdefender", "antivirus"): ("bdsecd", "bdsrvscand", "EPSecurityService.exe"),
    ("CrowdStrike Falcon", "edr"): ("falcon-sensor", "CSFalconService.exe"),
    ("SentinelOne", "edr"): ("s1-agent", "s1-orchestrator", "SentinelAgent.exe"),
    ("Carbon Black", "edr"): ("cbagentd", "cbdaemon", "RepMgr.exe"),
    ("Cortex XDR", "edr"): ("pmd", "traps_pmd", "cyserver.exe"),
    ("Tanium", "edr"): ("taniumclient", "TaniumClient.exe"),
    ("Alibaba Cloud Security Centre", "edr"): ("AliYunDun", "AliYunDunMonitor"),
    ("Tencent Cloud Host Security", "edr"): ("YDService", "YDLive"),
    ("Huawei Host Security Service", "edr"): ("hostguard", "hostwatch"),
    ("Puppet", "configuration"): ("puppet", "puppet-agent", "puppet.exe"),
    ("Chef", "configuration"): ("chef-client", "cinc-client", "chef-client.exe"),
    ("Salt", "configuration"): ("salt-minion", "salt-minion.exe"),
    ("CFEngine", "configuration"): ("cf-execd", "cf-agent"),
    ("Rudder", "configuration"): ("rudder-agent",),
    ("Unattended upgrades", "update"): ("unattended-upgr", "unattended-upgrade"),
    ("PackageKit", "update"): ("packagekitd",),
    ("dnf-automatic", "update"): ("dnf-automatic",),
    ("yum-cron", "update"): ("yum-cron", "yum-updatesd"),
    ("Windows Update", "update"): ("TiWorker.exe", "usoclient.exe"),
}


class Found(msgspec.Struct, frozen=True):
    """A product that runs, and the names of its processes that were seen, sorted."""

    product: str
    kind: Kind
    processes: tuple[str, ...]


@fact
class Interfering(Fact, frozen=True):
    """Which of the programs that are known to interfere run here."""

    value_type: ClassVar[Any] = tuple[Found, ...]

    def describe(self) -> str:
        return "read names and users of all processes, keep those known to interfere"

    def asks(self) -> tuple[Ask, ...]:
        return (ListProcesses(), ReadFile(MOUNT_TABLE))

    def read(self, host: Host) -> tuple[Found, ...]:
        from checks.facts.process import refuse_if_hidden

        # Names as they are, and as Windows has them: it does not tell small letters from large.
        names = {process.name.casefold() for process in host.processes()}
        found = []
        for (product, kind), known in PROGRAMS.items():
            seen = tuple(sorted(name for name in known if name.casefold() in names))
            if seen:
                found.append(Found(product, kind, seen))
        refuse_if_hidden(host)
        return tuple(found)
