"""The shell's face of the asks: one POSIX script for all that is asked of a machine at once.

The script is a text for `sh -s` and needs nothing but what POSIX and Linux (coreutils or BusyBox) have. Its
sections are framed by a nonce that no file on the machine can know, each with its exit status; what they
print is read by `checks.facts.shell_answers`. Nothing is written on the machine.

A watchdog beside the sections ends one that takes too long, with all it started, and another ends everything
when the connection is gone. Both are subshells of the script, because not every machine has timeout(1).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from math import ceil
from shlex import quote
from typing import Final

import msgspec

from checks.facts.asks import (
    Ask,
    AskClock,
    CompareClocks,
    HashFile,
    ListListeners,
    ListProcesses,
    ReadFile,
    RunCommand,
    StatFilesystem,
    StatPath,
    path_of,
)
from checks.facts.host import FILE_LIMIT

SHORT_S: Final = 5
LONG_S: Final = 30
"""Seconds that a section may take: reads of files and tables, and those that take their time (hashes)."""

AT_ONCE: Final = 256
"""Paths that share a section: a shell copies all of its arguments for each that is added."""

COMMAND_LIMIT: Final = 1024 * 1024
"""Bytes kept of a command's output, as for one that runs here."""

STAT_FORM: Final = "%f:%u:%g:%s:%Y:%U:%G:%n"
SPACE_FORM: Final = "%S:%b:%f:%a:%c:%d:%n"

_PRELUDE: Final = r"""
LC_ALL=C; export LC_ALL; unset LANGUAGE ENV BASH_ENV IFS
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 077; cd /
N=@NONCE@
echo; echo "$N go"
"""

# The pids of all that is below the script but the caller ($1) and the other watchdog ($2): a parent is
# followed upwards until it is the script or one of those two. Where the script leads its session, as under
# sshd, all others of that session are its own too, though their parents have ended. Of /proc only `status` is
# read: it alone shows a name in one line whatever is in it, and these pids will be killed, by root maybe.
_REAP: Final = r"""
below() {
  { if [ -r /proc/self/status ]; then cat /proc/[0-9]*/status 2>/dev/null
    else ps -A -o pid= -o ppid= | while read -r p q; do echo "Pid: $p"; echo "PPid: $q"; done
    fi; } | awk -v r="$$" -v a="$1" -v b="$2" '
    /^Pid:/ { p = $2 } /^PPid:/ { up[p] = $2 } /^NSsid:/ { if ($2 == r) own[p] = 1 }
    END { for (p in up) { q = p; n = 0
            while (q in up && q != r && q != a && q != b && n++ < 99) q = up[q]
            if (p != r && q != a && q != b && (q == r || p in own)) printf "%s ", p } }'
}
"""

_ME: Final = "exec sh -c 'echo $PPID'"
"""Within ``$(…)``: the pid of the subshell that asks, which ``$$`` is not."""

# URG and WINCH tell the watchdog that a section begins, a short or a long one ($1 seconds): signals that do
# nothing to it when they come before it listens. It begins with the longer time, so that one which is lost
# can only make it more patient. A section that outlives its time is killed; a script that does not go on two
# seconds later is stuck with it, and ends too. Each of these is said in one write, which nothing that the
# section prints can break in two. Where the connection is gone the script dies before its children, or it
# would end the watchdog next.
_WATCH: Final = r"""
watch() {
  exec 3<&0
  ( while read -r x <&3; do :; done; m=$(@ME@); kill -9 $$ $(below $m none) ) >/dev/null 2>&1 &
  W=$!
  ( L=$1; l=$1; n=0; f=
    trap 'n=0; l=@SHORT@; f=' URG; trap 'n=0; l=$L; f=' WINCH
    trap 'kill $z 2>/dev/null; exit 0' TERM
    while :; do
      sleep 1 </dev/null >/dev/null 2>&1 3<&- & z=$!
      while kill -0 $z 2>/dev/null; do wait $z 2>/dev/null; done
      n=$((n+1))
      if [ -z "$f" ]; then
        if [ $n -ge $l ]; then
          f=1; n=0; m=$(@ME@); k=$(below $m $W); printf '\n%s late\n' "$N"; kill -9 $k
        fi
      elif [ $n -ge 2 ]; then
        printf '\n%s stuck %s\n' "$N" "$(below $m $W)"; kill -9 $$ $W; exit
      fi
    done ) 2>/dev/null 3<&- &
  D=$!
}
unwatch() { kill $W $D; wait $W $D; } 2>/dev/null
"""

# What a path is, told by the shell alone: f a file, n one that may not be read, d p s v another kind, a not
# there, x behind a folder that may not be entered, l at or behind a link that leads nowhere (and why).
_KINDS: Final = r"""
kind() {
  if [ -e "$1" ]; then
    if [ -f "$1" ]; then if [ -r "$1" ]; then k=f; else k=n; fi
    elif [ -d "$1" ]; then k=d; elif [ -p "$1" ]; then k=p; elif [ -S "$1" ]; then k=s; else k=v; fi
  else
    h=$1
    while [ -n "$h" ]; do
      if [ -L "$h" ] && ! [ -d "$h" ]; then k=$(stat -L "$1" 2>&1 >/dev/null); k="l ${k##*: }"; return; fi
      if [ -d "$h" ]; then if [ -x "$h" ]; then k=a; else k=x; fi; return; fi
      h=${h%/*}
    done
    k=a
  fi
}
"""

# Of a name that the kernel has cut off, awk reads how the first argument goes on, up to the byte 0 after it.
_PROCESSES: Final = r"""
t=$(grep -hsE '^(Name|State|Pid|PPid|Uid|VmSize):' /proc/[0-9]*/status | awk '
  function out() { if (p != "" && s != "Z" && s != "X") { print p, q, u, v, n; us[u] = 1
                   if (v && length(n) >= 15) long[p] = 1 } }
  /^Name:\t/ { out(); n = substr($0, 7); p = ""; s = ""; u = ""; v = 0 }
  /^State:\t/ { s = $2 } /^Pid:\t/ { p = $2 } /^PPid:\t/ { q = $2 }
  /^Uid:\t/ { u = $3 } /^VmSize:\t/ { v = 1 }
  END { out(); print "first"
        for (p in long) { f = "/proc/" p "/cmdline"; x = ""
          if ((getline x < f) > 0 && match(x, /^[ -~\200-\377]+/)) { x = substr(x, 1, RLENGTH)
            sub(/^.*\//, "", x); sub(/ .*/, "", x); print p, x }
          close(f) }
        printf "users"; for (u in us) printf " %s", u; print "" }')
printf 'self %s\n%s\n' "$$" "$t"
{ getent passwd ${t##*users} || cat /etc/passwd; } 2>/dev/null
"""

# ss(8) asks the kernel for listening sockets alone, while reading /proc/net/tcp walks through all there could
# be, and looks itself into every process that it may. Those that it may not are told after that: a namespace
# of theirs takes the same permission to follow, and never hangs. Without ss all of them are looked into here.
_LISTENERS: Final = r"""
echo listeners
if [ -e /proc/self/ns/mnt ] && ss -Hltnpe 2>/dev/null; then
  for d in /proc/[0-9]*; do [ -e "$d/ns/mnt" ] || echo "denied ${d#/proc/}"; done
else
  w=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { printf "%s ", $10 }')
  for i in $w; do echo "listens $i"; done
  [ -z "$w" ] || ls -ln /proc/[0-9]*/fd 2>&1 | grep -E '^/proc/|socket:\[|denied' | awk -v w="$w" '
    BEGIN { n = split(w, a, " "); for (i = 1; i <= n; i++) want[a[i]] = 1 }
    /^\/proc\// { split($0, a, "/"); p = a[3] }
    / -> socket:\[/ { i = $0; sub(/^.*socket:\[/, "", i); sub(/\].*$/, "", i)
                      if (i in want) print "holds", p, i }
    /denied/ { x = $0; sub(/^.*ls: /, "", x)
      if (match(x, /\/proc\/[0-9]+\/fd/)) { split(substr(x, RSTART), a, "/")
        if (!(a[3] in seen)) { seen[a[3]] = 1; print "denied", a[3] } } }'
fi
true
"""

_CLOCK: Final = r"""
if command -v adjtimex >/dev/null 2>&1; then adjtimex --print 2>/dev/null || adjtimex
elif command -v busybox >/dev/null 2>&1 && busybox adjtimex 2>/dev/null; then :
elif command -v timedatectl >/dev/null 2>&1; then timedatectl show -p NTPSynchronized || timedatectl status
else echo none; fi 2>&1
"""

# A program and never a builtin or function of the shell, with nothing but PATH and LC_ALL, as one that runs
# here. Standard output as it comes; then what went to standard error, and last the exit status.
_COMMAND: Final = r"""
p=; case @NAME@ in */*) [ ! -f @NAME@ ] || [ ! -x @NAME@ ] || p=1 ;; *)
  IFS=:; for d in $PATH; do [ ! -f "$d"/@NAME@ ] || [ ! -x "$d"/@NAME@ ] || p=1; done; unset IFS ;;
esac
if [ -n "$p" ]; then
  { e=$({ { (exec env -i PATH="$PATH" LC_ALL=C @ARGV@); s=$?; echo >&2; echo "$N status $s" >&2; } |
          head -c @LIMIT@ >&5; } 2>&1 | tail -c 65536)
  } 5>&1
  echo; echo "$N err"; printf '%s\n' "$e"
else echo; echo "$N absent"; fi
"""


class Section(msgspec.Struct, frozen=True):
    """A part of the script: the asks it answers in the order of their paths, its text, its time in seconds.

    `roots` stand before the paths of the asks, each as a spelling of ``/`` of its own that no file on the
    machine can know: they tell what was said of which path, whatever its name is.
    """

    asks: tuple[Ask, ...]
    text: str
    roots: tuple[str, ...] = ()
    limit_s: int = SHORT_S


class Script(msgspec.Struct, frozen=True):
    """A round: the text to send, its sections, and the nonce that frames them."""

    text: str
    sections: tuple[Section, ...]
    nonce: str

    @property
    def longest_s(self) -> int:
        """Seconds that its slowest section may take."""
        return max((section.limit_s for section in self.sections), default=SHORT_S)


def start(nonce: str) -> str:
    """What a shell is told before its first round; it answers ``<nonce> go``."""
    watch = _WATCH.replace("@SHORT@", str(SHORT_S)).replace("@ME@", _ME)
    return _PRELUDE.replace("@NONCE@", nonce) + _REAP + watch + _KINDS


def compose(asks: Sequence[Ask], nonce: str, *, apart: bool = False) -> Script:
    """The script that answers these asks; the same kinds share a process.

    `apart` gives each path a section of its own, for the round after one of them hung. Both standard output
    and standard error end with a frame, so that it can be known when all of both has come.
    """
    sections = tuple(_sections(asks, _Roots(), apart))
    script = Script("", sections, nonce)
    lines = [f"{{ watch {script.longest_s}"]
    for at, section in enumerate(sections):
        signal = "WINCH" if section.limit_s > SHORT_S else "URG"
        lines.append(f"kill -{signal} $D; ( {section.text.strip()}\n) </dev/null 3<&- & wait $!; s=$?")
        lines.append(f'echo; echo "$N {at} $s"')
    lines.append('unwatch; echo "$N end" >&2; echo; echo "$N end"; }\n')
    return msgspec.structs.replace(script, text="\n".join(lines))


def new_nonce() -> str:
    return secrets.token_hex(16)


class _Roots:
    """Spellings of ``/``: 48 bits at random that all of a script share, and the number of each."""

    def __init__(self) -> None:
        self._shared, self._count = _spelt(secrets.randbits(_SHARED_BITS), _SHARED_BITS), 0

    def new(self) -> str:
        self._count += 1
        return self._shared + _spelt(self._count, _OWN_BITS)


def _spelt(number: int, bits: int) -> str:
    """A number as a path that leads nowhere: ``/.`` is a 1 and ``/`` a 0, between two more dots."""
    return "/." + "".join("/." if number >> at & 1 else "/" for at in range(bits)) + "/."


_SHARED_BITS: Final = 48
_OWN_BITS: Final = 24
_ROOT: Final = re.compile(rf"(?:/\.?){{{_SHARED_BITS + _OWN_BITS + 3}}}/\.")


def root_in(text: str) -> str:
    """The root (`Section.roots`) that stands in a text, or nothing."""
    found = _ROOT.search(text)
    return found[0] if found else ""


def _sections(asks: Sequence[Ask], roots: _Roots, apart: bool) -> list[Section]:
    """The clock comparison comes first: what runs before it would count as travel time."""
    sections = [Section((ask,), "date +%s.%N") for ask in asks if isinstance(ask, CompareClocks)]
    for table, text in _TABLES.items():
        found = tuple(ask for ask in asks if type(ask) is table)
        if found:
            sections.append(Section(found[:1], text))
    for kind, make in _BY_PATH.items():
        paths = [ask for ask in asks if type(ask) is kind]
        size = 1 if apart else AT_ONCE
        for group in (tuple(paths[at : at + size]) for at in range(0, len(paths), size)):
            own = tuple(roots.new() for _ in group)
            limit = LONG_S if kind is HashFile else SHORT_S
            sections.append(Section(group, make(group, own), own, limit))
    for ask in asks:
        if isinstance(ask, RunCommand):
            sections.append(Section((ask,), _command(ask), limit_s=max(SHORT_S, ceil(ask.timeout))))
    return sections


def _command(ask: RunCommand) -> str:
    argv = " ".join(map(quote, ask.argv))
    text = _COMMAND.replace("@NAME@", quote(ask.argv[0])).replace("@LIMIT@", str(COMMAND_LIMIT + 1))
    return text.replace("@ARGV@", argv)


def _kinds(asks: Sequence[Ask], roots: Sequence[str], keep: str) -> str:
    """Tell the kind of each path; those of the kinds in the pattern `keep` become the arguments."""
    lines = ["set --"]
    for at, (ask, root) in enumerate(zip(asks, roots, strict=True)):
        path = quote(path_of(ask))
        lines.append(f'kind {path}; echo "{at} $k"; case $k in {keep}) set -- "$@" {root}{path} ;; esac')
    return "\n".join([*lines, 'echo; echo "$N read"; [ $# -eq 0 ] ||'])


def _read(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fn]")} head -v -c {FILE_LIMIT + 1} -- "$@"'


def _stat(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fndpsv]")} stat -L -c {STAT_FORM} -- "$@"'


def _space(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fndpsv]")} stat -f -c {SPACE_FORM} -- "$@"'


def _hash(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fn]")} sha256sum -- "$@"'


_TABLES: Final[dict[type[Ask], str]] = {
    ListProcesses: _PROCESSES,
    ListListeners: _LISTENERS,
    AskClock: _CLOCK,
}
_BY_PATH: Final[dict[type[Ask], Callable[[Sequence[Ask], Sequence[str]], str]]] = {
    ReadFile: _read,
    StatPath: _stat,
    StatFilesystem: _space,
    HashFile: _hash,
}
