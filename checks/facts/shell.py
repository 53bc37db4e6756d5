"""The shell's face of the asks: one POSIX script for all that is asked of a machine at once.

The script is a text for `sh -s` and needs nothing but what POSIX and Linux (coreutils or BusyBox) have. Its
sections are framed by a nonce that no file on the machine can know, each with its exit status; what they
print is read by `checks.facts.shell_answers`. Nothing is written on the machine.

A watchdog beside the sections ends one that takes too long, with all it started, and another ends everything
when the connection is gone. Both are subshells of the script, because not every machine has timeout(1).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
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

# Ends everything below the script but the caller ($1) and the other watchdog ($2). Pids of the Linux /proc,
# else of ps; a parent is followed upwards until it is the script or one of those two.
_REAP: Final = r"""
below() {
  { if [ -r /proc/self/stat ]; then cat /proc/[0-9]*/stat 2>/dev/null
    else ps -A -o pid= -o ppid= | while read -r p q; do echo "$p (x) S $q"; done
    fi; } | awk -v r="$$" -v a="$1" -v b="$2" '
    { p = $1; sub(/^[0-9]+ \(.*\) /, ""); up[p] = $2 }
    END { for (p in up) { q = p; n = 0
            while (q in up && q != r && q != a && q != b && n++ < 99) q = up[q]
            if (q == r && p != r) printf "%s ", p } }'
}
"""

_ME: Final = "exec sh -c 'echo $PPID'"
"""Within ``$(…)``: the pid of the subshell that asks, which ``$$`` is not."""

# USR1 and USR2 tell the watchdog that a section begins, a short or a long one. A section that outlives its
# time is killed; a script that does not go on two seconds later is stuck with it, and ends too. Where the
# connection is gone the script dies before its children, or it would end the watchdog next.
_WATCH: Final = r"""
trap '' USR1 USR2
watch() {
  exec 3<&0
  ( while read -r x <&3; do :; done; m=$(@ME@); kill -9 $$ $(below $m none) ) >/dev/null 2>&1 &
  W=$!
  ( trap 'n=0; l=@SHORT@; f=' USR1; trap 'n=0; l=@LONG@; f=' USR2
    trap 'kill $z 2>/dev/null; exit 0' TERM
    n=0; l=@SHORT@; f=
    while :; do
      sleep 1 </dev/null >/dev/null 2>&1 3<&- & z=$!
      while kill -0 $z 2>/dev/null; do wait $z 2>/dev/null; done
      n=$((n+1))
      if [ -z "$f" ]; then
        if [ $n -ge $l ]; then f=1; n=0; m=$(@ME@); echo; echo "$N late"; kill -9 $(below $m $W); fi
      elif [ $n -ge 2 ]; then
        echo; echo "$N stuck $(below $m $W)"; kill -9 $$ $W; exit
      fi
    done ) 2>/dev/null 3<&- &
  D=$!
}
unwatch() { kill $W $D; wait $W $D; } 2>/dev/null
"""

# What a path is, told by the shell alone: f a file, n one that may not be read, d p s v another kind, a not
# there, x behind a folder that may not be entered, l a link that leads nowhere (and why).
_KINDS: Final = r"""
kind() {
  if [ -e "$1" ]; then
    if [ -f "$1" ]; then if [ -r "$1" ]; then k=f; else k=n; fi
    elif [ -d "$1" ]; then k=d; elif [ -p "$1" ]; then k=p; elif [ -S "$1" ]; then k=s; else k=v; fi
  elif [ -L "$1" ]; then k="l $(cat "$1" 2>&1 >/dev/null)"
  else
    h=$1
    while :; do
      case $h in */*) h=${h%/*} ;; *) h= ;; esac
      if [ -z "$h" ]; then k=a; return; fi
      if [ -d "$h" ]; then if [ -x "$h" ]; then k=a; else k=x; fi; return; fi
    done
  fi
}
"""

_PROCESSES: Final = r"""
t=$(cat /proc/[0-9]*/status 2>/dev/null | awk '
  function out() { if (p != "" && s != "Z" && s != "X") { print p, q, u, v, n; us[u] = 1
                   if (v && length(n) >= 15) long = long " " p } }
  /^Name:\t/ { out(); n = substr($0, 7); p = ""; s = ""; u = ""; v = 0 }
  /^State:\t/ { s = $2 } /^Pid:\t/ { p = $2 } /^PPid:\t/ { q = $2 }
  /^Uid:\t/ { u = $3 } /^VmSize:\t/ { v = 1 }
  END { out(); printf "long%s\nusers", long; for (u in us) printf " %s", u; print "" }')
printf 'self %s\n%s\n' "$$" "$t"
u=${t##*users}
set --; l=${t##*long}
for p in ${l%%users*}; do set -- "$@" "@ROOT@/proc/$p/cmdline"; done
if [ $# -gt 0 ]; then
  head -v -c 4096 -- "$@" 2>/dev/null | tr '\000' '\n' | awk -v m="@ROOT@/proc/" '
    index($0, "==> " m) == 1 { split(substr($0, length(m) + 5), a, "/"); p = a[1]; getline
                               sub(/^.*\//, ""); sub(/ .*/, ""); print "first", p, $0 }'
fi
{ getent passwd $u || cat /etc/passwd; } 2>/dev/null | awk -F: '{ print "user", $3, $1 }'
"""

_LISTENERS: Final = r"""
w=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { printf "%s ", $10 }')
echo "listening $w"
[ -z "$w" ] || ls -ln /proc/[0-9]*/fd 2>&1 | awk -v w="$w" '
  BEGIN { n = split(w, a, " "); for (i = 1; i <= n; i++) want[a[i]] = 1 }
  /^\/proc\/[0-9]+\/fd:/ { split($0, a, "/"); p = a[3] }
  /Permission denied/ { x = $0; sub(/^.*ls: /, "", x)
    if (match(x, /\/proc\/[0-9]+\/fd/)) { split(substr(x, RSTART), a, "/")
      if (!(a[3] in seen)) { seen[a[3]] = 1; print "denied", a[3] } } }
  match($0, /-> socket:\[[0-9]+\]/) { i = substr($0, RSTART + 11, RLENGTH - 12)
    if (i in want) print "holds", p, i }'
true
"""

_CLOCK: Final = r"""
if command -v adjtimex >/dev/null 2>&1; then adjtimex --print 2>/dev/null || adjtimex
elif command -v busybox >/dev/null 2>&1 && busybox adjtimex 2>/dev/null; then :
elif command -v timedatectl >/dev/null 2>&1; then timedatectl show -p NTPSynchronized || timedatectl status
else echo none; fi 2>&1
"""

# Standard output as it comes; then what went to standard error, and last the exit status.
_COMMAND: Final = r"""
if command -v @NAME@ >/dev/null 2>&1; then
  { e=$({ { @ARGV@; s=$?; echo >&2; echo "$N status $s" >&2; } | head -c @LIMIT@ >&5; } 2>&1 | tail -c 65536)
  } 5>&1
  echo; echo "$N err"; printf '%s\n' "$e"
else echo; echo "$N absent"; fi
"""


class Section(msgspec.Struct, frozen=True):
    """A part of the script: the asks it answers in the order of their paths, its text, and its time."""

    asks: tuple[Ask, ...]
    text: str
    long: bool = False


class Script(msgspec.Struct, frozen=True):
    """A round: the text to send, its sections, and the nonce that frames them.

    `root` stands before paths as another spelling of ``/`` that no file on the machine can know either.
    """

    text: str
    sections: tuple[Section, ...]
    nonce: str
    root: str


def start(nonce: str) -> str:
    """What a shell is told before its first round; it answers ``<nonce> go``."""
    watch = _WATCH.replace("@SHORT@", str(SHORT_S)).replace("@LONG@", str(LONG_S)).replace("@ME@", _ME)
    return _PRELUDE.replace("@NONCE@", nonce) + _REAP + watch + _KINDS


def compose(asks: Sequence[Ask], nonce: str, *, apart: bool = False) -> Script:
    """The script that answers these asks; the same kinds share a process.

    `apart` gives each path a section of its own, for the round after one of them hung.
    """
    root = _root()
    sections = tuple(_sections(asks, root, apart))
    lines = ["{ watch"]
    for at, section in enumerate(sections):
        signal = "USR2" if section.long else "USR1"
        lines.append(f"kill -{signal} $D; ( {section.text.strip()}\n) </dev/null 3<&-; s=$?")
        lines.append(f'echo; echo "$N {at} $s"')
    lines.append('unwatch; echo; echo "$N end"; }\n')
    return Script("\n".join(lines), sections, nonce, root)


def new_nonce() -> str:
    return secrets.token_hex(16)


def _sections(asks: Sequence[Ask], root: str, apart: bool) -> list[Section]:
    """The clock comparison comes first: what runs before it would count as travel time."""
    sections = [Section((ask,), "date +%s.%N") for ask in asks if isinstance(ask, CompareClocks)]
    for table, text in _TABLES.items():
        found = tuple(ask for ask in asks if type(ask) is table)
        if found:
            sections.append(Section(found[:1], text.replace("@ROOT@", root)))
    for kind, make in _BY_PATH.items():
        paths = [ask for ask in asks if type(ask) is kind]
        groups = [[ask] for ask in paths] if apart else [paths] if paths else []
        sections += [Section(tuple(group), make(group, root), kind is HashFile) for group in groups]
    for ask in asks:
        if isinstance(ask, RunCommand):
            sections.append(Section((ask,), _command(ask), ask.timeout > SHORT_S))
    return sections


def _command(ask: RunCommand) -> str:
    argv = " ".join(map(quote, ask.argv))
    text = _COMMAND.replace("@NAME@", quote(ask.argv[0])).replace("@LIMIT@", str(COMMAND_LIMIT + 1))
    return text.replace("@ARGV@", argv)


def _kinds(asks: Sequence[Ask], root: str, keep: str) -> str:
    """Tell the kind of each path; those of the kinds in the pattern `keep` become the arguments."""
    lines = ["set --"]
    for at, ask in enumerate(asks):
        path = quote(path_of(ask))
        lines.append(
            f'kind {path}; echo "{at} $k"; case $k in {keep}) set -- "$@" {quote(root)}{path} ;; esac'
        )
    return "\n".join([*lines, 'echo; echo "$N read"'])


def _read(asks: Sequence[Ask], root: str) -> str:
    return f'{_kinds(asks, root, "f")}\n[ $# -eq 0 ] || head -v -c {FILE_LIMIT + 1} -- "$@"'


def _stat(asks: Sequence[Ask], root: str) -> str:
    return f'{_kinds(asks, root, "[fndpsv]")}\n[ $# -eq 0 ] || stat -L -c {STAT_FORM} -- "$@"'


def _space(asks: Sequence[Ask], root: str) -> str:
    return f'{_kinds(asks, root, "[fndpsv]")}\n[ $# -eq 0 ] || stat -f -c {SPACE_FORM} -- "$@"'


def _hash(asks: Sequence[Ask], root: str) -> str:
    return f'{_kinds(asks, root, "f")}\n[ $# -eq 0 ] || sha256sum -- "$@"'


_TABLES: Final[dict[type[Ask], str]] = {
    ListProcesses: _PROCESSES,
    ListListeners: _LISTENERS,
    AskClock: _CLOCK,
}
_BY_PATH: Final[dict[type[Ask], Callable[[Sequence[Ask], str], str]]] = {
    ReadFile: _read,
    StatPath: _stat,
    StatFilesystem: _space,
    HashFile: _hash,
}


def _root() -> str:
    """``/`` spelt at random with 48 bits: ``/.//././…``."""
    bits = secrets.randbits(48)
    return "/." + "".join("/." if bits >> at & 1 else "/" for at in range(48))
