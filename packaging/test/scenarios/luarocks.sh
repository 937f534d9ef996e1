# LuaRocks without prosodyctl, as docs/install.markdown has it, into /usr/local, and Prosody is told to look there; upgrade, list and remove.

lua_version=$(prosodys_lua)
modules=/usr/local/share/lua/$lua_version
rocks() { luarocks --lua-version="$lua_version" "$@"; }
# The versions that are installed of a rock, newest first.
installed() { rocks list --porcelain | awk -v rock="$1" '$1 == rock { printf "%s ", $2 }'; }

enter_private_home /dist/rocks
as_documented LuaRocks -v 'mod_client_proxy\|purge'
[ ! -e "$modules/mod_client_proxy.lua" ] || fail 'the rock of one module brings the other'
as_documented LuaRocks mod_client_proxy
version=$(installed mod_component_http)
for rock in mod_client_proxy prosody-components; do
	[ "$(installed "$rock")" = "$version" ] || fail "luarocks list has '$(installed "$rock")' of $rock"
done

configure
search_in "$modules"
start_prosody
converse
stop_prosody

enter_private_home /staged/next/rocks
as_documented LuaRocks -v purge
[ "$(installed mod_component_http)$(installed mod_client_proxy)" = '9.9.9-1 9.9.9-1 ' ] \
	|| fail 'an upgrade leaves the older modules'
# LuaRocks leaves an older dependency, under a name that Lua does not look for.
[ "$(installed prosody-components)" = "9.9.9-1 $version" ] || fail 'what docs/install.markdown says of the older library is not so'
start_prosody
converse
stop_prosody
as_documented LuaRocks purge
[ "$(installed prosody-components)" = '9.9.9-1 ' ] || fail 'the older library is still there'
start_prosody
converse
stop_prosody

rocks remove mod_client_proxy
rocks remove mod_component_http
rocks remove prosody-components
! find /usr/local -name '*component*' -o -name '*client_proxy*' | grep . || fail 'remove leaves files'
