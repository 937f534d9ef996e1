#!/bin/bash
# Builds the Debian package from a source archive, offline but for the crates themselves,
# and has lintian judge it.
#
#     packaging/debian.sh SOURCE_ARCHIVE DIRECTORY
#
# Rust from rustup satisfies no build dependency of a package; hence dpkg-buildpackage -d.
set -euo pipefail

archive=$(realpath "$1") directory=$(realpath "$2")
name=$(basename "$archive" .tar.gz)
version=${name#prosody-components-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar --extract --gzip --file="$archive" --directory="$work"
cd "$work/$name"
cp -a packaging/debian debian

changelog=$(dpkg-parsechangelog --show-field Version)
if [ "${changelog%-*}" != "$version" ]; then
	echo "packaging/debian/changelog is at $changelog, Cargo.toml at $version" >&2
	exit 1
fi

cargo vendor --locked --quiet --versioned-dirs vendor >"$work/cargo-config"
packaging/copyright.py --config=debian/vendor.toml --offline >debian/copyright

# The changelog's date counts from here on, as in every build of this package.
unset SOURCE_DATE_EPOCH MAKEFLAGS MFLAGS MAKELEVEL
dpkg-buildpackage -d --build=binary --unsigned-changes --unsigned-buildinfo
cd ..
# What is suppressed matters to an upload to Debian alone.
lintian --fail-on error,warning --suppress-tags bogus-mail-host,initial-upload-closes-no-bugs ./*.changes
# An earlier version would be installed beside this one by whoever installs what is there.
rm -f "$directory"/prosody-components*_*.deb "$directory"/prosody-components_*.buildinfo \
	"$directory"/prosody-components_*.changes
mv ./*.deb ./*.buildinfo ./*.changes "$directory"
