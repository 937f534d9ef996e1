-- The shim and what it calls: how it takes part in Prosody, with a Prosody that does what the test says.

local st = require "util.stanza";
local native = require "prosody_components";
local prosody = require "spec.prosody";

local ROMEO = "romeo@montague.test/orchard";
local TARGET = "service@test";

describe("mod_client_proxy", function ()
	local record;

	before_each(function ()
		record = prosody.new("proxy.test", { target_address = "Service@TEST", proxy_strategy = "round-robin" });
	end);

	local function presence(resource, attr)
		attr = attr or {};
		attr.from, attr.to = TARGET.."/"..resource, "proxy.test";
		record:fire("presence/host", st.presence(attr));
	end

	-- Loads the module, and makes these resources of the target available.
	local function start(...)
		local loaded = record:load("client_proxy");
		record:tick();
		for _, resource in ipairs({ ... }) do presence(resource); end
		record.log = {};
		record:take_sent();
		return loaded;
	end

	local function request(attr)
		attr = attr or {};
		attr.to, attr.from = attr.to or "x@proxy.test", attr.from or ROMEO;
		attr.type, attr.id = attr.type or "get", attr.id or "1";
		return st.iq(attr):tag("query", { xmlns = "urn:example:question" }):text("?"):reset();
	end

	-- Fires a request and returns what is sent for it.
	local function relayed(attr)
		assert.is_true(record:fire("iq/bare", request(attr)));
		local sent = record:take_sent();
		assert.equal(1, #sent);
		return sent[1];
	end

	local function answer(to, type)
		local stanza = st.reply(to);
		stanza.attr.type = type or stanza.attr.type;
		assert.is_true(record:fire("iq/host", stanza));
		return record:take_sent()[1];
	end

	local function error_of(stanza)
		local type, condition = stanza:get_error();
		return type.."/"..condition;
	end

	it("takes all that is addressed to its host, after mod_iq", function ()
		record:load("client_proxy");
		for _, kind in ipairs({ "message", "presence", "iq" }) do
			for _, place in ipairs({ "bare", "full", "host" }) do
				local hooks = record.hooks[kind.."/"..place];
				assert.equal(-1, hooks[#hooks].priority);
			end
		end
	end);

	it("takes requests before mod_iq, and nothing else", function ()
		start("1");
		for _, place in ipairs({ "bare", "full", "host" }) do
			local first = record.hooks["iq/"..place][1];
			assert.equal(1, first.priority);
			assert.is_nil(first.handler({ origin = {}, stanza = st.stanza("iq", { type = "result", id = "1" }) }));
			assert.is_nil(first.handler({ origin = {}, stanza = st.stanza("iq", { type = "error", id = "1" }) }));
			assert.is_true(first.handler({ origin = {}, stanza = request({ type = "set" }) }));
		end
		assert.equal(3, #record:take_sent());
	end);

	it("asks for presence when all hosts are there, and ticks on", function ()
		record:load("client_proxy");
		assert.same({}, record.sent);
		record:tick();
		local sent = record:take_sent();
		assert.same({ "probe", "subscribe" }, { sent[1].attr.type, sent[2].attr.type });
		assert.same({ to = TARGET, from = "proxy.test", type = "subscribe" }, sent[2].attr);
		assert.equal(1, #record.timers);
		assert.is_true(record.timers[1].delay > 0 and record.timers[1].delay <= 1);
	end);

	it("touches nothing when an option is wrong", function ()
		record = prosody.new("proxy.test", {});
		record:load("client_proxy");
		assert.matches("^error: proxy%.test: the option 'target_address' is missing: set it to", record.log[1]);
		assert.same({ {}, {}, {} }, { record.hooks, record.timers, record.stored });
	end);

	it("touches nothing beside accounts", function ()
		record.host_type = "local";
		record:load("client_proxy");
		assert.matches('^error: .* Component "proxy%.proxy%.test" "client_proxy"$', record.log[1]);
		assert.same({ {}, {} }, { record.hooks, record.timers });
	end);

	it("touches nothing when the library is of another version", function ()
		record.modules.prosody_components = { version = "0.0.0" };
		record:load("client_proxy");
		assert.matches("^error: this module is version .* the library prosody_components is version 0%.0%.0: restart",
			record.log[1]);
		assert.same({ {}, {} }, { record.hooks, record.timers });
	end);

	describe("the key", function ()
		local function address()
			start("1");
			return relayed().attr.from;
		end

		it("is stored, so that addresses stay the same", function ()
			local first = address();
			assert.equal(44, #record.stored.client_proxy.key);
			assert.equal(first, address());
			record.stored.client_proxy = nil;
			assert.not_equal(first, address());
		end);

		it("serves though it cannot be stored, and a warning says so", function ()
			record.storage_fails = "disk full";
			record:load("client_proxy");
			assert.matches("^warn: .* cannot be stored: disk full$", record.log[1]);
			assert.is_truthy(address());
		end);

		it("is never replaced when it is damaged", function ()
			for _, key in ipairs({ "", "x", ("A"):rep(40) }) do
				record.stored.client_proxy = { key = key };
				record.log = {};
				record:load("client_proxy");
				assert.matches("^error: proxy%.test: the key in the store 'client_proxy' is damaged", record.log[1]);
				assert.equal(key, record.stored.client_proxy.key);
				assert.same({}, record.hooks);
			end
		end);

		it("is random", function ()
			assert.not_equal(native.client_proxy_key(), native.client_proxy_key());
		end);
	end);

	it("sends a request on with other addresses and nothing else changed", function ()
		start("1");
		local original = request({ ["xml:lang"] = "de", ["urn:x\1y"] = "z" });
		local before = st.clone(original);
		record:fire("iq/bare", original);
		assert.same(before, original);
		local sent = record:take_sent()[1];
		assert.is_true(st.is_stanza(sent));
		assert.same({ to = TARGET.."/1", from = sent.attr.from, type = "get", id = "1", ["xml:lang"] = "de",
			["urn:x\1y"] = "z" }, sent.attr);
		assert.matches("^proxy%.test/[%w_-]+$", sent.attr.from);
		assert.equal(original.tags[1], sent.tags[1]);
		assert.equal(original.tags[1], sent[1]);
		assert.equal("?", sent:get_child_text("query", "urn:example:question"));
	end);

	it("sends what came in over a connection on as it is, but for the addresses", function ()
		start("1");
		local original = request({ ["xml:lang"] = "de" });
		local attr, tags = original.attr, original.tags;
		record:fire("iq/bare", original, {});
		local sent = record:take_sent()[1];
		assert.equal(original, sent);
		assert.equal(attr, sent.attr);
		assert.equal(tags, sent.tags);
		assert.same({ to = TARGET.."/1", from = sent.attr.from, type = "get", id = "1", ["xml:lang"] = "de" }, attr);
		assert.matches("^proxy%.test/[%w_-]+$", sent.attr.from);
		local back = answer(sent);
		assert.same({ to = ROMEO, from = "x@proxy.test", type = "result", id = "1" }, back.attr);
	end);

	it("sends answers back", function ()
		start("1");
		for _, type in ipairs({ "result", "error" }) do
			local back = answer(relayed(), type);
			assert.same({ to = ROMEO, from = "x@proxy.test", type = type, id = "1" }, back.attr);
		end
	end);

	it("drops what nobody waits for, with a debug line", function ()
		start("1");
		assert.is_nil(answer(request()));
		assert.matches("^debug: Dropped an answer", record.log[1]);
	end);

	it("sends a get once more when its resource goes, and answers a set", function ()
		start("1", "2");
		local get = relayed();
		relayed({ id = "2" });
		local set = relayed({ type = "set", id = "3" });
		assert.same({ TARGET.."/1", TARGET.."/1" }, { get.attr.to, set.attr.to });
		presence("1", { type = "unavailable" });
		local sent = record:take_sent();
		assert.equal(2, #sent);
		assert.same({ "error", "3", ROMEO }, { sent[1].attr.type, sent[1].attr.id, sent[1].attr.to });
		assert.equal("wait/remote-server-timeout", error_of(sent[1]));
		assert.same({ TARGET.."/2", "1", get.attr.from }, { sent[2].attr.to, sent[2].attr.id, sent[2].attr.from });
		assert.equal("?", sent[2]:get_child_text("query", "urn:example:question"));
	end);

	it("carries many actions out in portions", function ()
		start("1");
		for id = 1, 250 do relayed({ id = tostring(id), type = "set" }); end
		presence("1", { type = "unavailable" });
		assert.equal(100, #record:take_sent());
		for _, expected in ipairs({ 100, 50 }) do
			record:tick();
			assert.equal(expected, #record:take_sent());
		end
		relayed({ id = "next" });
	end);

	it("answers a request that cannot be sent on", function ()
		start("1");
		for _, type in ipairs({ "get", "set" }) do
			record:fire("iq/bare", request({ id = "throws", type = type }));
			assert.matches("^error: cannot send a iq to service@test/1: .*no route", table.remove(record.log));
			assert.same({}, record:take_sent());
			record:tick();
			-- The error has the same id, and cannot be sent either: that is the end of it.
			assert.matches("^error: cannot send a iq to romeo@montague.test/orchard", table.remove(record.log));
			record:tick();
			assert.same({}, record.log);
		end
	end);

	it("tells a requester of an answer that cannot be sent on", function ()
		start("1");
		local sent = relayed();
		local send = record.module.send;
		record.module.send = function () error("too deep"); end
		answer(sent);
		record.module.send = send;
		record:tick();
		local back = record:take_sent()[1];
		assert.same({ ROMEO, "x@proxy.test", "1" }, { back.attr.to, back.attr.from, back.attr.id });
		assert.equal("cancel/internal-server-error", error_of(back));
	end);

	it("has a bound", function ()
		start("1");
		local stanza = request({ type = "set" });
		for id = 1, 100000 do
			stanza.attr.id = tostring(id);
			record:fire("iq/bare", stanza);
		end
		assert.equal(100000, #record:take_sent());
		local refused = relayed({ id = "one too many" });
		assert.equal("wait/resource-constraint", error_of(refused));
	end);

	it("holds the stack and the heap together over many stanzas", function ()
		start("1");
		local used;
		for n = 1, 20000 do
			answer(relayed({ id = tostring(n) }));
			if n == 10000 then
				collectgarbage();
				used = collectgarbage("count");
			end
		end
		collectgarbage();
		assert.is_true(collectgarbage("count") < used + 100);
	end);

	it("ignores what is no stanza", function ()
		start("1");
		local things = { {}, { name = "iq" }, { name = 7, attr = 8 }, st.stanza("x"), st.message({ to = "proxy.test" }) };
		for _, thing in ipairs(things) do
			assert.is_true(record:fire("message/host", thing));
		end
		assert.same({}, record:take_sent());
	end);

	it("answers what is outstanding when the server stops, once", function ()
		start("1");
		relayed();
		record.global_hooks["server-stopping"]();
		record.global_hooks["server-stopping"]();
		local sent = record:take_sent();
		assert.equal(1, #sent);
		assert.equal("wait/remote-server-timeout", error_of(sent[1]));
	end);

	it("hands over to the module that is loaded next", function ()
		local old = start("1");
		local sent = relayed();
		local saved = old.save();
		old.unload();
		local new = record:load("client_proxy");
		new.restore(saved);
		record:tick();
		record.later[1].callback();
		assert.same({}, record:take_sent());
		assert.equal(ROMEO, answer(sent).attr.to);
		assert.equal(sent.attr.from, relayed().attr.from);
	end);

	it("answers what is outstanding when nobody takes over", function ()
		local old = start("1");
		relayed();
		old.save();
		old.unload();
		assert.same({}, record:take_sent());
		assert.equal(0, record.later[1].delay);
		record.later[1].callback();
		assert.equal("wait/remote-server-timeout", error_of(record:take_sent()[1]));
	end);

	it("answers what is outstanding when it is unloaded", function ()
		local old = start("1");
		relayed();
		old.unload();
		assert.equal("wait/remote-server-timeout", error_of(record:take_sent()[1]));
	end);
end);
