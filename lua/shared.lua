-- What the shims of both modules have in common. The library brings this file along and calls it once for each module
-- that is loaded, with the module's own `module`, `require` and `prosody`; so it is always of the library's version.

local native, module, require, prosody = ...;

local server = require "net.server";
local timer = require "util.timer";

local shared = {};

-- Seconds in which Prosody's loop gets what is buffered out to other servers and external components.
local TIME_TO_WRITE = 0.02;

local log_status = module.log_status or module.log; -- COMPAT Prosody before 0.12 keeps no status

-- Says why the module does not come up.
function shared.refuse(problem)
	log_status(module, "error", "%s", problem);
end

function shared.get_option(name)
	return module:get_option(name);
end

-- Notes that say how the module is until the next one says otherwise: they are shown as its status.
local status_levels = { down = "warn"; up = "info" };

-- Writes notes, levels and lines in turn, to the log.
function shared.log(notes)
	for i = 1, notes and #notes or 0, 2 do
		local level = status_levels[notes[i]];
		if level then
			log_status(module, level, "%s", notes[i + 1]);
		else
			module:log(notes[i], "%s", notes[i + 1]);
		end
	end
end

-- Whether Prosody took the stanza. One that it cannot send keeps nobody else's back.
function shared.send(stanza)
	local ok, err = pcall(module.send, module, stanza);
	if not ok then module:log("error", "cannot send a %s to %s: %s", stanza.name, stanza.attr.to, err); end
	return ok;
end

function shared.send_all(stanzas)
	for _, stanza in ipairs(stanzas or {}) do shared.send(stanza); end
end

-- Calls on_readable whenever the descriptor is readable; what it returns ends that. The second result, if there is
-- one, calls on_drain at once.
function shared.watch(descriptor, on_readable, on_drain)
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
	}, module.host, 0, { ondrain = on_drain });
	watch.readbuffer = on_readable;
	return function () watch:close(); end, function () watch:write(""); end
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

-- Takes part in the module's end and in its reload. `close` concludes everything, or a part of it, and returns whether
-- anything was sent for it and whether there is more. `check` says what is wrong with the options as they are now;
-- `state` is what a reload hands to `adopt`.
function shared.live(component)
	local function stop()
		repeat
			local sent, more = component.close();
			native.unwritten = native.unwritten or sent;
		until not more;
	end

	-- Prosody gets to see to others between the parts; if it ends meanwhile, the rest follows at once.
	local function stop_in_parts()
		local _, more = component.close();
		prosody.events.remove_handler("server-stopping", stop);
		if more then
			prosody.events.add_handler("server-stopping", stop, 1000);
			timer.add_task(0, stop_in_parts);
		end
	end

	module:hook_global("server-stopping", stop, 1000); -- while there are sessions to send to
	module:hook_global("server-stopping", wait_until_written, 999);

	-- A reload hands everything over to the module that is loaded next. If that fails, nobody adopts it, and it is
	-- stopped. Prosody gives a reload up when the state cannot be saved, and leaves the module as it is.
	local reloading = false;

	function module.save()
		local problem = component.check();
		if problem then
			module:log("error", "%s: not reloaded, it goes on with the settings that it had", problem);
			error(quiet(problem));
		end
		reloading = true;
		return { component = component.state };
	end

	function module.restore(saved)
		if saved.component then component.adopt(saved.component); end
	end

	function module.unload()
		if component.leave then component.leave(); end
		if reloading then timer.add_task(0, stop_in_parts); else stop_in_parts(); end
	end
end

return shared;
