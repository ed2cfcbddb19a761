# shellcheck shell=sh disable=SC2016,SC2154
# Tries to open a TCP connection to each of $targets, a host and a port a line, with whatever can do that here. Prints
# `closed`, host, port and reason, parted by tabs, for each that failed, and `end`; `no-means` where nothing can try. $limit,
# $patience (seconds of the first and the second try) and $at_once are put in front, as $targets is.
export LC_ALL=C
if command -v bash >/dev/null && bash -c ': 3<>/dev/null' 2>/dev/null; then how=bash
elif command -v python3 >/dev/null; then how=python3
elif command -v nc >/dev/null; then how=nc
else echo 'no-means'; exit 0; fi
try() {
  case $how in
    bash) timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1 ;;
    python3) timeout "$limit" python3 -c '
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()
except OSError as error:
    sys.exit(str(error))' "$1" "$2" 2>&1 ;;
    nc) nc -z -w "$limit" "$1" "$2" 2>&1 ;;
  esac
}
one() {
  said=$(try "$1" "$2") && return
  code=$?
  if [ $code = 124 ]; then
    limit=$patience
    said=$(try "$1" "$2") && return
    code=$?
  fi
  [ $code = 124 ] && said='no answer within '$limit' s'
  printf 'closed\t%s\t%s\t%s\n' "$1" "$2" "$(printf %s "${said##*: }" | tail -n 1 | tr '\t' ' ')"
}
running=0
while read -r host port; do
  one "$host" "$port" &
  running=$((running + 1))
  if [ "$running" -ge "$at_once" ]; then wait; running=0; fi
done <<END
$targets
END
wait
echo end
