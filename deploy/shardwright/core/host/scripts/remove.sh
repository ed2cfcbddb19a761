# shellcheck shell=sh
# What takes a deploy off a host again, a function a thing; appended to apply.sh's steps by `batches`.
# Nothing here follows a symbolic link or crosses into another file system, and nothing is removed that was not named.

stop_systemd() { # <unit>...
  systemctl -q disable "$@" 2>/dev/null
  systemctl stop "$@" || return 1
  systemctl reset-failed "$@" 2>/dev/null
  return 0
}

stop_openrc() { # <service>...
  for service in "$@"; do
    rc-service -q "$service" stop || return 1
    rc-update -q del "$service" default
  done
}

stop_direct() { # <control> <port>...
  control=$1
  shift
  "$control" stop "$@"
}

drop_files() { rm -f -- "$@"; }

drop_units() {
  rm -f -- "$@"
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

drop_folders() { # <directory>...: innermost first; one that still has something in it stays
  for path in "$@"; do
    [ ! -d "$path" ] || [ -L "$path" ] || rmdir -- "$path" 2>/dev/null || line kept "$path" "not empty"
  done
  return 0
}

drop_data() { # <mark> <directory>: only a directory that the guard marked as this node's
  [ -d "$2" ] || return 0
  if [ ! -e "$2/.shardwright-node" ]; then
    rmdir -- "$2" 2>/dev/null && return 0
    refuse data-unmarked "$2 has no mark of this cluster, so it was left" "look at what it is; if it is yours: rm -r $2"
  fi
  found=$(cat "$2/.shardwright-node")
  [ "$found" = "$1" ] || refuse data-of-another "$2 is marked '$found', wanted '$1', so it was left" "look at what it is"
  # The mark goes last, so that an interrupted removal can go on.
  find "$2" -xdev -mindepth 1 ! -name .shardwright-node ! -type d -exec rm -f -- {} + || return 1
  find "$2" -xdev -mindepth 1 -depth -type d -exec rmdir -- {} + || return 1
  rm -f -- "$2/.shardwright-node"
  rmdir -- "$2" 2>/dev/null || return 0
}

drop_bundle() { # <current> <prefix>: the link, and the version it names if no other cluster uses it
  target=$(readlink -f "$1")
  rm -f -- "$1"
  case $target in "$2"/?*) ;; *) return 0 ;; esac
  for other in "$2"/*/current; do
    [ "$(readlink -f "$other" 2>/dev/null)" != "$target" ] || return 0
  done
  # shellcheck disable=SC2010,SC2012
  ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF " $target/" && return 0
  rm -rf -- "$target"
}

drop_account_unless_used() { # <name>: another cluster of this host has files of that user
  for root in /etc /var/lib /opt; do
    [ -z "$(find "$root" -xdev -maxdepth 4 \( -user "$1" -o -group "$1" \) 2>/dev/null | head -n 1)" ] || return 0
  done
  if command -v userdel >/dev/null; then userdel "$1"; else deluser "$1"; fi
  if getent group "$1" >/dev/null 2>&1; then groupdel "$1" 2>/dev/null || delgroup "$1"; fi
  return 0
}
