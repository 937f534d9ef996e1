# prosodyctl install as docs/install.markdown has it, without a compiler; upgrade, list and remove.

lua_version=$(prosodys_lua)
version=$(basename "/dist/rocks/$lua_version"/mod_component_http-*.rock | sed 's/.*-\(.*\)-1.*/\1/')
tree=/var/lib/prosody/custom_plugins

enter_private_home /dist/rocks
as_documented 'prosodyctl install' -v 'mod_client_proxy\|purge'
[ ! -e "$tree/share/lua/$lua_version/mod_client_proxy.lua" ] || fail 'the rock of one module brings the other'
as_documented 'prosodyctl install' mod_client_proxy
prosodyctl list | tee /tmp/list
for rock in mod_component_http mod_client_proxy prosody-components; do
	grep -q "^$rock" /tmp/list || fail "prosodyctl list does not know $rock"
done
for rock in mod_component_http mod_client_proxy prosody-components; do
	documents=$tree/lib/luarocks/rocks-$lua_version/$rock/$version-1/doc
	linked "$documents/README.markdown" "$documents"/docs/*.markdown
done
! find "$tree" -not -user prosody | grep . || fail 'not installed by the user prosody'

configure
start_prosody
converse
stop_prosody

# An upgrade is another install. The library comes with whichever module is upgraded first.
enter_private_home /staged/next/rocks
as_documented 'prosodyctl install' -v purge
rocks=$tree/lib/luarocks/rocks-$lua_version
! ls -d "$rocks"/mod_*/"$version"-1 || fail 'an upgrade leaves the older modules'
start_prosody
converse
stop_prosody

# The older library stays, under a name that Lua does not look for, until one clears it away.
ls -d "$rocks/prosody-components/$version-1" || fail 'what docs/install.markdown says of the older library is not so'
as_documented 'prosodyctl install' purge
[ "$(ls "$rocks/prosody-components")" = 9.9.9-1 ] || fail 'the older library is still there'

prosodyctl remove mod_client_proxy
prosodyctl remove mod_component_http
prosodyctl remove prosody-components
! find "$tree" -name '*component*' -o -name '*client_proxy*' | grep . || fail 'remove leaves files'
