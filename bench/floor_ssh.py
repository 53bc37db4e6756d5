"""What a plain script needs for the reads of the profile linux-server over SSH: the floor of `bench/ssh.py`.

It judges nothing: one connection to a host, one channel, one POSIX script that reads the same files and runs
the same programs, JSON. Called as
`floor_ssh.py SITE.json`; for several hosts eight threads. With a further argument `--quick-ack` it shows what
is left of the time once nothing waits for a delayed acknowledgement.
"""

import json
import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

AT_ONCE = 8

SYSTEM = (
    "uptime stat vmstat loadavg cpuinfo sys/fs/file-nr sys/kernel/osrelease sys/kernel/random/boot_id"
    " sys/net/netfilter/nf_conntrack_count sys/net/netfilter/nf_conntrack_max /etc/locale.conf"
    " /etc/default/locale /run/reboot-required /run/reboot-needed /etc/fstab mdstat 1/cgroup"
    " /run/reboot-required.pkgs /run/systemd/container /sys/devices/system/cpu/smt/active"
    " /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpuset.cpus.effective /sys/fs/cgroup/memory.current"
    " /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.stat"
)
SYSCTLS = [
    "kernel.randomize_va_space",
    "net.ipv4.tcp_syncookies",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
]

SCRIPT = """
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null
cd /proc
grep -s '' /etc/os-release /etc/hosts meminfo SYSCTLS
grep -s -e ^Name: -e ^Uid: [0-9]*/status
grep -s '' SYSTEM
echo ==kernels
ls /boot /lib/modules
echo ==limits
grep -s '^Max open files' [0-9]*/limits
echo ==listeners
ss -Hltnp
echo ==files
stat -L -c '%n %U %G %a' /etc/passwd /etc/shadow /etc/sudoers /tmp
echo ==disks
set -- /
while read -r _ _ _ _ point rest; do
  case $rest in
    ro,*|*' - squashfs '*|*' - fuse.'*) ;;
    *' - '*' /dev/'*) [ "$point" = / ] || set -- "$@" "$point" ;;
  esac
done < self/mountinfo
stat -f -c '%S %b %a %c %d %n' "$@"
echo ==clock
busybox adjtimex || timedatectl show -p NTPSynchronized
echo ==programs
dmesg | grep -i 'out of memory'
journalctl --no-pager -r -o short-iso --since -7d _TRANSPORT=kernel | grep -i 'out of memory'
locale -a
systemctl list-units --failed --all --full --plain --no-legend --no-pager
timedatectl timesync-status
chronyc -n -c tracking
ntpq -n -c rv
""".replace("SYSTEM", SYSTEM).replace(
    "SYSCTLS", " ".join(f"sys/{name.replace('.', '/')}" for name in SYSCTLS)
)


class Prompt(socket.socket):
    """Acknowledges at once, which Linux has to be told again after every read.

    sshd sends with Nagle's algorithm, so its second small packet in a row (the reply to the channel after
    the announcement of its host keys) waits for the acknowledgement of the first: 40 ms (tcp(7)).
    """

    def recv(self, *args: int) -> bytes:
        data = super().recv(*args)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def asked(site: dict, host: dict, key: paramiko.PKey, known: paramiko.HostKeys) -> str:
    """What the script says on a host whose key is known."""
    place = (host["address"], host["port"])
    name = f"[{place[0]}]:{place[1]}"
    wire = Prompt() if "--quick-ack" in sys.argv else socket.socket()
    wire.settimeout(30)
    wire.connect(place)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with paramiko.SSHClient() as client:
        client.get_host_keys().add(name, "ssh-ed25519", known.lookup(name)["ssh-ed25519"])
        client.connect(*place, site["user"], pkey=key, sock=wire, allow_agent=False, look_for_keys=False)
        channel = client.get_transport().open_session()
        channel.exec_command("sh -s")
        channel.sendall(SCRIPT)
        channel.shutdown_write()
        return channel.makefile("rb").read().decode(errors="replace")


def parsed(text: str) -> dict[str, object]:
    first, *rest = re.split(r"^==(\w+)\n", text, flags=re.MULTILINE)
    part = dict(zip(rest[::2], rest[1::2], strict=True))
    lines: dict[str, list[str]] = {}
    for line in first.splitlines():
        path, _, content = line.partition(":")
        lines.setdefault(path, []).append(content)
    release = dict(line.partition("=")[::2] for line in lines["/etc/os-release"])
    memory = {name: int(rest.split()[0]) * 1024 for name, rest in (x.split(":") for x in lines["meminfo"])}
    names = {
        path.partition("/")[0]: said[0].partition("\t")[2]
        for path, said in lines.items()
        if path.endswith("/status")
    }
    limits = {line.partition("/")[0]: line.split()[3:5] for line in part["limits"].splitlines()}
    holders = set(re.findall(r"pid=(\d+)", part["listeners"]))
    disks = [line.split(" ", 5) for line in part["disks"].splitlines()]
    found = re.search(r"maxerror:\s*(\d+)", part["clock"])
    return {
        "os": {"id": release["ID"].strip('"'), "version": release.get("VERSION_ID", "").strip('"')},
        "memory": {"total": memory["MemTotal"], "available": memory["MemAvailable"]},
        "processes": len(names),
        "limits": {names[pid]: limits[pid] for pid in holders if pid in names and pid in limits},
        "files": {
            path: {"owner": owner, "group": group, "mode": mode.zfill(4)}
            for path, owner, group, mode in map(str.split, part["files"].splitlines())
        },
        "hosts": any(re.match(r"\s*(127\.[0-9.]+|::1)\s.*\blocalhost\b", x) for x in lines["/etc/hosts"]),
        "system": {path: lines[path] for path in SYSTEM.split() if path in lines},
        "kernels": part["kernels"].split(),
        "programs": part["programs"].splitlines(),
        "sysctl": {name: lines["sys/" + name.replace(".", "/")][0] for name in SYSCTLS},
        "disks": {
            point: {
                "total": int(block) * int(blocks),
                "free": int(block) * int(free),
                "inodes": int(inodes),
                "inodes_free": int(inodes_free),
            }
            for block, blocks, free, inodes, inodes_free, point in disks
        },
        "synchronised": int(found[1]) < 16_000_000 if found else "=yes" in part["clock"],
    }


def main() -> None:
    site = json.loads(Path(sys.argv[1]).read_text())
    key = paramiko.Ed25519Key.from_private_key_file(site["key"])
    known = paramiko.HostKeys(site["known_hosts"])

    def read(host: dict) -> dict[str, object]:
        return parsed(asked(site, host, key, known))

    hosts = site["hosts"]
    if len(hosts) == 1:
        readings = [read(hosts[0])]
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            readings = list(pool.map(read, hosts))
    print(json.dumps({host["name"]: one for host, one in zip(hosts, readings, strict=True)}))


main()
