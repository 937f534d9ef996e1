-- The shim: how it takes part in Prosody, with a Prosody that does what the test says.

local st = require "util.stanza";
local prosody = require "spec.prosody";
local web_service = require "spec.web_service";

local function load_module(record)
	return record:load("component_http");
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
		record = prosody.new("bot.test", { component_post_url = service.url });
	end);

	after_each(function ()
		if record.global_hooks["server-stopping"] then record.global_hooks["server-stopping"](); end
		service:stop();
	end);

	it("takes all that is addressed to a host of its own, after mod_iq", function ()
		load_module(record);
		for _, kind in ipairs({ "message", "presence", "iq" }) do
			for _, place in ipairs({ "bare", "full", "host" }) do
				assert.equal(-1, record.hooks[kind.."/"..place][1].priority);
			end
		end
	end);

	it("takes messages to the host alone beside accounts", function ()
		record.host_type = "local";
		load_module(record);
		assert.same({ "message/host" }, { next(record.hooks), next(record.hooks, "message/host") });
	end);

	it("touches nothing when an option is wrong", function ()
		record = prosody.new("bot.test", { component_post_url = service.url, component_post_timeout = "soon" });
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
		record = prosody.new("bot.test", { component_post_url = service.url, post_stanza_types = { "message" } });
		load_module(record);
		assert.matches("^warn: the option 'post_stanza_types' is deprecated", record.log[1]);
	end);

	it("says what is on, and nothing that may be secret", function ()
		local url = service.url:gsub("://", "://me:secret@").."path?secret";
		record = prosody.new("bot.test", { component_post_url = url });
		load_module(record);
		local origin = service.url:gsub("/$", "");
		assert.is_true(record:logged("^info: POSTs message to "..origin..": up to 256 at a time and 10000 waiting"));
		assert.is_false(record:logged("secret"));
	end);

	it("has a debug line for each exchange", function ()
		load_module(record);
		record:fire("message/host", message("m1"));
		record:tick();
		service:answer([[{"body":"pong"}]]);
		wait_for_outcome(record);
		assert.is_true(record:logged('^debug: message "m1" POSTed: status 200 in %d+ ms, 1 to send$'));
	end);

	it("answers a message by way of the web service", function ()
		load_module(record);
		assert.is_true(record:fire("message/host", message("1")));
		record:tick();
		local request, headers = service:answer([[{"body":"pong"}]]);
		assert.equal("hi", request.body);
		assert.equal("application/json", headers["content-type"]);
		wait_for_outcome(record);
		assert.equal("pong", record.sent[1]:get_child_text("body"));
	end);

	it("starts threads from the event loop, not before", function ()
		load_module(record);
		record:fire("message/host", message("1"));
		record:fire("message/host", message("2"));
		assert.equal(1, #record.timers);
		assert.equal(0, record.timers[1].delay);
	end);

	it("sends what can be sent when something cannot", function ()
		load_module(record);
		record:fire("message/host", message("1"));
		record:tick();
		service:answer([=[[{"id":"a"},{"id":"throws"},{"id":"b"}]]=]);
		wait_for_outcome(record);
		assert.same({ "a", "b" }, { record.sent[1].attr.id, record.sent[2].attr.id });
		assert.is_true(record:logged("^error: cannot send a message to romeo@test/orchard: .*no route"));
	end);

	it("expires an iq by a timer of Prosody's", function ()
		record = prosody.new("bot.test", { component_post_url = service.url, component_post_stanzas = { "iq" },
			component_post_timeout = 0.01 });
		load_module(record);
		for id = 1, 2 do
			record:fire("iq/host", st.iq({ type = "get", id = tostring(id), to = "bot.test", from = "a@b" })
				:tag("q", { xmlns = "urn:q" }));
		end
		assert.equal(1, #record.timers, "one to start");
		record:tick();
		assert.equal(1, #record.timers, "one to expire");
		while #record.sent < 2 do
			local expire = table.remove(record.timers);
			assert.is_true(expire.delay > 0 and expire.delay <= 0.01);
			require "socket".sleep(expire.delay);
			expire.callback();
		end
		assert.same({ "1", "2" }, { record.sent[1].attr.id, record.sent[2].attr.id });
		assert.equal("remote-server-timeout", (select(2, record.sent[1]:get_error())));
		record.global_hooks["stats-update"]();
		assert.equal(2, record.failures);
	end);

	it("returns what is outstanding when the server stops, once", function ()
		load_module(record);
		record:fire("message/host", message("1"));
		record:tick();
		record.global_hooks["server-stopping"]();
		record.global_hooks["server-stopping"]();
		assert.equal(1, #record.sent);
		assert.equal("error", record.sent[1].attr.type);
		record:fire("message/host", message("2"));
		assert.equal(2, #record.sent);
	end);

	it("hands over to the module that is loaded next", function ()
		local old = load_module(record);
		record:fire("message/host", message("1"));
		record:tick();
		local saved = old.save();
		old.unload();
		assert.same({}, record.watches);
		local new = load_module(record);
		new.restore(saved);
		record:tick();
		record.later[1].callback();
		assert.same({}, record.sent);
		service:answer([[{"body":"carried over"}]]);
		wait_for_outcome(record);
		assert.equal("carried over", record.sent[1]:get_child_text("body"));
	end);

	it("keeps what it has when the options of a reload are wrong", function ()
		local old = load_module(record);
		record.options.component_post_timeout = "soon";
		local saved, problem = pcall(old.save);
		assert.is_false(saved);
		assert.equal("bot.test: the option 'component_post_timeout' must be a number of seconds from 0.01 to 86400, "
			.."not a string", tostring(problem));
		assert.is_true(record:logged("^error: bot.test: the option 'component_post_timeout' .*: not reloaded"));
		record:fire("message/host", message("1"));
		record:tick();
		service:answer([[{"body":"pong"}]]);
		wait_for_outcome(record);
		assert.equal("pong", record.sent[1]:get_child_text("body"));
	end);

	it("waits until what it has sent at the end is written, where Prosody can wait", function ()
		local waited = {};
		record.modules["util.async"] = {
			ready = function () return true; end;
			waiter = function () return function () table.insert(waited, #record.sent); end, function () end; end;
		};
		load_module(record);
		record.global_hooks["server-stopping"]();
		assert.same({}, waited, "nothing was sent");
		load_module(record);
		record:fire("message/host", message("1"));
		record.global_hooks["server-stopping"]();
		assert.same({ 1 }, waited);
	end);

	it("returns what is outstanding when nobody takes over", function ()
		local old = load_module(record);
		record:fire("message/host", message("1"));
		record:tick();
		old.save();
		old.unload();
		assert.same({}, record.sent);
		assert.equal(0, record.later[1].delay);
		record.later[1].callback();
		assert.equal("error", record.sent[1].attr.type);
	end);

	it("returns much in parts, and the rest at once when Prosody ends meanwhile", function ()
		local old = load_module(record);
		for id = 1, 1000 do record:fire("message/host", message(tostring(id))); end
		old.unload();
		assert.is_true(#record.sent > 0 and #record.sent < 1000);
		assert.equal(0, record.later[1].delay);
		record.global_hooks["server-stopping"]();
		assert.equal(1000, #record.sent);
		record.later[1].callback();
		assert.equal(1000, #record.sent);
		assert.is_nil(record.global_hooks["server-stopping"]);
	end);

	it("returns what is outstanding when it is unloaded", function ()
		local old = load_module(record);
		record:fire("message/host", message("1"));
		old.unload();
		assert.equal("error", record.sent[1].attr.type);
		assert.same({}, record.watches);
	end);
end);
