-- What Lua 5.1 to 5.4 have in common.
std = "min"
max_line_length = 120
exclude_files = { "target" }

-- What Prosody gives to a module; it refuses to set any other global.
files["**/mod_*.lua"] = {
	globals = { "module" },
	read_globals = { "prosody" },
}

files["**/*_spec.lua"] = { std = "+busted" }
