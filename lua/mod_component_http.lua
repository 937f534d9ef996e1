-- A component written as a web service: stanzas go out as JSON, what comes back becomes stanzas.
-- What is done with them is decided in the library; here is how Prosody takes part in it.

local VERSION = "0.2.0";

local st = require "util.stanza";

-- Prosody finds a module that LuaRocks has installed, but Lua does not find the library in the same tree.
local tree = module.path and module.path:match("^(.*)/share/lua/%d%.%d/");
local installed = tree and ("%s/lib/lua/%s/?.so"):format(tree, _VERSION:match("%d%.%d"));
if installed and not package.cpath:find(installed, 1, true) then
	package.cpath = package.cpath..";"..installed;
end

local found, native = pcall(require, "prosody_components");
if not found or native.version ~= VERSION then
	local problem = found
		and ("this module is version %s and the library prosody_components is version %s: restart Prosody, "
			.."and install both from one package if that does not help"):format(VERSION, native.version)
		or ("the library prosody_components cannot be loaded into %s: %s"):format(_VERSION, native);
	(module.log_status or module.log)(module, "error", "%s", problem); -- COMPAT Prosody before 0.12
	return;
end

if module.host == "*" then return; end -- prosodyctl loads modules without a host

local shared = native:shared(module, require, prosody);
local stanza_mt = getmetatable(st.stanza("x"));

local function new_component()
	local is_virtual_host = module:get_host_type() ~= "component";
	return native.component_http(module.host, is_virtual_host, shared.get_option, stanza_mt);
end

local component, problem = new_component();
if not component then return shared.refuse(problem); end

-- COMPAT Prosody 0.9 measures nothing
local count_failure = module.measure and module:measure("failures", "counter") or function () end;

local function deliver(stanzas, notes, failures)
	shared.log(notes);
	shared.send_all(stanzas);
	if failures and failures > 0 then count_failure(failures); end
end

-- Does what follows from something that has happened, and sets the timer that it asks for.
local later;
local function carry_out(stanzas, notes, failures, delay)
	later(delay);
	deliver(stanzas, notes, failures);
end

local function wake() carry_out(component:wake()); end
local function tick() carry_out(component:tick()); end

local unwatch, tick_soon;
local function watch()
	unwatch, tick_soon = shared.watch(component:fd(), wake, tick);
end

function later(delay)
	if delay == 0 and tick_soon then
		tick_soon();
	elseif delay then
		module:add_timer(delay, tick);
	end
end

local function receive(event)
	carry_out(component:receive(event.stanza));
	return true;
end

for _, event in ipairs(component:events()) do
	module:hook(event, receive, -1); -- after mod_iq, which knows of replies to requests of other modules
end
watch();
shared.log(component:introduce());

shared.live({
	state = component;
	check = function () return select(2, new_component()); end;
	adopt = function (old)
		unwatch();
		local delay = component:adopt(old);
		watch();
		later(delay);
	end;
	leave = function () unwatch(); end;
	close = function ()
		local stanzas, notes, failures, delay = component:close();
		deliver(stanzas, notes, failures);
		return stanzas ~= nil, delay ~= nil;
	end;
});
