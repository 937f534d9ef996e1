#!/bin/bash
# Packs the library, as it is built for one Lua, and the modules into binary rocks, and
# everything into source rocks, each in a directory that luarocks takes as a server.
#
#     packaging/rocks/pack.sh LUA_VERSION VERSION SOURCE_ARCHIVE DIRECTORY MODULE…
#
# SOURCE_URL in the environment is where the source archive will be published.
set -euo pipefail

lua_version=$1 version=$2 archive=$(realpath "$3") directory=$4
shift 4
modules=("$@")

templates=$(dirname "${BASH_SOURCE[0]}")
source_url=${SOURCE_URL:-file://$archive}
luarocks=(luarocks "--lua-version=$lua_version")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first line of a module says what it is.
summary() { sed -n '1s/^-- *\(mod_[a-z_]*: *\)\?//p' "lua/$1.lua"; }

# rockspec TEMPLATE ROCK LUA_DEPENDENCY: writes ROCK's rockspec and says where.
rockspec() {
	local file=$work/rockspecs/$2-$version-1.rockspec
	mkdir -p "$work/rockspecs"
	sed -e "s|@VERSION@|$version|g" -e "s|@SOURCE_URL@|$source_url|g" -e "s|@LUA@|$3|g" \
		-e "s|@MODULE@|$2|g" -e "s|@SUMMARY@|$(summary_of "$2")|g" "$templates/$1" >"$file"
	echo "$file"
}

summary_of() { [ ! -e "lua/$1.lua" ] || summary "$1"; }

# server DIRECTORY ROCK…: a directory with these rocks and their manifest, and nothing else.
server() {
	local directory=$1
	shift
	rm -rf "$directory"
	mkdir -p "$directory"
	mv "$@" "$directory"
	luarocks-admin "--lua-version=$lua_version" make-manifest "$directory" >/dev/null
}

any_lua='lua >= 5.1, < 5.5'
this_lua="lua >= $lua_version, < 5.$((${lua_version#5.} + 1))"

mkdir "$work/source" "$work/binary"

for rock in prosody-components "${modules[@]}"; do
	template=module.rockspec.in
	[ "$rock" != prosody-components ] || template=prosody-components.rockspec.in

	file=$(rockspec "$template" "$rock" "$any_lua")
	(cd "$work/source" && "${luarocks[@]}" pack "$file")

	# Its binary form is for this Lua alone.
	file=$(rockspec "$template" "$rock" "$this_lua")
	"${luarocks[@]}" make --tree="$work/tree" --deps-mode=one "$file"
	(cd "$work/binary" && "${luarocks[@]}" pack --tree="$work/tree" "$rock")
done

server "$directory" "$work"/binary/*.rock
server "$(dirname "$directory")/source" "$work"/source/*.rock
ls "$directory" "$(dirname "$directory")/source"
