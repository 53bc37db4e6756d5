"""What runs on the far side: POSIX sh, as root, each script small and safe to run again.

Every value is set at the top as a quoted assignment, so that no name can become a command.
"""

from __future__ import annotations

import shlex
from typing import Final

WRAPPER_MARK: Final = "written by firstlight deploy"


def script(text: str, **values: str) -> str:
    """A script with its values set before it."""
    set_first = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    return set_first + text


PROBE: Final = r"""
echo "kernel=$(uname -s)"
echo "machine=$(uname -m)"
echo "libc=$( (getconf GNU_LIBC_VERSION || ldd --version) 2>/dev/null | head -n 1)"
for each in /lib/ld-musl-*; do [ -e "$each" ] && echo "musl=yes"; done
for each in tar gzip sha256sum runuser su useradd adduser; do
  command -v "$each" >/dev/null 2>&1 && echo "has_$each=yes"
done
[ -d /run/systemd/system ] && echo "systemd=yes"
[ -d /etc/cron.d ] && echo "cron=yes"
id "$user" >/dev/null 2>&1 && echo "user=yes"
echo "release=$(basename "$(readlink "$prefix/current" 2>/dev/null)" 2>/dev/null)"
[ -x "$prefix/current/firstlight" ] && echo "runs=yes"
[ -e "$prefix/.made-user" ] && echo "made_user=yes"
[ -s "$state/identity.json" ] && echo "enrolled=yes"
[ -n "$(ls "$state/last" 2>/dev/null)" ] && echo "checked=yes"
near=$prefix
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
set -- $(df -Pk "$near" 2>/dev/null | tail -n 1)
echo "free_kb=${4:-}"
exit 0
"""

PREPARE: Final = r"""
set -eu
umask 022
mkdir -p "$prefix/releases"
chown 0:0 "$prefix" "$prefix/releases"
chmod 755 "$prefix" "$prefix/releases"
rm -rf "$prefix"/.incoming-* "$prefix"/releases/.new-*
"""

UNPACK: Final = r"""
set -eu
umask 022
new=$prefix/releases/.new-$nonce
trap 'rm -rf "$incoming" "$new"' EXIT
sum=$(sha256sum "$incoming")
if [ "${sum%% *}" != "$digest" ]; then
  echo "the archive did not arrive whole: its SHA-256 is ${sum%% *} and should be $digest" >&2
  exit 1
fi
mkdir "$new"
tar -xzf "$incoming" -C "$new"
chown -R 0:0 "$new"
chmod -R u+rwX,go+rX,go-w "$new"
if ! said=$("$new/$folder/firstlight" --version 2>&1); then
  echo "the program does not run here: $said" >&2
  exit 1
fi
rm -rf "$prefix/releases/$release"
mv "$new/$folder" "$prefix/releases/$release"
before=$(basename "$(readlink "$prefix/current" 2>/dev/null)" 2>/dev/null) || before=
rm -f "$prefix/.current-$nonce"
ln -s "releases/$release" "$prefix/.current-$nonce"
mv -Tf "$prefix/.current-$nonce" "$prefix/current"
# The release before stays, to go back to, and what still runs; older ones go.
in_use=$(for each in /proc/[0-9]*/exe; do readlink "$each" || :; done 2>/dev/null)
real=$(cd "$prefix/releases" && pwd -P)
for each in "$real"/*; do
  case ${each##*/} in "$release" | "$before") continue ;; esac
  case $in_use in *"$each/"*) ;; *) rm -rf "$each" ;; esac
done
"""

ACCOUNT: Final = r"""
set -eu
umask 077
if ! id "$user" >/dev/null 2>&1; then
  shell=/bin/false
  for each in /usr/sbin/nologin /sbin/nologin; do [ -x "$each" ] && shell=$each; done
  # The mark comes first: an account that was made and not marked would be left behind for ever.
  : > "$prefix/.made-user"
  if command -v useradd >/dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir "$state" --shell "$shell" \
      --comment "Firstlight agent" "$user"
  else
    addgroup -S "$user" 2>/dev/null || true
    adduser -S -D -H -h "$state" -s "$shell" -G "$user" "$user"
  fi
  echo "made=yes"
fi
mkdir -p "$state"
chown "$user:" "$state"
chmod 700 "$state"
if [ -e "$link" ] && ! grep -q "$mark" "$link" 2>/dev/null; then
  echo "link=taken"
  exit 0
fi
umask 022
cat > "$link.new" <<'WRAPPER'
#!/bin/sh
# Runs Firstlight as the agent's own user; written by firstlight deploy.
WRAPPER
cat >> "$link.new" <<WRAPPER
program='$prefix/current/firstlight' user='$user' state='$state'
WRAPPER
cat >> "$link.new" <<'WRAPPER'
case $(id -un) in
  "$user") FIRSTLIGHT_STATE=$state; export FIRSTLIGHT_STATE ;;
  root)
    FIRSTLIGHT_STATE=$state; export FIRSTLIGHT_STATE
    # A schedule is put in place by root; all else is done as the user whose files they are, at home there.
    [ "${1-}" = install ] && exec "$program" "$@"
    HOME=$state LOGNAME=${LOGNAME:-root}; export HOME LOGNAME
    command -v runuser >/dev/null 2>&1 && exec runuser -u "$user" -- "$program" "$@"
    exec su -s /bin/sh -c 'exec "$0" "$@"' "$user" "$program" "$@" ;;
esac
exec "$program" "$@"
WRAPPER
chmod 755 "$link.new"
mv -f "$link.new" "$link"
"""

AS_AGENT: Final = r"""
FIRSTLIGHT_STATE=$state
export FIRSTLIGHT_STATE
cd /
as_agent() (
  HOME=$state; export HOME
  if command -v runuser >/dev/null 2>&1; then
    runuser -u "$user" -- "$prefix/current/firstlight" "$@"
  else
    su -s /bin/sh -c 'exec "$0" "$@"' "$user" "$prefix/current/firstlight" "$@"
  fi
)
"""

CONFIGURE: Final = r"""
set -eu
umask 077
# Written by the account itself, which root's own writing could be led astray by.
as_account() {
  if command -v runuser >/dev/null 2>&1; then
    runuser -u "$user" -- "$@"
  else
    su -s /bin/sh -c 'exec "$0" "$@"' "$user" "$@"
  fi
}
# What follows it over there, such as the block of firstlight install, is no difference.
case $(cat "$state/config.toml" 2>/dev/null) in "$config"*) exit 0 ;; esac
printf '%s\n' "$config" | as_account sh -c 'cat > "$0.new" && mv -f "$0.new" "$0"' "$state/config.toml"
echo "wrote=yes"
"""

ENROL: Final = AS_AGENT + (
    r"""
set -eu
umask 022
# Not in the agent's own folder: there it could have laid a link, by which root would write elsewhere.
trap 'rm -f "$prefix/.deployed-ca.pem"' EXIT
if [ -n "$ca" ]; then
  printf '%s\n' "$ca" > "$prefix/.deployed-ca.pem"
  set -- --ca "$prefix/.deployed-ca.pem"
else
  set --
fi
[ -n "$target" ] && set -- "$@" --target "$target"
[ -n "$insecure" ] && set -- "$@" --insecure-http
as_agent enrol "$server" --token - "$@" <<'TOKEN'
"""
)
"""The token follows as a here-document: a command's arguments are seen by everybody on the machine."""

WHO: Final = r"""
cat "$state/identity.json" 2>/dev/null || true
"""

SCHEDULE: Final = AS_AGENT + (
    r"""
set -eu
set -- --user "$user"
[ -n "$every" ] && set -- "$@" --every "$every"
[ -n "$profile" ] && set -- "$@" --profile "$profile"
[ -n "$grant" ] && set -- "$@" --grant "$grant"
"$prefix/current/firstlight" install "$@"
chown -Rh "$user:" "$state"
"""
)

CHECK: Final = AS_AGENT + (
    r"""
set --
[ -n "$profile" ] && set -- "$profile"
[ -n "$stage" ] && set -- "$@" --stage "$stage"
as_agent check "$@" --operator "$operator" --format "$format" 2>&1
"""
)

WAITING: Final = AS_AGENT + (
    r"""
[ -x "$prefix/current/firstlight" ] && id "$user" >/dev/null 2>&1 && as_agent send >/dev/null 2>&1
count=0
for each in "$state"/spool/pending/*.run; do [ -e "$each" ] && count=$((count + 1)); done
echo "waiting=$count"
exit 0
"""
)

REMOVE: Final = r"""
FIRSTLIGHT_STATE=$state
export FIRSTLIGHT_STATE
cd /
if [ -x "$prefix/current/firstlight" ]; then
  said=$("$prefix/current/firstlight" install --remove 2>&1) || { echo "$said" >&2; exit 1; }
fi
if [ -e "$prefix/.made-user" ] && id "$user" >/dev/null 2>&1; then
  uid=$(id -u "$user")
  for each in /proc/[0-9]*; do
    [ "$(stat -c %u "$each" 2>/dev/null)" = "$uid" ] && kill -9 "${each#/proc/}" 2>/dev/null
  done
  if command -v userdel >/dev/null 2>&1; then
    # A process that is just going can still stand in the way.
    userdel "$user" 2>/dev/null || { sleep 1; userdel "$user" || exit 1; }
    command -v groupdel >/dev/null 2>&1 && groupdel "$user" 2>/dev/null
  else
    deluser "$user" || exit 1
    delgroup "$user" 2>/dev/null
  fi
  echo "user=gone"
fi
[ -e "$link" ] && grep -q "$mark" "$link" 2>/dev/null && rm -f "$link"
rm -rf "$state" "$prefix" || exit 1
exit 0
"""
