-- What the shims of both modules have in common. The library brings this file along and calls it once for each module
-- that is loaded, with the module's own `module`, `require` and `prosody`; so it is always of the library's version.

local native, module, require, prosody = ...;

local server = require "net.server";
local st = require "util.stanza";
local timer = require "util.timer";
-- COMPAT Lua 5.1
local unpack = table.unpack or unpack; -- luacheck: ignore 113/unpack 143/table

local shared = { stanza_mt = getmetatable(st.stanza("x")) };

-- Seconds in which Prosody's loop gets what is buffered out to other servers and external components.
local TIME_TO_WRITE = 0.02;

local log_status = module.log_status or module.log; -- COMPAT Prosody before 0.12 keeps no status

-- Seconds for which a network back end is not made to wait whose timers run but once a second.
local SOON = 0.01;

-- What the library has made for the module.
local component;

-- Says why the module does not come up.
function shared.refuse(problem)
	log_status(module, "error", "%s", problem);
end

function shared.get_option(name)
	return module:get_option(name);
end

-- Notes that say how the module is until the next one says otherwise: they are shown as its status.
local status_levels = { down = "warn"; up = "info" };

local function log(level, line)
	local status_level = status_levels[level];
	if status_level then
		log_status(module, status_level, "%s", line);
	else
		module:log(level, "%s", line);
	end
end

-- Whether Prosody took the stanza. One that it cannot send keeps nobody else's back.
local function send(stanza)
	local ok, err = pcall(module.send, module, stanza);
	if not ok then module:log("error", "cannot send a %s to %s: %s", stanza.name, stanza.attr.to, err); end
	return ok;
end

-- Sends a stanza on with other addresses, and returns whether Prosody took it. As everywhere in Prosody it is the same
-- table that goes on, and whoever keeps it makes a copy. It gets its own addresses back: its sender may look at it once
-- more.
function shared.relay(stanza, to, from, id)
	local attr = stanza.attr;
	local own_to, own_from, own_id = attr.to, attr.from, attr.id;
	attr.to, attr.from, attr.id = to, from, id;
	local sent = send(stanza);
	attr.to, attr.from, attr.id = own_to, own_from, own_id;
	return sent;
end

function shared.relay_iq(iq, to, from, id)
	if not shared.relay(iq, to, from, id) then shared.carry_out(component:unsent(iq.attr.type, to, from, id)); end
end

local function timeout() shared.carry_out(component:timeout()); end

-- Sees to it that the component is called again, if a delay is given. A network back end whose timers run but once a
-- second may know a way to be called at once.
local timeout_soon;
function shared.set_timer(delay)
	if delay and delay < SOON and timeout_soon then
		timeout_soon();
	elseif delay then
		module:add_timer(delay, timeout);
	end
end

-- Does what follows from something that has happened to the component: what any call of it returns.
function shared.carry_out(stanzas, requests, notes, delay, responses)
	shared.set_timer(delay);
	for i = 1, notes and #notes or 0, 2 do log(notes[i], notes[i + 1]); end
	for i = 1, stanzas and #stanzas or 0 do send(stanzas[i]); end
	for i = 1, requests and #requests or 0, 4 do shared.relay_iq(unpack(requests, i, i + 3)); end
	if responses then shared.respond(responses); end
end

-- Concludes everything, or a part of it, and returns whether anything was sent for it and whether there is more.
local function close()
	local stanzas, requests, notes, delay, responses = component:close();
	shared.carry_out(stanzas, requests, notes, nil, responses);
	return stanzas ~= nil, delay ~= nil;
end

-- Calls on_readable whenever the descriptor is readable; what it returns ends that. The second result, if there is
-- one, calls on_drain at once.
local function watch(descriptor, on_readable, on_drain)
	if server.watchfd then
		local handle = server.watchfd(descriptor, on_readable);
		return function () if handle.close then handle:close(); else handle:setflags(false, false); end end
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
	local handle = server.wrapclient({
		getfd = function () return descriptor; end;
		settimeout = nothing, receive = nothing, shutdown = nothing, close = nothing;
		send = function () return 0; end; -- bytes
	}, module.host, 0, { ondrain = on_drain });
	handle.readbuffer = on_readable;
	return function () handle:close(); end, function () handle:write(""); end
end

-- COMPAT Some versions and network back ends end without writing what is buffered. Handlers of server-stopping may wait
-- where it is fired from a coroutine. One wait serves all components.
local function wait_until_written()
	local unwritten = native.unwritten;
	native.unwritten = nil;
	local found, async = pcall(require, "util.async");
	if not unwritten or not found or not async.ready() then return; end
	local wait, done = async.waiter();
	timer.add_task(TIME_TO_WRITE, done);
	wait();
end

-- An error that Prosody logs in one line: to a string it would add a traceback.
local function quiet(problem)
	local formats_tables = pcall(require, "util.format"); -- COMPAT Prosody before 0.11 adds it anyway
	return formats_tables and setmetatable({}, { __tostring = function () return problem; end }) or problem;
end

-- Lets the component take part in what becomes of the module: from now on in what wakes it, in the module's reload and
-- in its end. `check` says what would keep the module from coming up with the options as they are now.
function shared.live(made, check)
	component = made;

	local unwatch, unwatch_pushes;
	local function watch_component()
		if not component.fd then return; end -- it has no threads
		unwatch, timeout_soon = watch(component:fd(), function () shared.carry_out(component:wake()); end, timeout);
		local push_fd = component:push_fd();
		unwatch_pushes = push_fd and watch(push_fd, function () shared.carry_out(component:wake_push()); end);
	end
	local function unwatch_component()
		if unwatch then unwatch(); end
		if unwatch_pushes then unwatch_pushes(); end
		unwatch, unwatch_pushes, timeout_soon = nil, nil, nil;
	end

	-- What is counted is told when Prosody collects it.
	local take_readings = native:metrics(module, require, component:families());
	local function measure() take_readings(component:readings()); end
	if take_readings then
		measure(); -- so that each counter is known before it counts
		module:hook_global("stats-update", measure);
	end

	local close_shell = native:shell(module, require, component, shared.carry_out);

	local function stop()
		repeat
			local sent, more = close();
			native.unwritten = native.unwritten or sent;
		until not more;
	end

	-- A reload hands everything over to the module that is loaded next. If that fails, nobody adopts it, and it is
	-- stopped. Prosody gives a reload up when the state cannot be saved, and leaves the module as it is.
	local reloading = false;

	-- Prosody gets to see to others between the parts; if it ends meanwhile, the rest follows at once.
	local function stop_in_parts()
		local _, more = close();
		prosody.events.remove_handler("server-stopping", stop);
		if more then
			prosody.events.add_handler("server-stopping", stop, 1000);
			timer.add_task(0, stop_in_parts);
		elseif take_readings and not reloading then
			measure();
		end
	end

	module:hook_global("server-stopping", stop, 1000); -- while there are sessions to send to
	module:hook_global("server-stopping", wait_until_written, 999);

	function module.save()
		local problem = check();
		if problem then
			module:log("error", "%s: not reloaded, it goes on with the settings that it had", problem);
			error(quiet(problem));
		end
		reloading = true;
		return { component = component };
	end

	function module.restore(saved)
		if not saved.component then return; end
		unwatch_component();
		local effects = { component:adopt(saved.component) };
		watch_component();
		shared.carry_out(unpack(effects, 1, 5));
	end

	function module.unload()
		unwatch_component();
		close_shell();
		if reloading then timer.add_task(0, stop_in_parts); else stop_in_parts(); end
	end

	watch_component();
	shared.carry_out(component:introduce());
end

return shared;
