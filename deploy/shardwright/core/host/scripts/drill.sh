# What a drill does on a host: breaks its part, and mends it. Without state of its own but for one directory.
#
# Asked for by SW_VERB (strike, lift), SW_NAME (cluster), SW_KIND (process, host, zone), SW_SECONDS (after which it mends
# itself), SW_PORTS (all client and bus ports of the cluster), SW_MATES (addresses that stay reachable), SW_MANAGER,
# SW_CONTROL, SW_VICTIMS (port|service|pidfile|data, a line each: servers to kill).
# The timer is set before anything is broken: whoever asked for the drill may be gone by the time it should be over.
set -u
export LC_ALL=C
table="shardwright_drill_$(printf %s "$SW_NAME" | tr -c 'a-zA-Z0-9' _)"
chain="SWDRILL-$(printf %s "$SW_NAME" | cksum | cut -d' ' -f1)"
unit="shardwright-drill-$SW_NAME"
base=/run
if [ "$(id -u)" != 0 ]; then base=${XDG_RUNTIME_DIR:-/tmp}; fi
dir="$base/shardwright-drill-$(id -u)-$SW_NAME"

die() { # TEXT
    printf 'failed\t%s\n' "$1"
    exit 1
}

arm() { # SCRIPT
    mkdir -m 0700 "$dir" 2>/dev/null || die "can't make $dir"
    cp "$1" "$dir/script" || die "can't write $dir/script"
    if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
        systemctl reset-failed "$unit.service" 2>/dev/null
        systemd-run --quiet --collect --unit="$unit" \
            /bin/sh -c "sleep $SW_SECONDS; SW_TIMER=1 SW_VERB=lift exec /bin/sh $dir/script" ||
            die "systemd-run could not set the timer that mends it"
        return
    fi
    command -v setsid >/dev/null || die "no setsid there, for the timer that mends it"
    # shellcheck disable=SC2016  # expanded by the inner shell
    SW_TIMER=1 SW_VERB=lift setsid /bin/sh -c 'sleep "$1"; exec /bin/sh "$2/script"' timer "$SW_SECONDS" "$dir" \
        </dev/null >/dev/null 2>&1 &
    printf '%s\n' "$!" >"$dir/timer"
}

disarm() {
    [ -n "${SW_TIMER-}" ] && return
    if [ -f "$dir/timer" ]; then
        kill -TERM "-$(cat "$dir/timer")" 2>/dev/null
    elif [ -d /run/systemd/system ]; then
        systemctl stop "$unit.service" 2>/dev/null
    fi
}

cut_nft() {
    {
        printf 'table inet %s {\n' "$table"
        for way in input:saddr output:daddr; do
            printf 'chain %s { type filter hook %s priority -200;\n' "${way%:*}" "${way%:*}"
            for mate in $SW_MATES; do
                case $mate in *:*) family=ip6 ;; *) family=ip ;; esac
                printf '%s %s %s accept\n' "$family" "${way#*:}" "$mate"
            done
            for port in $SW_PORTS; do printf 'tcp sport %s drop\ntcp dport %s drop\n' "$port" "$port"; done
            printf '}\n'
        done
        printf '}\n'
    } | nft -f - 2>&1
}

cut_iptables() { # PROGRAM
    "$1" -w -N "$chain" || return 1
    for mate in $SW_MATES; do
        case $mate:$1 in *:*:iptables) continue ;; *:*:ip6tables | *:iptables) ;; *) continue ;; esac
        "$1" -w -A "$chain" -s "$mate" -j RETURN && "$1" -w -A "$chain" -d "$mate" -j RETURN || return 1
    done
    for port in $SW_PORTS; do
        for side in --sport --dport; do "$1" -w -A "$chain" -p tcp "$side" "$port" -j DROP || return 1; done
    done
    "$1" -w -I INPUT -j "$chain" && "$1" -w -I OUTPUT -j "$chain"
}

cut_off() {
    [ "$(id -u)" = 0 ] || die "cutting a host off needs root, or sudo"
    if command -v nft >/dev/null && said=$(cut_nft); then return; fi
    if command -v iptables >/dev/null && said=$(cut_iptables iptables 2>&1); then
        if command -v ip6tables >/dev/null; then cut_iptables ip6tables >/dev/null 2>&1; fi
        return
    fi
    die "neither nft nor iptables cut it off there: ${said-both are missing}"
}

join_again() {
    command -v nft >/dev/null && nft delete table inet "$table" 2>/dev/null
    for program in iptables ip6tables; do
        command -v "$program" >/dev/null || continue
        "$program" -w -D INPUT -j "$chain" 2>/dev/null
        "$program" -w -D OUTPUT -j "$chain" 2>/dev/null
        "$program" -w -F "$chain" 2>/dev/null
        "$program" -w -X "$chain" 2>/dev/null
    done
    return 0
}

is_cut() {
    { command -v nft >/dev/null && nft list table inet "$table" >/dev/null 2>&1; } ||
        { command -v iptables >/dev/null && iptables -w -S "$chain" >/dev/null 2>&1; }
}

kill_server() { # PORT PIDFILE DATA
    pid=$(cat "$2" 2>/dev/null)
    case $pid in '' | *[!0-9]*) die "$2 names no process" ;; esac
    real=$(cd "$3" 2>/dev/null && pwd -P)
    [ -n "$real" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$real" ] ||
        die "pid $pid of $2 is not the server of $3"
    kill -KILL "$pid" || die "pid $pid could not be killed"
    printf 'killed\t%s\t%s\n' "$1" "$pid"
}

keep_down() { # SERVICE: or the service manager starts it again at once
    case $SW_MANAGER in
    systemd) systemctl stop "$1" ;;
    openrc) rc-service -q "$1" stop ;;
    esac
}

bring_up() { # PORT SERVICE
    case $SW_MANAGER in
    systemd)
        systemctl reset-failed "$2" 2>/dev/null
        systemctl start "$2"
        ;;
    openrc) rc-service -q "$2" status >/dev/null || rc-service -q "$2" start ;;
    *) "$SW_CONTROL" start "$1" ;;
    esac
}

each_victim() { # FUNCTION
    printf '%s\n' "$SW_VICTIMS" | {
        while IFS='|' read -r port service pidfile data; do
            if [ -n "$port" ]; then "$1" "$port" "$service" "$pidfile" "$data" </dev/null || exit 1; fi
        done
    }
}

strike_one() {
    kill_server "$1" "$3" "$4"
    if [ "$SW_KIND" = host ]; then keep_down "$2"; fi
}

lift_one() { bring_up "$1" "$2" >/dev/null 2>&1 || die "$2 (port $1) does not start"; }

strike() { # SCRIPT
    if [ -d "$dir" ]; then lift; fi
    arm "$1"
    if [ "$SW_KIND" != process ]; then cut_off; fi
    each_victim strike_one || exit 1
    echo struck
}

lift() {
    join_again
    if is_cut; then die "it is still cut off"; fi
    if [ -d "$dir" ]; then each_victim lift_one || exit 1; fi
    disarm
    rm -rf "$dir"
    echo lifted
}

case ${SW_VERB-} in
strike) strike "$1/script" ;;
lift) lift ;;
esac
