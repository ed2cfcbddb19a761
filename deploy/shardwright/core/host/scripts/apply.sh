# shellcheck shell=sh
# What changes a host, a function a thing. Sourced text: services.sh stands before it, and the batch that calls these
# functions is appended by `batches`.
# Written for dash and busybox alike. A function says on stderr why it failed, as `[code] what was seen; hint: remedy`
# where it knows better than the command that failed.

set -u
work=$1
umask 022

line() { printf '%s\t%s\t%s\n' "$1" "$2" "$(printf %s "$3" | tr '\n\t' '  ')"; }

step() { # <number> <function> <argument>...: the first failure ends the batch
  number=$1
  shift
  if words=$("$@" 2>&1); then
    line did "$number" "$words"
  else
    line fail "$number" "$(printf %s "$words" | tail -n 4)"
    exit 1
  fi
}

try() { # <number> <function> <argument>...: a failure is a warning
  number=$1
  shift
  if words=$("$@" 2>&1); then line did "$number" "$words"; else line warn "$number" "$words"; fi
}

own() { # <path> <owner> <group>
  [ -z "$2" ] || chown "$2" "$1" || return 1
  [ -z "$3" ] || chgrp "$3" "$1"
}

put() { # <path> <owner> <group> <mode>, base64 on stdin: whole or not at all
  folder=$(dirname "$1")
  [ -d "$folder" ] || mkdir -p "$folder" || return 1
  [ ! -d "$1" ] || refuse path-in-the-way "$1 is a directory, wanted a file" "move it away"
  find "$folder" -maxdepth 1 -name '.shardwright.*' -exec rm -f {} + 2>/dev/null
  fresh=$(mktemp "$folder/.shardwright.XXXXXX") || return 1
  if base64 -d >"$fresh" && own "$fresh" "$2" "$3" && chmod "$4" "$fresh" && sync "$fresh" && mv -f "$fresh" "$1"; then
    sync "$folder"
  else
    rm -f "$fresh"
    return 1
  fi
}

folder() { # <path> <owner> <group> <mode>
  if [ ! -d "$1" ]; then
    [ ! -e "$1" ] || refuse path-in-the-way "$1 is there and no directory" "move it away"
    mkdir -p "$1" || return 1
  fi
  own "$1" "$2" "$3" && chmod "$4" "$1"
}

account() { # <name>
  if command -v useradd >/dev/null; then
    getent group "$1" >/dev/null || groupadd -r "$1" || return 1
    getent passwd "$1" >/dev/null || useradd -r -M -g "$1" -d /nonexistent -s /usr/sbin/nologin "$1"
  else
    grep -q "^$1:" /etc/group || addgroup -S "$1" || return 1
    grep -q "^$1:" /etc/passwd || adduser -S -D -H -G "$1" -s /sbin/nologin "$1"
  fi
}

mask() { # <unit>, and `reload` with the last one: before its package is there, so that it never listens
  [ ! -L "/etc/systemd/system/$1" ] || rm -f "/etc/systemd/system/$1" || return 1
  [ ! -e "/etc/systemd/system/$1" ] ||
    refuse unit-of-another "/etc/systemd/system/$1 is a unit of this host's own" "move it away; nothing was stopped"
  ln -s /dev/null "/etc/systemd/system/$1" || return 1
  [ -z "${2-}" ] || systemctl daemon-reload
}

release_policy() { rm -f /usr/sbin/policy-rc.d; }

hold_services() { # nothing that a package installs is started: only needed where no systemd honours a mask
  [ ! -d /run/systemd/system ] && [ ! -e /usr/sbin/policy-rc.d ] || return 0
  printf '#!/bin/sh\n# shardwright: temporary\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
}

release_services() {
  if grep -qs 'shardwright: temporary' /usr/sbin/policy-rc.d; then rm -f /usr/sbin/policy-rc.d; fi
}

one_index='Dir::Cache::srcpkgcache=' # apt would write its index, tens of megabytes, a second time for later runs

apt() { # <seconds> <argument>...: waits for other users of apt and dpkg, not longer than that
  end=$(($(seconds) + $1))
  shift
  while :; do
    left=$((end - $(seconds)))
    [ "$left" -gt 0 ] || left=1
    said=$(DEBIAN_FRONTEND=noninteractive apt-get -q -y -o "$one_index" -o DPkg::Lock::Timeout="$left" -o Dpkg::Options::=--force-confold \
      -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" 2>&1 </dev/null) && return 0
    case $said in
      *'Could not get lock'*) ;;
      *'dpkg was interrupted'*) dpkg --force-confold --configure -a >/dev/null 2>&1 </dev/null || break ;;
      *) break ;;
    esac
    if [ "$(seconds)" -ge "$end" ]; then
      held=$(printf '%s\n' "$said" | grep 'Could not get lock' | tail -n 1)
      refuse apt-locked "${held#E: }" "wait until that process has ended, then run again; its lock was left alone"
    fi
    sleep 1
  done
  seen=$(complaints)
  refuse apt-failed "apt-get $1: ${seen:-$(printf '%s\n' "$said" | tail -n 2 | tr '\n' ' ')}" \
    "see what apt-get $1 says on the host; or engine: bundled, which needs no repository"
}

complaints() { printf '%s\n' "$said" | grep -E '^(E|Err|W):' | grep -v 'Some index files failed' | tail -n 3 | tr '\n' ' '; }

offered() { # <suite> <package>: the version that apt would install
  apt-cache -o "$one_index" ${1:+-t "$1"} policy "$2" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }'
}

within() { # <version of a package> <bounds, as "ge 7.0.0 lt 8.0.0">
  plain=$(printf %s "$1" | sed 's/^[0-9]*://; s/[-+~].*//')
  # shellcheck disable=SC2086
  set -- "$plain" $2
  while [ $# -gt 2 ]; do
    dpkg --compare-versions "$1" "$2" "$3" || return 1
    plain=$1
    shift 3
    set -- "$plain" "$@"
  done
}

packages_debian() { # <seconds to wait for locks> <suite> <bounds> <range in words> <package>...
  patience=$1 suite=$2 bounds=$3 words=$4
  shift 4
  if [ -n "$suite" ] && ! known_suite "$suite"; then
    apt "$patience" update || return 1
    known_suite "$suite" || refuse suite-missing "no source of apt offers the suite $suite" \
      "add its line to /etc/apt/sources.list, or take engine.suite out of cluster.yml"
  fi
  candidate=$(offered "$suite" "$1")
  if [ -z "$candidate" ] || ! within "$candidate" "$bounds"; then
    apt "$patience" update || return 1
    candidate=$(offered "$suite" "$1")
  fi
  # An update that reaches no mirror ends well all the same; what it says is why the package is missing.
  if [ -z "$candidate" ] && printf '%s\n' "${said-}" | grep -q 'Failed to fetch'; then
    refuse apt-failed "apt-get update: $(complaints)" \
      "bring the mirror back or change /etc/apt/sources.list there; or engine: bundled, which needs no repository"
  fi
  [ -n "$candidate" ] || refuse engine-not-offered "apt has no package $1; wanted version $words" \
    "another engine.suite or Debian release; or engine: bundled"
  within "$candidate" "$bounds" ||
    refuse engine-not-offered "apt offers $1 $candidate; wanted version $words; nothing was installed" \
      "another engine.version or engine.suite in cluster.yml; or engine: bundled; see: apt-cache policy $1"
  hold_services || return 1
  trap release_services EXIT
  (apt "$patience" install --no-install-recommends ${suite:+-t "$suite"} "$@") 2>"$work/first" || {
    grep -q 'apt-locked' "$work/first" && { cat "$work/first" >&2; return 1; }
    # The index may name files that the mirror has replaced since.
    apt "$patience" update && apt "$patience" install --no-install-recommends ${suite:+-t "$suite"} "$@"
  }
}

known_suite() {
  apt-cache -o "$one_index" policy 2>/dev/null | tr ',' '\n' | awk -v s="$1" '{ sub(/^ *release */, "") } $0 == "a=" s || $0 == "n=" s { f = 1 } END { exit !f }'
}

packages_redhat() { # <seconds> <suite> <bounds> <range in words> <package>...
  shift 4
  said=$(dnf -q -y install "$@" 2>&1 </dev/null) || {
    printf '%s\n' "$said" | tail -n 3 >&2
    return 1
  }
}

packages_alpine() { # <seconds> <suite> <bounds> <range in words> <package>...
  patience=$1
  shift 4
  said=$(apk add --no-progress --wait "$patience" "$@" 2>&1 </dev/null) || {
    printf '%s\n' "$said" | tail -n 3 >&2
    return 1
  }
}

kernel() { # <path> <value> <name>
  { printf '%s\n' "$2" >"$1"; } 2>/dev/null ||
    refuse kernel-setting-refused "$3 can't be set to $2 from here" "on the machine itself, as root: echo $2 > $1"
}

attach() { # <source> <target> <type> <options>
  folder=$(dirname "$2")
  [ -d "$2" ] || mkdir -p "$2" || return 1
  fresh=$(mktemp /etc/.shardwright.XXXXXX) || return 1
  {
    awk -v t="$2" '/^#/ || $2 != t' /etc/fstab 2>/dev/null
    printf '%s %s %s %s 0 0\n' "$1" "$2" "$3" "$4"
  } >"$fresh" && chmod 644 "$fresh" && sync "$fresh" && mv -f "$fresh" /etc/fstab || return 1
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  awk -v t="$2" '$2 == t { f = 1 } END { exit !f }' /proc/self/mounts && return 0
  timeout 60 mount "$2" || refuse mount-failed "mount $1 on $2 failed" "try on the host: mount $2; no server was started"
}

guarded() { # <guard> <verb> <argument>...: what it refuses has its code
  words=$("$@" 2>&1) && return 0
  printf '%s\n' "${words##*shardwright-guard: }" >&2
  return 1
}

reload() { systemctl daemon-reload; }

enable_systemd() { # What it links is only read at boot; but a unit that systemd has read as disabled would stay so in its eyes.
  systemctl -q --no-reload enable "$@" || return 1
  ! systemctl show -p UnitFileState --value -- "$@" | grep -q disabled || systemctl daemon-reload
}

remember() { # <configuration>: what a running server may have been told live, for when the next file no longer says so
  [ -f "$1" ] || return 0
  { cat "${1%.conf}.named" 2>/dev/null; awk '/^[a-z]/ { print $1 }' "$1"; } | sort -u >"${1%.conf}.named.new" &&
    mv -f "${1%.conf}.named.new" "${1%.conf}.named"
}
