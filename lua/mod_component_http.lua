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

local drain_later, drain_soon;
local function drain(by_timer)
	local stanzas, notes, failures, drain_after = component:drain(by_timer);
	drain_later(drain_after);
	deliver(stanzas, notes, failures);
end

function drain_later(delay)
	if delay == 0 and drain_soon then
		drain_soon();
	elseif delay then
		module:add_timer(delay, function () drain(true); end);
	end
end

local function expire()
	local stanzas, notes, failures, expire_after = component:expire();
	deliver(stanzas, notes, failures);
	return expire_after;
end

local function receive(event)
	local stanzas, notes, failures, drain_after, expire_after = component:receive(event.stanza);
	drain_later(drain_after);
	if expire_after then module:add_timer(expire_after, expire); end
	if stanzas or notes then deliver(stanzas, notes, failures); end
	return true;
end

local unwatch;
local function watch()
	unwatch, drain_soon = shared.watch(component:fd(), function () drain(false); end, function () drain(true); end);
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
		component:adopt(old);
		watch();
		module:add_timer(0, function () drain(true); end);
		module:add_timer(0, expire);
	end;
	leave = function () unwatch(); end;
	stop = function (in_parts)
		local stanzas, notes, failures, more = component:stop(in_parts);
		deliver(stanzas, notes, failures);
		return stanzas ~= nil, more;
	end;
});
