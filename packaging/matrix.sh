#!/bin/bash
# Runs the integration tests that show how the modules live inside Prosody, once for each of
# the network back ends that this Prosody has. The other tests are about the library alone.
#
#     PROSODY=path/to/bin/prosody packaging/matrix.sh SOURCE_DIRECTORY LUA [PYTEST OPTION…]
set -uo pipefail

source=$1 lua=$2
shift 2

tests=(request request_stanza response response_stanza errors delivery order presence rooms
	virtual_host options lifecycle reload reload_options shutdown federation
	client_proxy client_proxy_addresses client_proxy_options client_proxy_subscription)
files=("${tests[@]/#/spec/integration/test_}")

backends=(select)
"$lua" -e 'require "luaevent.core"' 2>/dev/null && backends+=(libevent)
[ ! -e "$source/net/server_epoll.lua" ] || backends+=(epoll)

failed=()
for backend in "${backends[@]}"; do
	echo "== $PROSODY on $backend"
	NETWORK_BACKEND=$backend "${PYTHON:-/usr/bin/python3}" -m pytest -q "$@" \
		"${files[@]/%/.py}" || failed+=("$backend")
done

[ ${#failed[@]} -eq 0 ] || { echo "$PROSODY fails on: ${failed[*]}"; exit 1; }
echo "$PROSODY passes on: ${backends[*]}"
