#!/bin/bash
# Runs the scenarios named as arguments, each in a fresh copy of a stock Debian that has
# Prosody, luarocks and Python but no compiler, with a network of its own. Packages that a
# scenario's machine has beside these are named in its line "# Needs:". Needs root.
#
#     packaging/test/run.sh deb rock
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}

# stock [PACKAGE…]: makes an archive of the stock Debian with these packages, once, and says where.
stock() {
	local archive
	archive=$repository/target/test/$suite$(printf -- '-%s' "$@" | sed 's/^-$//').tar
	if [ ! -e "$archive" ]; then
		mkdir -p "$(dirname "$archive")"
		mmdebstrap --format=tar --variant=minbase \
			--include=prosody,luarocks,lua-unbound,python3,iproute2,ca-certificates \
			${1+--include="$*"} "$suite" "$archive.new" >&2
		mv "$archive.new" "$archive"
	fi
	echo "$archive"
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

for scenario in "$@"; do
	echo "== $scenario on $suite"
	needs=$(sed -n 's/^# Needs: //p' "$here/scenarios/$scenario.sh")
	# shellcheck disable=SC2086
	archive=$(stock $needs)
	find "$root" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
	tar --extract --file="$archive" --directory="$root"
	mkdir "$root/test"
	cp -r "$here"/*.py "$here"/*.sh "$here/scenarios" "$repository/spec/integration/harness" \
		"$repository/examples/echo.py" "$repository/docs/install.markdown" "$root/test"
	# Whichever of them the scenario's target has made.
	for made in dist test/staged; do
		[ ! -e "$repository/target/$made" ] || cp -r "$repository/target/$made" "$root/$(basename "$made")"
	done
	# Processes that a scenario leaves behind end with their process namespace.
	unshare --net --mount --pid --fork --kill-child --mount-proc="$root/proc" \
		chroot "$root" /bin/sh -eu /test/in-root.sh "$scenario"
done
