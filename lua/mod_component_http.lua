-- A component written as a web service: stanzas go out as JSON, what comes back becomes stanzas.
-- What is done with them is decided in the library; here is how Prosody takes part in it.

local VERSION = "0.1.0";

local server = require "net.server";
local st = require "util.stanza";
local timer = require "util.timer";

local function refuse(problem)
	if module.log_status then
		module:log_status("error", "%s", problem);
	else -- COMPAT Prosody before 0.12
		module:log("error", "%s", problem);
	end
end

-- Prosody finds a module that LuaRocks has installed, but Lua does not find the library in the same tree.
local tree = module.path and module.path:match("^(.*)/share/lua/%d%.%d/");
local installed = tree and ("%s/lib/lua/%s/?.so"):format(tree, _VERSION:match("%d%.%d"));
if installed and not package.cpath:find(installed, 1, true) then
	package.cpath = package.cpath..";"..installed;
end

local found, native = pcall(require, "prosody_components");
if not found then
	return refuse(("the library prosody_components cannot be loaded into %s: %s"):format(_VERSION, native));
end
if native.version ~= VERSION then
	return refuse(("this module is version %s and the library prosody_components is version %s: restart Prosody, "
		.."and install both from one package if that does not help"):format(VERSION, native.version));
end

if module.host == "*" then return; end -- prosodyctl loads modules without a host

local is_virtual_host = module:get_host_type() ~= "component";
local get_option = function (name) return module:get_option(name); end
local stanza_mt = getmetatable(st.stanza("x"));
local component, problem = native.component_http(module.host, is_virtual_host, get_option, stanza_mt);
if not component then return refuse(problem); end
if component:uses_deprecated_name() then
	module:log("warn", "the option 'post_stanza_types' is deprecated: rename it to 'component_post_stanzas'");
end

-- COMPAT Prosody 0.9 measures nothing
local count_failure = module.measure and module:measure("failures", "counter") or function () end;

local function deliver(stanzas, notes, failures)
	for i = 1, notes and #notes or 0, 2 do
		module:log(notes[i], "%s", notes[i + 1]);
	end
	for _, stanza in ipairs(stanzas or {}) do
		local ok, err = pcall(module.send, module, stanza);
		if not ok then module:log("error", "cannot send a %s to %s: %s", stanza.name, stanza.attr.to, err); end
	end
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

local function stop()
	deliver(component:stop(false));
end

-- Prosody gets to see to others between the parts; if it ends meanwhile, the rest follows at once.
local function stop_in_parts()
	local stanzas, notes, failures, more = component:stop(true);
	deliver(stanzas, notes, failures);
	prosody.events.remove_handler("server-stopping", stop);
	if more then
		prosody.events.add_handler("server-stopping", stop, 1000);
		timer.add_task(0, stop_in_parts);
	end
end

-- Calls on_readable whenever the descriptor is readable; what it returns ends that.
local function watch_descriptor(descriptor, on_readable)
	if server.watchfd then
		local watch = server.watchfd(descriptor, on_readable);
		return function () if watch.close then watch:close(); else watch:setflags(false, false); end end
	elseif server.addevent then -- COMPAT Prosody before 0.11 with libevent
		local event = server.addevent(descriptor, server.event.EV_READ, function ()
			on_readable();
			return server.event.EV_READ;
		end);
		return function () event:close(); end
	end
	-- COMPAT Prosody before 0.11 with select: it asks its sockets for their descriptors. Its timers run once
	-- a second, but something that has to be written to what is always writable is written at once.
	local function nothing() end
	local watch = server.wrapclient({
		getfd = function () return descriptor; end;
		settimeout = nothing, receive = nothing, shutdown = nothing, close = nothing;
		send = function () return 0; end; -- bytes
	}, module.host, 0, { ondrain = function () drain(true); end });
	watch.readbuffer = on_readable;
	drain_soon = function () watch:write(""); end
	return function () watch:close(); end
end

local unwatch;
local function watch()
	unwatch = watch_descriptor(component:fd(), function () drain(false); end);
end

for _, event in ipairs(component:events()) do
	module:hook(event, receive, -1); -- after mod_iq, which knows of replies to requests of other modules
end
module:hook_global("server-stopping", stop, 1000); -- while there are sessions to send to
watch();

-- A reload hands the exchanges under way over to the module that is loaded next. If that fails, nobody
-- adopts them, and they are stopped.
local reloading = false;

function module.save()
	reloading = true;
	return { component = component };
end

function module.restore(data)
	if not data.component then return; end
	unwatch();
	component:adopt(data.component);
	watch();
	module:add_timer(0, function () drain(true); end);
	module:add_timer(0, expire);
end

function module.unload()
	unwatch();
	if reloading then timer.add_task(0, stop_in_parts); else stop_in_parts(); end
end
