# shellcheck shell=sh
# Starts and restarts servers by the host's service manager, and says why one did not come up. Sourced text, for dash and
# busybox alike; a function says on stderr why it failed, as `[code] what was seen; hint: remedy`.

refuse() { # <code> <what was seen> <remedy>
  printf '[%s] %s; hint: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

listening() { # <port in hexadecimal>
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$1" '$4 == "0A" && substr($2, length($2) - 4) == p { f = 1 } END { exit !f }'
}

reason() { # <unit>: its last words, without those lines in which the server repeats its configuration
  journalctl -u "$1" -n 30 -o cat --no-pager 2>/dev/null | grep -v '^>>>' |
    grep -E 'shardwright-guard:|[#*] |rror|denied|refused|FATAL' | tail -n 2
}

damaged() { # <data directory>; a log on stdin: refuses where the server's last start ended because it can't read its data
  # Without the advice to repair in place: what comes after the damage would be thrown away.
  found=$(awk '
    /is starting oO0|FATAL CONFIG FILE/ { words = file = "" }
    match($0, /appendonly\.aof[.a-z0-9]*|[^ ]*\.rdb$/) { file = substr($0, RSTART, RLENGTH) }
    words == "" && /Bad file format reading|(End|end) of file reading the append|Unrecoverable error reading the append|Error reading the RDB preamble|Unable to obtain the AOF file|Invalid AOF manifest|Internal error in RDB reading|Unexpected EOF reading RDB|Wrong signature trying to load|Short read or OOM loading DB|Wrong RDB checksum/ {
      words = $0; sub(/^[^#*]*[#*] /, "", words); sub(/[:.] ?(make a backup|You can: ).*/, "", words)
    }
    END { if (words != "") {
      if (file == "") file = words ~ /manifest/ ? "appendonly.aof.manifest" : "dump.rdb"
      print file " (" words ")"
    } }')
  [ -z "$found" ] || refuse data-damaged "the server can't read its data in $1: $found; nothing of it was changed" \
    "keep a copy; if another member of its shard lives, move all of $1 but .shardwright-node away and deploy again: it joins \
as a replica; else restore a backup; never repair the only copy in place"
}

seconds() { # since the machine was started: setting its clock shortens and lengthens no wait
  read -r up _ </proc/uptime && printf '%s\n' "${up%%.*}"
}

start_systemd() { # <seconds> <data directory with %> <unit>=<port in hexadecimal>...
  end=$(($(seconds) + $1)) data=$2
  shift 2
  units=
  for pair in "$@"; do units="$units ${pair%=*}"; done
  # shellcheck disable=SC2086
  {
    systemctl reset-failed $units 2>/dev/null
    systemctl start --no-block $units || return 1
    timeout $((end - $(seconds))) systemctl -q start $units 2>/dev/null # waits for them; how they are is asked below
  }
  await_systemd "$end" "$data" "$@"
}

await_systemd() { # <end, as of seconds> <data directory with %> <unit>=<port in hexadecimal>...
  end=$1 data=$2
  shift 2
  for pair in "$@"; do
    unit=${pair%=*}
    until [ "$(systemctl show -p ActiveState --value "$unit")" = active ] && listening "${pair##*=}"; do
      case $(systemctl show -p ActiveState,SubState "$unit" | tr '\n' ' ') in
        *ActiveState=failed* | *SubState=auto-restart*)
          why=$(reason "$unit" | tr '\n' ' ')
          case $why in *'shardwright-guard: ['*) printf '%s\n' "${why##*shardwright-guard: }" >&2; return 1 ;; esac
          journalctl -u "$unit" -n 9999 -o cat --no-pager 2>/dev/null | damaged "${data%%%*}$((0x${pair##*=}))${data#*%}" || return 1
          refuse start-failed "$unit ended at once: ${why:-no words in its journal}" "journalctl -u $unit"
          ;;
      esac
      if [ "$(seconds)" -ge "$end" ]; then
        listening "${pair##*=}" && break # it loads its data, which takes as long as it takes
        refuse start-late "$unit does not listen yet" "journalctl -u $unit"
      fi
      sleep 0.1 2>/dev/null || sleep 1
    done
  done
}

start_openrc() { # <service>...
  for service in "$@"; do
    rc-update -q add "$service" default && rc-service -q "$service" start || return 1
  done
}

start_direct() { # <control> <log with %> <data directory with %> <port>...
  control=$1 logs=$2 data=$3
  shift 3
  said=$("$control" start "$@" 2>&1) && return 0
  case $said in *'shardwright-guard: ['*)
    printf '%s\n' "$said" | grep -o '\[[a-z-]*\].*' | head -n 1 >&2
    return 1
    ;;
  esac
  for port in "$@"; do
    "$control" status "$port" >/dev/null 2>&1 && continue
    log=${logs%%%*}$port${logs#*%}
    tail -c 999999 "$log" 2>/dev/null | damaged "${data%%%*}$port${data#*%}" || return 1
    last=$(grep -v '^>>>' "$log" 2>/dev/null | tail -n 2 | tr '\n' ' ')
    refuse start-failed "the server on port $port ended at once: ${last:-$said}" "look at the end of $log"
  done
  printf '%s\n' "$said" >&2
  return 1
}

restart_systemd() { # <seconds> <data directory with %> <unit>=<port in hexadecimal>...
  end=$(($(seconds) + $1)) data=$2
  shift 2
  units=
  for pair in "$@"; do units="$units ${pair%=*}"; done
  # shellcheck disable=SC2086
  {
    systemctl reset-failed $units 2>/dev/null
    ! systemctl show -p NeedDaemonReload --value $units | grep -q yes || systemctl daemon-reload || return 1
    timeout $((end - $(seconds))) systemctl -q restart $units 2>/dev/null # how they are is asked below
  }
  await_systemd "$end" "$data" "$@"
}

restart_openrc() { # <service>...
  for service in "$@"; do
    rc-service -q "$service" restart || return 1
  done
}

restart_direct() { # <control> <log with %> <data directory with %> <port>...
  control=$1 logs=$2 data=$3
  shift 3
  SHARDWRIGHT_STOP_SECONDS=900 SHARDWRIGHT_START_SECONDS=900
  export SHARDWRIGHT_STOP_SECONDS SHARDWRIGHT_START_SECONDS
  said=$("$control" stop "$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    return 1
  }
  start_direct "$control" "$logs" "$data" "$@"
}

ask_guard() { # <guard> <port>...: what a start would refuse is known before the stop
  guard=$1
  shift
  for port in "$@"; do
    said=$("$guard" ask "$port" 2>&1) || {
      printf '%s\n' "$said" | grep -o '\[[a-z-]*\].*' >&2 || printf '%s\n' "$said" >&2
      return 1
    }
  done
}

agrees() { # <configuration> <yes or no>: the file says of appendonly what the server does; else it could come up empty
  said=$(awk '$1 == "appendonly" { gsub(/"/, "", $2); value = $2 } END { print value }' "$1")
  [ "$said" = "$2" ] || refuse restart-unsafe "$1 says appendonly '$said', and the server runs with '$2'" \
    "run the deploy, which settles the file: deploy/cluster.py"
}
