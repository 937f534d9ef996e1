#!/bin/sh
# Checks that the built libraries named as arguments are fit to be loaded into any Prosody:
# small, stripped, in need of the C library alone, never unloaded, one symbol to be seen.
set -eu

limit=$((4 * 1024 * 1024))

fail() {
	printf '%s: %s: %s\n' "${0##*/}" "$library" "$*" >&2
	exit 1
}

for library in "$@"; do
	size=$(stat -c %s "$library")
	[ "$size" -lt "$limit" ] || fail "$size bytes, more than $limit"

	needed=$(readelf --dynamic --wide "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	for name in $needed; do
		case $name in
		libc.so* | libc.musl-*.so* | ld-linux*.so* | ld-musl-*.so*) ;;
		*) fail "needs $name" ;;
		esac
	done
	readelf --dynamic --wide "$library" | grep -q NODELETE || fail 'can be unloaded: no -z nodelete'
	! readelf --sections --wide "$library" | grep -q '\.symtab' || fail 'not stripped'

	exported=$(nm --dynamic --defined-only --format=posix "$library" | cut -d ' ' -f 1)
	[ "$exported" = luaopen_prosody_components ] || fail "exports $exported"

	# musl has not everything that glibc has, and nobody asks before it loads the library. Lua brings its own.
	if [ "$needed" = libc.so ]; then
		loader=$(ls /lib/ld-musl-*.so.1)
		missing=$("$loader" --list "$library" 2>&1 | sed -n 's/.*: \([^:]*\): symbol not found$/\1/p' | sed '/^luaL\?_/d')
		[ -z "$missing" ] || fail "musl has no $missing"
	fi

	glibc=$(readelf --version-info --wide "$library" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
	echo "$library: $size bytes, needs $(echo "$needed" | paste -s -d , | sed 's/,/, /g')${glibc:+, $glibc}"
done
