# luarocks install from source rocks: cargo builds the library, for Prosody's Lua and for one that
# has headers here (LuaRocks insists on those) but no interpreter. Prosody runs with the first.
# Needs: cargo-web gcc libc6-dev liblua5.3-dev liblua5.4-dev make

# In place of the network, the crates that cargo would download.
mkdir -p "$HOME/.cargo"
cat >"$HOME/.cargo/config.toml" <<-END
	[source.crates-io]
	replace-with = "vendored-sources"
	[source.vendored-sources]
	directory = "/staged/vendor"
END

# needs LUA_VERSION FUNCTION: whether the library that was installed for that Lua calls the function.
needs() { nm --dynamic --undefined-only "/usr/local/lib/lua/$1/prosody_components.so" | grep -qw "$2"; }

for lua_version in 5.3 "$(prosodys_lua)"; do
	luarocks --lua-version="$lua_version" install --server=/dist/rocks/source mod_component_http
	luarocks --lua-version="$lua_version" install --server=/dist/rocks/source mod_client_proxy
done
# What only the C API of that version has: Lua 5.4 renamed the one, Lua 5.3 invented the other.
{ needs 5.3 lua_newuserdata && needs 5.3 lua_rotate; } || fail 'the library in the tree of Lua 5.3 is for another version'

configure
search_in "/usr/local/share/lua/$lua_version"
start_prosody
converse
stop_prosody
