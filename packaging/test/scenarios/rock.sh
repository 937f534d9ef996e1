# prosodyctl install as an admin calls it, without a compiler; upgrade, list and remove.

lua_version=$(sed -n '1s/.*lua//p' /usr/bin/prosody)
server=/dist/rocks/$lua_version
version=$(basename "$server"/mod_component_http-*.rock | sed 's/.*-\(.*\)-1.*/\1/')

prosodyctl install --server="$server" mod_component_http
prosodyctl install --server="$server" mod_client_proxy
prosodyctl list | tee /tmp/list
for rock in mod_component_http mod_client_proxy prosody-components; do
	grep -q "^$rock" /tmp/list || fail "prosodyctl list does not know $rock"
done
! find /var/lib/prosody/custom_plugins -not -user prosody | grep . || fail 'not installed by the user prosody'

configure
start_prosody
converse
stop_prosody

# An upgrade is another install. The library comes with whichever module is upgraded first.
next=/staged/next/rocks/$lua_version
prosodyctl install --server="$next" mod_component_http
prosodyctl install --server="$next" mod_client_proxy
# The older library stays as long as the older of the two modules; it is in nobody's way.
rocks=/var/lib/prosody/custom_plugins/lib/luarocks/rocks-$lua_version
! ls -d "$rocks"/mod_*/"$version"-1 || fail 'an upgrade leaves the older modules'
start_prosody
converse
stop_prosody

prosodyctl remove mod_client_proxy
prosodyctl remove mod_component_http
prosodyctl remove prosody-components
! find /var/lib/prosody/custom_plugins -name '*component*' -o -name '*client_proxy*' | grep . || fail 'remove leaves files'
