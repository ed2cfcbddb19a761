# shellcheck shell=sh
# Looks at a host, changes nothing. Written for dash and busybox alike; prints one fact a line, fields parted by tabs.
#
# Run as: sh -c "$SELF" gather main, with SELF holding this text and the questions in SW_* variables (lists: one a line).
# A hung mount must not silence the other parts: what one process for all parts did not bring in time is asked again, each
# part in a process of its own with a deadline of its own. (A process for each part costs the host as much as the parts.)
# A part that fails or is late then is reported as `silent <part> <exit code>`; the whole never fails.

tab='	'
newline='
'

say() {
  line=$1
  shift
  for field in "$@"; do line="$line$tab$field"; done
  printf '%s\n' "$line"
}

each() { # <list> <function>: the function is called with every line of the list
  printf '%s\n' "$1" | while IFS= read -r item; do
    [ -z "$item" ] || "$2" "$item"
  done
}

read_first() { # FILE; what an earlier file held is forgotten first: where there is no file, nothing is read
  first=
  IFS= read -r first 2>/dev/null <"$1" || [ -n "$first" ]
}

part_base() {
  say uid "$(id -u)" "$(id -un 2>/dev/null)"
  if [ -r /etc/os-release ]; then
    # shellcheck disable=SC1091
    (. /etc/os-release && say os "${ID-}" "${VERSION_ID-}" "${ID_LIKE-}" "${VERSION_CODENAME-}" "${PRETTY_NAME-}")
  else
    say os "$(uname -s)" "$(uname -r)" "" "" ""
  fi
  say arch "$(uname -m)"
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1)
  say libc "${libc%%"$newline"*}"
  if [ -d /run/systemd/system ]; then say init systemd
  elif [ -x /sbin/openrc-run ] && [ -e /run/openrc/softlevel ]; then say init openrc
  else say init none; fi
  date "+epoch$tab%s$tab%N"
  awk '/^MemTotal:/ { print "memory\t" $2 } /^MemAvailable:/ { print "available\t" $2 } /^btime / { print "boot\t" $2 }
    /^oom_kill / { print "oom-kills\t" $2 }' /proc/meminfo /proc/stat /proc/vmstat
  # shellcheck disable=SC3045  # dash and busybox know -H and -n
  say files "$(ulimit -H -n 2>/dev/null)"
  awk '/\|--/ { a = $2 } /host LOCAL/ && !said[a]++ { print "address\t" a }' /proc/net/fib_trie 2>/dev/null
  awk '{ print "address\t" $1 }' /proc/net/if_inet6 2>/dev/null
  say ticks "$(getconf CLK_TCK 2>/dev/null || echo 100)"
  if [ -f /usr/sbin/policy-rc.d ] && grep -q 'shardwright: temporary' /usr/sbin/policy-rc.d; then say policy-leftover; fi
  # What drill.sh leaves while a host is cut off; a process drill breaks nothing for longer than the service manager needs.
  base=/run
  if [ "$(id -u)" != 0 ]; then base=${XDG_RUNTIME_DIR:-/tmp}; fi
  drill=$base/shardwright-drill-$(id -u)-$SW_CLUSTER
  if [ -f "$drill/script" ] && ! grep -q '^SW_KIND=process$' "$drill/script"; then say drill "$drill"; fi
}

debs() { # <package>...
  dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\n' -- "$@" 2>/dev/null |
    awk '$2 ~ /^.i$/ { print "package\t" $1 "\t" $3 }'
}
one_rpm() { rpm -q --qf 'package\t%{NAME}\t%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null | grep '^package'; }
one_apk() { apk info -e "$1" >/dev/null 2>&1 && say package "$1" "$(apk info -v -e "$1" 2>/dev/null | head -n 1)"; }

part_engine() {
  if [ -n "$SW_PACKAGES" ]; then
    # shellcheck disable=SC2086
    if command -v dpkg-query >/dev/null; then debs $SW_PACKAGES
    elif command -v rpm >/dev/null; then each "$SW_PACKAGES" one_rpm
    elif command -v apk >/dev/null; then each "$SW_PACKAGES" one_apk; fi
  fi
  if [ -x "$SW_SERVER" ]; then
    version=$("$SW_SERVER" --version 2>&1)
    say engine "${version%%"$newline"*}" "$(readlink -f "$SW_SERVER")"
  elif [ -e "$SW_SERVER" ]; then say engine "it is there and can't be executed: look at its mount (noexec) and mode"; fi
  if [ -n "$SW_BUNDLE_CURRENT" ] && [ -L "$SW_BUNDLE_CURRENT" ]; then
    say bundle-current "$(readlink "$SW_BUNDLE_CURRENT")"
  fi
}

part_paths() {
  IFS=$newline
  set -f
  # shellcheck disable=SC2086
  set -- $SW_PATHS
  [ $# -gt 0 ] || return 0
  stat -c "path$tab%n$tab%F$tab%a$tab%U$tab%G$tab%Y" -- "$@"
  sha256sum -- "$@" | while read -r line; do say sum "${line%% *}" "${line#*  }"; done
}

third() { # <fields>: of those that colons part
  field=${1#*:*:}
  printf %s "${field%%:*}"
}

part_user() {
  [ -n "$SW_USER" ] || return 0
  entry=$(getent passwd "$SW_USER" 2>/dev/null || grep "^$SW_USER:" /etc/passwd)
  [ -z "$entry" ] || say user "$SW_USER" "$(third "$entry")" "${entry##*:}"
  group=$(getent group "$SW_USER" 2>/dev/null || grep "^$SW_USER:" /etc/group)
  [ -z "$group" ] || say group "$SW_USER" "$(third "$group")"
}

one_instance() { # name|config|data|started|pidfile
  name=${1%%|*} rest=${1#*|}
  config=${rest%%|*} rest=${rest#*|}
  data=${rest%%|*} rest=${rest#*|}
  started=${rest%%|*} pidfile=${rest#*|}
  say data "$name" "$(cd "$data" 2>/dev/null && pwd -P)"
  stat -c "size$tab$name$tab%n$tab%s" -- "$data/dump.rdb" "$data/nodes.conf"
  for manifest in "$data"/appendonlydir/*.manifest; do
    [ ! -s "$manifest" ] || say manifest "$name"
  done
  [ ! -f "${config%.conf}.named" ] || say named "$name" "$(tr '\n' ' ' <"${config%.conf}.named")"
  awk -v n="$name" '$1 == "appendonly" { v = $2 } END { if (v != "") print "appendonly\t" n "\t" v }' "$config"
  if read_first "$pidfile"; then say pidfile "$name" "$first"; fi
  first=
  if [ -n "$started" ] && read_first "$started"; then say started "$name" "$first"; fi
}

one_directory() { # of an instance's configuration
  config=${1#*|}
  config=${config%%|*}
  printf '%s/\n' "${config%/*}"
}

one_adopted() { # what the guard noted beside the configurations, of ports that are not asked for, too
  for note in "${1%/*}"/*.expected; do
    [ -f "$note" ] || continue
    note=${note##*/}
    say adopted "${note%.expected}"
  done
}

part_instances() {
  each "$SW_INSTANCES" one_instance
  each "$(each "$SW_INSTANCES" one_directory | sort -u)" one_adopted
}

part_nodes() { # by our own script there, which knows whole lists of nodes from damaged ones; an old one says nothing
  # shellcheck disable=SC2086
  [ ! -x "$SW_GUARD" ] || "$SW_GUARD" nodes $SW_NODES
}

one_service() { # OpenRC
  if rc-service "$1" status >/dev/null 2>&1; then say openrc "$1" started; else say openrc "$1" stopped; fi
}

part_services() {
  if [ -d /run/systemd/system ]; then
    # shellcheck disable=SC2086
    set -- $SW_UNITS
    systemctl show -p LoadState,ActiveState,SubState,MainPID,UnitFileState,NRestarts,NeedDaemonReload,Result -- "$@" |
      while IFS= read -r line; do
        if [ -n "$line" ]; then printf 'unit\t%s\t%s\n' "$1" "$line"; else shift; fi
      done
  elif command -v rc-service >/dev/null; then
    # shellcheck disable=SC2086
    each "$(printf '%s\n' $SW_UNITS)" one_service
  fi
}

owners() { # <directory of descriptors>...: which process has which of $inodes
  # shellcheck disable=SC2012
  ls -l "$@" 2>/dev/null |
    awk -v list="$inodes" -v only="$1" '
      BEGIN { n = split(list, i, " "); for (k = 1; k <= n; k++) want["socket:[" i[k] "]"] = i[k]; split(only, d, "/"); pid = d[3] }
      /^\/proc\// { split($1, d, "/"); pid = d[3] }
      $NF in want && !said[pid, $NF]++ { print "socket\t" want[$NF] "\t" pid }'
}

part_listeners() {
  set -- /proc/net/tcp
  [ ! -r /proc/net/tcp6 ] || set -- "$@" /proc/net/tcp6
  listening=$(awk -v ports="$SW_PORTS" '
    BEGIN { n = split(ports, p, " "); for (i = 1; i <= n; i++) want[p[i]] = 1 }
    $4 == "0A" { k = split($2, a, ":"); if (a[k] in want) print "listen\t" a[k] "\t" $10 "\t" a[1] }' "$@" 2>/dev/null)
  [ -n "$listening" ] || return 0
  printf '%s\n' "$listening"
  inodes=$(each "$listening" one_inode)
  # Our own servers first: to look through all processes of a host takes long.
  set --
  for pid in $(each "$SW_INSTANCES" one_pidfile); do set -- "$@" "/proc/$pid/fd"; done
  found=
  [ $# -eq 0 ] || found=$(owners "$@")
  for inode in $inodes; do
    case $found in *"socket$tab$inode$tab"*) continue ;; esac
    found=$(owners /proc/[0-9]*/fd)
    break
  done
  printf '%s\n' "$found"
}

one_inode() { # of a line of a listener: its third field
  rest=${1#*"$tab"}
  rest=${rest#*"$tab"}
  printf '%s\n' "${rest%%"$tab"*}"
}

one_holder() { # a process that has one of the ports
  case $1 in socket"$tab"*) printf '%s\n' "${1##*"$tab"}" ;; esac
}

one_process() {
  pid=$1
  read_first "/proc/$pid/stat" || return 0
  # The program's name may hold spaces and ends at the last parenthesis; 20 fields on is the start, in ticks since boot.
  # shellcheck disable=SC2086
  set -- ${first##*) }
  started=${20}
  read_first "/proc/$pid/comm" || first=
  program=$(readlink "/proc/$pid/exe")
  version=
  case ${program##*/} in redis-server* | redis-check-rdb* | valkey-server* | valkey-check-rdb*)
    # Of the process's own, as the file may have been replaced since.
    # shellcheck disable=SC3013  # dash and busybox know -ef
    [ "/proc/$pid/exe" -ef "$asked" ] || told=$("/proc/$pid/exe" --version 2>/dev/null)
    asked=/proc/$pid/exe version=${told%%"$newline"*} ;;
  esac
  say process "$pid" "$first" "$started" "$(readlink "/proc/$pid/cwd")" "$program" "$version"
}

part_processes() {
  pids=$(each "$SW_INSTANCES" one_pidfile; printf '%s\n' "$SW_SEEN_PIDS")
  asked=
  each "$(printf '%s\n' "$pids" | sort -u)" one_process
}
one_pidfile() {
  first=
  if read_first "${1##*|}"; then
    case $first in *[!0-9]* | '') ;; *) printf '%s\n' "$first" ;; esac
  fi
}

one_kernel() {
  if [ ! -e "$1" ]; then say kernel "$1" absent ""; return; fi
  access=read-only
  [ -w "$1" ] && access=writable
  value=$(head -n 1 "$1" 2>/dev/null) # not `read`, which asks for a byte at a time: below /proc/sys there is a first one only
  case $value in *\[*\]*) value=${value#*\[} value=${value%%\]*} ;; esac
  say kernel "$1" $access "$value"
}
part_kernel() { each "$SW_KERNEL" one_kernel; }

one_mount() {
  awk -v t="$1" '$2 == t { print "mounted\t" $2 "\t" $1 "\t" $3 "\t" $4 }' /proc/self/mounts | tail -n 1
  awk -v t="$1" '$1 !~ /^#/ && $2 == t { print "fstab\t" $2 "\t" $1 "\t" $3 "\t" $4 }' /etc/fstab 2>/dev/null | tail -n 1
}
part_mounts() { each "$SW_MOUNTS" one_mount; }

one_place() { # the nearest directory that exists, for the path may not be there yet
  place=$1
  while [ -n "$place" ] && [ ! -d "$place" ]; do place=${place%/*}; done
  printf '%s\t%s\n' "$1" "${place:-/}"
}

part_disks() {
  each "$SW_DISKS" one_place | while IFS=$tab read -r path place; do
    printf 'path\t%s\n' "$path"
    df -Pk "$place"
  done | awk '
    /^path\t/ { path = substr($0, 6); row = 0; next }
    ++row == 2 {
      for (f = 1; f <= NF; f++) if ($f ~ /^[0-9]+%$/) { point = $(f + 1); total = $(f - 3); free = $(f - 1) }
      options = ""
      while ((getline mount < "/proc/self/mounts") > 0) { split(mount, m, " "); if (m[2] == point) options = m[4] }
      close("/proc/self/mounts")
      print "disk\t" path "\t" total "\t" free "\t" point "\t" options
    }'
}

if timeout -k 1 1 true 2>/dev/null; then limit() { timeout -k 1 "$@"; }
elif timeout 1 true 2>/dev/null; then limit() { timeout "$@"; }
else limit() { shift; "$@"; }; fi

attempt() { # <seconds> <part>
  limit "$1" sh -c "$SELF" gather "$2" </dev/null 2>/dev/null || say silent "$2" $?
}

together() { # <part>...: all of them in this process, each named once it is done
  for part in "$@"; do
    found=$("part_$part" || true) || continue
    [ "$part" != listeners ] || SW_SEEN_PIDS=$(each "$found" one_holder)
    printf '%s\n' "$found"
    say did "$part"
  done
}

main() { # <part>...
  seen=$(limit 5 sh -c "$SELF" gather together "$@" </dev/null 2>/dev/null)
  printf '%s\n' "$seen"
  SW_SEEN_PIDS=$(each "$seen" one_holder)
  export SW_SEEN_PIDS
  for name in "$@"; do
    case $seen$newline in *"did$tab$name$newline"*) continue ;; esac
    case $name in
      base | engine | user | paths) found=$(attempt 20 "$name") ;;
      *) found=$(attempt 10 "$name") ;;
    esac
    printf '%s\n' "$found"
    SW_SEEN_PIDS=$SW_SEEN_PIDS$newline$(each "$found" one_holder)
  done
  say end
}

case $1 in
  main) main base engine user paths instances nodes services kernel mounts disks listeners processes ;;
  together)
    shift
    together "$@"
    ;;
  *) "part_$1" || true ;;
esac
