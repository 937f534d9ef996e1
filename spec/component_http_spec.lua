-- The shim: how it takes part in Prosody, with a Prosody that does what the test says.

local st = require "util.stanza";
local web_service = require "spec.web_service";

-- What the shim asks Prosody for, and a record of it.
local function prosody(options)
	local record = { hooks = {}, global_hooks = {}, timers = {}, log = {}, sent = {}, watches = {}, later = {} };
	local watch_mt = { __index = { close = function (watch) record.watches[watch.fd] = nil; end } };
	record.modules = {
		["net.server"] = {
			watchfd = function (fd, callback)
				record.watches[fd] = callback;
				return setmetatable({ fd = fd }, watch_mt);
			end;
		};
		["util.timer"] = {
			add_task = function (delay, callback) table.insert(record.later, { delay = delay, callback = callback }); end;
		};
	};
	local function log(_, level, format, ...) table.insert(record.log, level..": "..format:format(...)); end
	record.module = {
		host = "bot.test";
		get_host_type = function () return record.host_type or "component"; end;
		get_option = function (_, name) return options[name]; end;
		log = log, log_status = log;
		measure = function () return function (n) record.failures = (record.failures or 0) + n; end; end;
		hook = function (_, event, handler, priority) record.hooks[event] = { handler = handler, priority = priority }; end;
		hook_global = function (_, event, handler) record.global_hooks[event] = handler; end;
		add_timer = function (_, delay, callback) table.insert(record.timers, { delay = delay, callback = callback }); end;
		send = function (_, stanza)
			if stanza.attr.id == "throws" then error("no route"); end
			table.insert(record.sent, stanza);
		end;
	};
	return record;
end

local function load_module(record)
	local env = setmetatable({ module = record.module, prosody = { paths = {} } }, { __index = _G });
	env.require = function (name) return record.modules[name] or require(name); end
	assert(loadfile("lua/mod_component_http.lua", "t", env))();
	return env.module;
end

local function fire(record, event, stanza)
	return record.hooks[event].handler({ stanza = stanza });
end

-- Runs the timers that are due at once.
local function tick(record)
	local timers = record.timers;
	record.timers = {};
	for _, timer in ipairs(timers) do
		if timer.delay == 0 then timer.callback(); else table.insert(record.timers, timer); end
	end
end

local function wait_for_outcome(record)
	local fd, callback = next(record.watches);
	web_service.wait_readable(fd);
	callback();
end

local function message(id)
	return st.message({ to = "bot.test", from = "romeo@test/orchard", id = id }):text_tag("body", "hi");
end

describe("mod_component_http", function ()
	local service, record;

	before_each(function ()
		service = web_service.start();
		record = prosody({ component_post_url = service.url });
	end);

	after_each(function ()
		if record.global_hooks["server-stopping"] then record.global_hooks["server-stopping"](); end
		service:stop();
	end);

	it("takes all that is addressed to a host of its own, after mod_iq", function ()
		load_module(record);
		for _, kind in ipairs({ "message", "presence", "iq" }) do
			for _, place in ipairs({ "bare", "full", "host" }) do
				assert.equal(-1, record.hooks[kind.."/"..place].priority);
			end
		end
	end);

	it("takes messages to the host alone beside accounts", function ()
		record.host_type = "local";
		load_module(record);
		assert.same({ "message/host" }, { next(record.hooks), next(record.hooks, "message/host") });
	end);

	it("touches nothing when an option is wrong", function ()
		record = prosody({ component_post_url = service.url, component_post_timeout = "soon" });
		load_module(record);
		assert.same({ "error: bot.test: the option 'component_post_timeout' must be a number of seconds "
			.."from 0.01 to 86400, not a string" }, record.log);
		assert.same({}, record.hooks);
		assert.same({}, record.watches);
	end);

	it("touches nothing when the library is of another version", function ()
		record.modules.prosody_components = { version = "0.0.0" };
		load_module(record);
		assert.matches("^error: this module is version .* the library prosody_components is version 0%.0%.0: restart",
			record.log[1]);
		assert.same({}, record.hooks);
	end);

	it("warns of the option's old name", function ()
		record = prosody({ component_post_url = service.url, post_stanza_types = { "message" } });
		load_module(record);
		assert.matches("^warn: the option 'post_stanza_types' is deprecated", record.log[1]);
	end);

	it("answers a message by way of the web service", function ()
		load_module(record);
		assert.is_true(fire(record, "message/host", message("1")));
		tick(record);
		local request, headers = service:answer([[{"body":"pong"}]]);
		assert.equal("hi", request.body);
		assert.equal("application/json", headers["content-type"]);
		wait_for_outcome(record);
		assert.equal("pong", record.sent[1]:get_child_text("body"));
	end);

	it("starts threads from the event loop, not before", function ()
		load_module(record);
		fire(record, "message/host", message("1"));
		fire(record, "message/host", message("2"));
		assert.equal(1, #record.timers);
		assert.equal(0, record.timers[1].delay);
	end);

	it("sends what can be sent when something cannot", function ()
		load_module(record);
		fire(record, "message/host", message("1"));
		tick(record);
		service:answer([=[[{"id":"a"},{"id":"throws"},{"id":"b"}]]=]);
		wait_for_outcome(record);
		assert.same({ "a", "b" }, { record.sent[1].attr.id, record.sent[2].attr.id });
		assert.matches("^error: cannot send a message to romeo@test/orchard: .*no route", record.log[1]);
	end);

	it("expires an iq by a timer of Prosody's", function ()
		record = prosody({ component_post_url = service.url, component_post_stanzas = { "iq" },
			component_post_timeout = 0.01 });
		load_module(record);
		for id = 1, 2 do
			fire(record, "iq/host", st.iq({ type = "get", id = tostring(id), to = "bot.test", from = "a@b" })
				:tag("q", { xmlns = "urn:q" }));
		end
		assert.equal(2, #record.timers, "one to start, one to expire");
		local expire = record.timers[2];
		assert.is_true(expire.delay > 0 and expire.delay <= 0.01);
		local again = expire.delay;
		while again do
			require "socket".sleep(again);
			again = expire.callback();
		end
		assert.same({ "1", "2" }, { record.sent[1].attr.id, record.sent[2].attr.id });
		assert.equal("remote-server-timeout", (select(2, record.sent[1]:get_error())));
		assert.equal(2, record.failures);
	end);

	it("returns what is outstanding when the server stops, once", function ()
		load_module(record);
		fire(record, "message/host", message("1"));
		tick(record);
		record.global_hooks["server-stopping"]();
		record.global_hooks["server-stopping"]();
		assert.equal(1, #record.sent);
		assert.equal("error", record.sent[1].attr.type);
		fire(record, "message/host", message("2"));
		assert.equal(2, #record.sent);
	end);

	it("hands over to the module that is loaded next", function ()
		local old = load_module(record);
		fire(record, "message/host", message("1"));
		tick(record);
		local saved = old.save();
		old.unload();
		assert.same({}, record.watches);
		local new = load_module(record);
		new.restore(saved);
		tick(record);
		record.later[1].callback();
		assert.same({}, record.sent);
		service:answer([[{"body":"carried over"}]]);
		wait_for_outcome(record);
		assert.equal("carried over", record.sent[1]:get_child_text("body"));
	end);

	it("returns what is outstanding when nobody takes over", function ()
		local old = load_module(record);
		fire(record, "message/host", message("1"));
		tick(record);
		old.save();
		old.unload();
		assert.same({}, record.sent);
		assert.equal(0, record.later[1].delay);
		record.later[1].callback();
		assert.equal("error", record.sent[1].attr.type);
	end);

	it("returns what is outstanding when it is unloaded", function ()
		local old = load_module(record);
		fire(record, "message/host", message("1"));
		old.unload();
		assert.equal("error", record.sent[1].attr.type);
		assert.same({}, record.watches);
	end);
end);
