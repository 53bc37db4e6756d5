"""The shell's own words: what every script begins with, and the sections that tell of a machine as a whole.

POSIX shell and what coreutils or BusyBox have; ``@NAME@`` stands for what `checks.facts.shell` fills in. Of
what a section prints, `checks.facts.shell_tables` reads the meaning. ``$N`` is the nonce of the frames.
"""

from __future__ import annotations

from typing import Final

PRELUDE: Final = r"""
LC_ALL=C; export LC_ALL; unset LANGUAGE ENV BASH_ENV IFS
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 077; cd /
N=@NONCE@
case ${KSH_VERSION-} in *MIRBSD*) say() { print -r -- "$1"; } ;; *) say() { printf '%s\n' "$1"; } ;; esac
echo; echo "$N go"
"""

# The pids of all that is below the script but the caller ($1) and the other watchdog ($2): a parent is
# followed upwards until it is the script or one of those two. Where the script leads its session, as under
# sshd, all others of that session are its own too, though their parents have ended. Of /proc only `status` is
# read: it alone shows a name in one line whatever is in it, and these pids will be killed, by root maybe.
REAP: Final = r"""
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

ME: Final = "exec sh -c 'echo $PPID'"
"""Within ``$(…)``: the pid of the subshell that asks, which ``$$`` is not."""

# URG and WINCH tell the watchdog that a section begins, a short or a long one ($1 seconds): signals that do
# nothing to it when they come before it listens. It begins with the longer time, so that one which is lost
# can only make it more patient. A section that outlives its time is killed; a script that does not go on two
# seconds later is stuck with it, and ends too. Each of these is said in one write, which nothing that the
# section prints can break in two. Where the connection is gone the script dies before its children, or it
# would end the watchdog next; where the script has died by itself, the watchdogs end with it.
WATCH: Final = r"""
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
      kill -0 $$ || { m=$(@ME@); kill -9 $W $(below $m $W); exit; }
      n=$((n+1))
      if [ -z "$f" ]; then
        if [ $n -ge $l ]; then
          f=1; n=0; m=$(@ME@); k=$(below $m $W)
          echo "
$N late"; kill -9 $k
        fi
      elif [ $n -ge 2 ]; then
        echo "
$N stuck $(below $m $W)"; kill -9 $$ $W; exit
      fi
    done ) 2>/dev/null 3<&- &
  D=$!
}
unwatch() { kill $W $D; wait $W $D; } 2>/dev/null
"""

# What a path is, told by the shell alone: f a file, n one that may not be read, d p s v another kind, a not
# there, x behind a folder that may not be entered, l at or behind a link that leads nowhere (and why).
KINDS: Final = r"""
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
# Users that are not in /etc/passwd are asked for where the machine has them from.
PROCESSES: Final = r"""
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
        print "users"
        while ((getline x < "/etc/passwd") > 0) { split(x, a, ":")
          if (a[3] in us) { print a[1] "::" a[3]; delete us[a[3]] } }
        printf "others"; for (u in us) printf " %s", u; print "" }')
printf 'self %s\n%s\n' "$$" "$t"
u=${t##*others}; [ -z "$u" ] || getent passwd $u 2>/dev/null
true
"""

# ss(8) asks the kernel for listening sockets alone, while reading /proc/net/tcp walks through all there could
# be, and looks itself into every process that it may. Those that it may not are told after that: a namespace
# of theirs takes the same permission to follow, and never hangs. Without ss all of them are looked into here.
LISTENERS: Final = r"""
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

CLOCK: Final = r"""
if command -v adjtimex >/dev/null 2>&1; then adjtimex --print 2>/dev/null || adjtimex
elif command -v busybox >/dev/null 2>&1 && busybox adjtimex 2>/dev/null; then :
elif command -v timedatectl >/dev/null 2>&1; then timedatectl show -p NTPSynchronized || timedatectl status
else echo none; fi 2>&1
"""

# The names of a folder, each in a line that begins with its kind and the root of the path, which no name can
# hold; a name may hold anything else. `say` writes its argument as it is. A folder that is closed is c.
FOLDER: Final = r"""
p=@PATH@; kind "$p"; if [ "$k" = d ]; then [ -r "$p" ] && [ -x "$p" ] || k=c; fi
echo "0 $k"; echo "
$N read"
if [ "$k" = d ]; then
  n=0
  for f in "${p%/}"/* "${p%/}"/.[!.]* "${p%/}"/..?*; do
    if [ -d "$f" ]; then k=d; elif [ -f "$f" ]; then k=f; elif [ -p "$f" ]; then k=p
    elif [ -S "$f" ]; then k=s; elif [ -e "$f" ]; then k=v; elif [ -L "$f" ]; then k=l; else continue; fi
    n=$((n+1)); say "$k @ROOT@ ${f##*/}"
    [ $n -le @LIMIT@ ] || break
  done
fi
"""

# A program and never a builtin or function of the shell, with nothing but PATH and LC_ALL, as one that runs
# here. @EXEC@ starts it, where @WANTED@ and not @UNWANTED@; @FED@ writes its standard input. Standard output
# as it comes; then what went to standard error, and last the exit status.
COMMAND: Final = r"""
p=; case @NAME@ in */*) [ ! -f @NAME@ ] || [ ! -x @NAME@ ] || p=1 ;; *)
  IFS=:; for d in $PATH; do [ ! -f "$d"/@NAME@ ] || [ ! -x "$d"/@NAME@ ] || p=1; done; unset IFS ;;
esac
{ @WANTED@; } || p=; if @UNWANTED@; then p=; fi
if [ -n "$p" ]; then
  { e=$({ @FED@ { (@EXEC@ @ARGV@); s=$?; echo >&2; echo "$N status $s" >&2; } |
          head -c @LIMIT@ >&5; } 2>&1 | tail -c 65536)
  } 5>&1
  echo; echo "$N err"; printf '%s\n' "$e"
else echo; echo "$N absent"; fi
"""

BARE: Final = 'exec env -i PATH="$PATH" LC_ALL=C'

# With variables of its own, whose values must not show in the arguments of any program: all others are unset
# by the shell itself, as far as it lets them.
WITH: Final = r"""for v in $(env | awk -F= '/^[A-Za-z_][A-Za-z_0-9]*=/ { print $1 }'); do
    case $v in PATH|LC_ALL) ;; *) command unset "$v" 2>/dev/null ;; esac; done
    @EXPORTS@ exec"""
