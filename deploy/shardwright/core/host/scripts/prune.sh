# shellcheck shell=sh
# Old versions of bundled engines: which are in use, and how one goes. For dash and busybox alike.
# In use is what any link in the prefix or one below leads to (each cluster's `current`, and those that somebody put there by
# hand), and what a process runs, has mapped or holds open.

in_use() { # <prefix> <version's directory>
  for link in "$1"/* "$1"/*/*; do
    case $link in "$2"/*) continue ;; esac
    [ -L "$link" ] || continue
    case $(readlink -f "$link" 2>/dev/null) in "$2" | "$2"/*) return 0 ;; esac
  done
  # shellcheck disable=SC2010,SC2012
  ls -l /proc/[0-9]*/exe /proc/[0-9]*/cwd /proc/[0-9]*/fd 2>/dev/null | grep -qF -e "-> $2/" && return 0
  cat /proc/[0-9]*/maps 2>/dev/null | grep -qF -e " $2/"
}

unused() { # <prefix>: versions that nothing uses, newest first, a line each: seconds, KiB, directory
  for path in "$1"/*/installed.sha256; do
    directory=$(readlink -f "${path%/*}")
    if [ ! -f "$path" ] || [ -L "${path%/*}" ] || [ ! -f "$directory/bundle.sha256" ]; then continue; fi
    in_use "$(readlink -f "$1")" "$directory" && continue
    # What a killed pruning has left has the file yet, and may lack all else: it must not be the one that stays.
    case $directory in *.damaged.*) age=0 ;; *) age=$(stat -c %Y "$path") ;; esac
    printf '%s\t%s\t%s\n' "$age" "$(du -sk "$directory" | cut -f 1)" "$directory"
  done | sort -rn
}

drop_version() { # <prefix> <version's directory>: looked at again, for it was a while ago that it was listed
  prefix=$(readlink -f "$1")
  case $2 in "$prefix"/?*) ;; *) refuse not-a-version "$2 is not below $prefix" "nothing: it was left" ;; esac
  [ -d "$2" ] || return 0
  if in_use "$prefix" "$2"; then refuse version-in-use "$2 is used by now, so it was left" "nothing"; fi
  # A version that is not whole is no version: what is left after a kill is swept by the next installation.
  mv -- "$2" "$2.damaged.$$" && rm -rf -- "$2.damaged.$$"
}
