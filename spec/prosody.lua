-- What a shim asks Prosody for, by a Prosody that does what the test says and records what is done with it.

local st = require "util.stanza";

local prosody = {};
prosody.__index = prosody;

-- With these options in the configuration of the component `host`. In `host_type` a test may say otherwise.
function prosody.new(host, options)
	local self = setmetatable({
		options = options,
		hosts = { [host] = { host = host } };
		hooks = {}, global_hooks = {}, timers = {}, log = {}, sent = {}, shared = {}, watches = {}, later = {}, stored = {};
	}, prosody);
	local watch_mt = { __index = { close = function (watch) self.watches[watch.fd] = nil; end } };
	self.modules = {
		["net.server"] = {
			watchfd = function (fd, callback)
				self.watches[fd] = callback;
				return setmetatable({ fd = fd }, watch_mt);
			end;
		};
		["util.timer"] = {
			add_task = function (delay, callback) table.insert(self.later, { delay = delay, callback = callback }); end;
		};
	};
	local function log(_, level, format, ...) table.insert(self.log, level..": "..format:format(...)); end
	self.module = {
		host = host;
		get_host_type = function () return self.host_type or "component"; end;
		get_option = function (_, name) return options[name]; end;
		log = log, log_status = log;
		shared = function () return self.shared; end;
		measure = function (_, name) return function (n) self[name] = (self[name] or 0) + n; end; end;
		hook = function (_, event, handler, priority)
			local handlers = self.hooks[event] or {};
			table.insert(handlers, { handler = handler, priority = priority });
			table.sort(handlers, function (a, b) return a.priority > b.priority; end);
			self.hooks[event] = handlers;
		end;
		hook_global = function (_, event, handler)
			local earlier = self.global_hooks[event];
			self.global_hooks[event] = earlier and function () earlier(); handler(); end or handler;
		end;
		add_timer = function (_, delay, callback) table.insert(self.timers, { delay = delay, callback = callback }); end;
		depends = function (_, name) self.dependency = name; end;
		provides = function (_, name, item) self.provided = { name = name, item = item }; end;
		open_store = function (_, name) return self:store(name); end;
		send = function (_, stanza)
			if stanza.attr.id == "throws" then error("no route"); end
			table.insert(self.sent, st.clone(stanza)); -- as sessions that keep one do
		end;
	};
	return self;
end

-- A keyval store. If `storage_fails` is set nothing can be stored, and that is the error. Records are kept apart by the
-- names of store and record, and what has no name by that of the store alone.
function prosody:store(name)
	local function of(record) return record and name.."/"..record or name; end
	return {
		get = function (_, record) return self.stored[of(record)]; end;
		set = function (_, record, value)
			if self.storage_fails then return nil, self.storage_fails; end
			self.stored[of(record)] = value;
			return true;
		end;
	};
end

-- Loads lua/mod_NAME.lua, and returns what it made of its `module`.
function prosody:load(name)
	self.hooks, self.module.name = {}, name;
	local env = setmetatable({ module = self.module }, { __index = _G });
	env.require = function (required) return self.modules[required] or require(required); end
	env.prosody = { hosts = self.hosts, events = {
		add_handler = function (event, handler) self.global_hooks[event] = handler; end;
		remove_handler = function (event, handler)
			if self.global_hooks[event] == handler then self.global_hooks[event] = nil; end
		end;
	} };
	assert(loadfile("lua/mod_"..name..".lua", "t", env))();
	return env.module;
end

-- Whether a line like that was written to the log.
function prosody:logged(pattern)
	for _, line in ipairs(self.log) do
		if line:find(pattern) then return true; end
	end
	return false;
end

-- Fires an event for a stanza from a client's stream, or from another origin.
function prosody:fire(event, stanza, origin)
	for _, hook in ipairs(self.hooks[event]) do
		local handled = hook.handler({ stanza = stanza, origin = origin or { type = "c2s", host = self.module.host } });
		if handled ~= nil then return handled; end
	end
end

-- Runs the timers that are due at once. One that asks for it is set again.
function prosody:tick()
	local timers = self.timers;
	self.timers = {};
	for _, timer in ipairs(timers) do
		if timer.delay > 0 then
			table.insert(self.timers, timer);
		else
			local again = timer.callback();
			if again then table.insert(self.timers, { delay = again, callback = timer.callback }); end
		end
	end
end

-- Takes what was sent since the last call.
function prosody:take_sent()
	local sent = self.sent;
	self.sent = {};
	return sent;
end

return prosody;
