# shellcheck shell=sh disable=SC2154
# Installs one bundle: install ARCHIVE SHA256 TARGET CURRENT, after the lines that `install.py` writes above.
# For dash and busybox alike. TARGET appears by a rename, whole and synced, and CURRENT is switched last, so a kill at any
# point leaves either the old engine or the new one; what an interrupted run left is removed by the next.
# Failures are one line on stderr: [code] what was seen; hint: remedy.
# The lines above set: arch min_glibc product version server loader, and the functions sums and interpreters.

archive=$1 sha256=$2 target=$3 current=$4
part=$target.part.$$

refuse() { # <code> <what was seen> <remedy>
  printf '[%s] %s; hint: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

rename() { # <from> <to>: over what is there, never into it
  if mv --help 2>&1 | grep -q -e '-T'; then
    mv -fT "$1" "$2"
  elif [ -L "$2" ] || [ -f "$2" ]; then
    ln -sfn "$(readlink "$1")" "$2" && rm -f "$1"
  elif [ ! -e "$2" ]; then
    mv -f "$1" "$2"
  else
    return 1
  fi
}

flush() { sync -f "$1" 2>/dev/null || sync; }

whole() { # <directory>: every installed file has the hash that it was installed with
  [ -f "$1/installed.sha256" ] && (cd "$1" && sha256sum -c installed.sha256 >/dev/null 2>&1)
}

sweep() { # what runs that no longer live have left
  for left in "$(dirname "$target")"/*.part.* "$(dirname "$target")"/*.damaged.* "$current".new.*; do
    [ -e "$left" ] || [ -L "$left" ] || continue
    kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
  done
}

host_libc() {
  getconf GNU_LIBC_VERSION 2>/dev/null || { ldd --version 2>&1 | grep -i -m 1 -e libc -e musl; } || echo "an unknown libc"
}

runs() { # <command>...: says the version that the manifest promises
  if ! said=$("$@" --version 2>&1); then
    need="a kernel that runs $arch"
    [ "$min_glibc" = any ] || need="glibc $min_glibc or newer"
    refuse bundle-does-not-run "$server $version needs $need, this host has $(host_libc); it said: $said" \
      "take the engine from packages, or a bundle with its own libc: shardwright bundle build"
  fi
  case $said in
    *"v=$version "*) ;;
    *) refuse bundle-other-version "wanted $product $version, the server says: $said" "fetch or build the bundle again" ;;
  esac
}

place() { # <executable> <offset> <size>: write the loader's path of this installation into it
  path=$target/$loader
  [ "${#path}" -lt "$3" ] || refuse bundle-prefix-long \
    "$path has ${#path} characters, at most $(($3 - 1)) fit" "choose a shorter paths.prefix"
  { printf %s "$path" && dd if=/dev/zero bs=1 count=$(($3 - ${#path})) 2>/dev/null; } |
    dd of="$part/$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

unpack() {
  printf '%s  %s\n' "$sha256" "$archive" | sha256sum -c >/dev/null 2>&1 || refuse bundle-hash \
    "$archive has sha256 $(sha256sum <"$archive" | cut -c 1-64), wanted $sha256" "run again; it was damaged on its way"
  mkdir -p "$(dirname "$target")" && mkdir -m 0755 "$part" || exit 1
  tar -xzof "$archive" -C "$part" || exit 1
  sums >"$part.sums" && mv "$part.sums" "$part/bundle.sha256"
  (cd "$part" && sha256sum -c bundle.sha256 >/dev/null 2>&1) || refuse bundle-damaged \
    "$(cd "$part" && sha256sum -c bundle.sha256 2>&1 | grep -v ': OK$' | head -n 3 | tr '\n' ' ')" \
    "look at the host's disk (dmesg, df), then run again"
  interpreters | while read -r offset size path; do place "$path" "$offset" "$size" || exit 1; done || exit 1
  if [ -n "$loader" ]; then runs "$part/$loader" "$part/$server"; else runs "$part/$server"; fi
  (cd "$part" && { sums | cut -c 67-; } | xargs sha256sum >installed.sha256) || exit 1
  flush "$part"
}

set -u
umask 022
[ "$(uname -m)" = "$arch" ] || refuse bundle-arch "the bundle is for $arch, this host is $(uname -m)" \
  "shardwright bundle build --arch $(uname -m)"
if [ -e "$current" ] && [ ! -L "$current" ]; then
  refuse path-in-the-way "$current is there and no link" "move it away"
fi
trap 'rm -rf "$part" "$part.sums" "$current.new.$$"' EXIT
trap 'exit 1' HUP INT TERM
sweep
done=unchanged
if ! whole "$target"; then
  done=installed
  unpack
  [ ! -e "$target" ] || rename "$target" "$target.damaged.$$" || exit 1
  rename "$part" "$target" || whole "$target" || refuse bundle-in-the-way "$target appeared meanwhile" "run again"
  flush "$(dirname "$target")"
  rm -rf "$target.damaged.$$"
fi
runs "$target/$server"
if [ "$(readlink "$current" 2>/dev/null)" != "$target" ]; then
  done=installed
  mkdir -p "$(dirname "$current")" && ln -s "$target" "$current.new.$$" && rename "$current.new.$$" "$current" || exit 1
  flush "$(dirname "$current")"
fi
printf '%s %s\n' "$done" "$target"
