-- The shim and what it calls: how it takes part in Prosody, with a Prosody that does what the test says.

local st = require "util.stanza";
local unpack = table.unpack or unpack; -- luacheck: ignore 113/unpack 143/table
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

	-- Answers by an error that comes from that origin, and returns all that is sent then.
	local function error_from(origin, to, condition)
		assert.is_true(record:fire("iq/host", st.error_reply(to, "cancel", condition), origin));
		return record:take_sent();
	end

	local function error_of(stanza)
		local type, condition = stanza:get_error();
		return type.."/"..condition;
	end

	it("takes all that is addressed to its host", function ()
		record:load("client_proxy");
		for _, place in ipairs({ "bare", "full", "host" }) do
			assert.equal(-1, record.hooks["message/"..place][1].priority);
			assert.equal(-1, record.hooks["presence/"..place][1].priority);
			local first, last = unpack(record.hooks["iq/"..place]);
			assert.is_true(first.priority > 0 and first.priority < 0.1, "between mod_iq and filters");
			assert.equal(-1, last.priority);
		end
	end);

	it("leaves answers to other modules to mod_iq", function ()
		start("1");
		local result = st.iq({ type = "result", id = "other", from = ROMEO, to = "proxy.test" });
		local first, last = unpack(record.hooks["iq/host"]);
		assert.is_nil(first.handler({ stanza = result }));
		assert.same({}, record.log);
		assert.is_true(last.handler({ stanza = result }));
		assert.same({ "debug: Dropped an iq of type result from "..ROMEO.." to proxy.test that nobody waits for" },
			record.log);
	end);

	it("asks for presence when all hosts are there, and ticks on", function ()
		record:load("client_proxy");
		assert.same({}, record.sent);
		assert.matches("^info: Serves with the clients of service@test: chosen by round%-robin", record.log[1]);
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

		-- The module is loaded, says that in one line, and does nothing more.
		local function refused(line)
			record.log = {};
			record:load("client_proxy");
			assert.equal(1, #record.log);
			assert.matches("^error: proxy%.test: "..line, record.log[1]);
			assert.not_matches("\n", record.log[1]);
			assert.same({ {}, {} }, { record.hooks, record.timers });
		end

		it("is never replaced when it is damaged", function ()
			local damaged = {
				{ key = "" }, { key = "x" }, { key = ("A"):rep(40) }, { key = "\255" }, { key = 5 }, { key = {} },
				{ key = true }, {}, { ("A"):rep(43).."=" }, "", "key", 5, true, false,
			};
			for _, stored in ipairs(damaged) do
				record.stored.client_proxy = stored;
				refused("the key in the store 'client_proxy' is damaged: restore it, or remove it for a new one$");
				assert.equal(stored, record.stored.client_proxy);
			end
		end);

		it("is never replaced when it cannot be read", function ()
			local unreadable = "the store 'client_proxy', which has the key, cannot be read: ";
			record.module.open_store = function () return nil, "no such driver"; end
			refused(unreadable.."no such driver$");
			record.module.open_store = function () return { get = function () return nil, "disk broken"; end }; end
			refused(unreadable.."disk broken$");
			record.module.open_store = function () return { get = function () return nil, {}; end }; end
			refused(unreadable.."table");
			record.module.open_store = function () error("no such table"); end
			refused(unreadable..".*no such table$");
			assert.same({}, record.stored);
		end);

		it("is random", function ()
			local function new_key()
				record.stored = {};
				record:load("client_proxy");
				return record.stored.client_proxy.key;
			end
			assert.not_equal(new_key(), new_key());
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
		assert.same(original.tags, sent.tags);
		assert.equal("?", sent:get_child_text("query", "urn:example:question"));
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
		assert.matches("^debug: Dropped an iq of type result from", record.log[1]);
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

	it("leaves errors of clients as they are", function ()
		start("1", "2");
		local streams = { { type = "c2s", host = "test" }, { type = "s2sin" }, { type = "component", host = "test" } };
		for _, origin in ipairs(streams) do
			local back = error_from(origin, relayed(), "recipient-unavailable");
			assert.same({ 1, "cancel/recipient-unavailable" }, { #back, error_of(back[1]) });
		end
	end);

	it("sends a get elsewhere that Prosody cannot deliver to a client", function ()
		record.hosts.test = { host = "test", type = "local" };
		start("1", "2");
		local sent = error_from(record.hosts.test, relayed(), "recipient-unavailable");
		assert.same({ 1, TARGET.."/2" }, { #sent, sent[1].attr.to });
		assert.equal("?", sent[1]:get_child_text("query", "urn:example:question"));
		local back = error_from(record.hosts.test, sent[1], "service-unavailable");
		assert.same({ 1, "wait/remote-server-timeout" }, { #back, error_of(back[1]) });
		-- What a module answers that serves as a client is its own.
		back = error_from(record.hosts.test, relayed(), "item-not-found");
		assert.same({ 1, "cancel/item-not-found" }, { #back, error_of(back[1]) });
	end);

	it("says so when the server of the target cannot be reached", function ()
		start("1", "2");
		for _, type in ipairs({ "get", "set" }) do
			local sent = relayed({ type = type });
			local back = error_from({ type = "s2sin", dummy = true }, sent, "remote-server-not-found");
			assert.same({ 1, "wait/remote-server-timeout" }, { #back, error_of(back[1]) });
			assert.same({ "1", ROMEO, "x@proxy.test" }, { back[1].attr.id, back[1].attr.to, back[1].attr.from });
			assert.same({}, error_from({ type = "s2sin", dummy = true }, sent, "remote-server-not-found"));
		end
	end);

	it("counts what becomes of requests", function ()
		start("1");
		answer(relayed());
		presence("1", { type = "unavailable" });
		record:take_sent();
		relayed();
		record.global_hooks["stats-update"]();
		assert.same({ 1, 1, 0, 0, 1, 0 }, { record.requests_relayed, record.requests_answered,
			record.requests_timed_out, record.requests_cut_off, record.requests_no_resource, record.requests_refused });
		record.global_hooks["stats-update"]();
		assert.equal(1, record.requests_relayed);
	end);

	it("sets no timer while nothing is due before the one that is set", function ()
		start("1");
		assert.equal(1, #record.timers);
		for id = 1, 10 do answer(relayed({ id = tostring(id) })); end
		assert.equal(1, #record.timers);
	end);

	it("sees to a request in its own time", function ()
		record.options.proxy_iq_timeout = 0.5;
		start("1");
		relayed();
		assert.equal(2, #record.timers);
		assert.is_true(record.timers[2].delay > 0.4 and record.timers[2].delay <= 0.5);
	end);

	it("counts nothing where Prosody measures nothing", function ()
		record.module.measure = nil;
		start("1");
		answer(relayed());
		assert.is_nil(record.global_hooks["stats-update"]);
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

	it("ignores an iq without a sender, a recipient, a type or an id", function ()
		start("1");
		for _, missing in ipairs({ "from", "to", "type", "id" }) do
			local iq = request();
			iq.attr[missing] = nil;
			assert.is_true(record:fire("iq/host", iq));
		end
		assert.same({}, record:take_sent());
	end);

	it("ignores what is no stanza", function ()
		start("1");
		local things = { {}, { name = "iq" }, { name = 7, attr = 8 }, st.stanza("x"), st.message({ to = "proxy.test" }) };
		for _, thing in ipairs(things) do
			assert.is_true(record:fire("message/host", thing));
			assert.is_true(record:fire("presence/host", thing));
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

	it("takes nothing any more when the server stops", function ()
		start("1");
		record.global_hooks["server-stopping"]();
		for _, type in ipairs({ "get", "set" }) do
			assert.equal("wait/remote-server-timeout", error_of(relayed({ type = type })));
		end
		presence("2");
		assert.same({}, record:take_sent());
		assert.is_nil(record.timers[1].callback());
		assert.same({}, record:take_sent());
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

	describe("with messages", function ()
		local loaded;

		before_each(function ()
			record.options.proxy_stanzas = { "iq", "message" };
			loaded = start("1", "2");
		end);

		local function say(from, to, attr)
			attr = attr or {};
			attr.from, attr.to, attr.type, attr.id = from, to, attr.type or "chat", "m1";
			local message = st.message(attr):tag("body", { ["xml:lang"] = "de" }):text("Hallo"):up()
				:tag("request", { xmlns = "urn:xmpp:receipts" }):reset();
			local before = st.clone(message);
			assert.is_true(record:fire("message/bare", message));
			assert.same(before, message);
			local sent = record:take_sent();
			assert.equal(1, #sent);
			return sent[1];
		end

		it("carries them untouched, but for what keeps them from being copied", function ()
			local sent = say(ROMEO, "bot@proxy.test", { ["xml:lang"] = "de", ["urn:x\1y"] = "z" });
			assert.same({ to = TARGET.."/1", from = sent.attr.from, type = "chat", id = "m1", ["xml:lang"] = "de",
				["urn:x\1y"] = "z" }, sent.attr);
			assert.equal("Hallo", sent:get_child_text("body"));
			assert.equal("de", sent:get_child("body").attr["xml:lang"]);
			local names = {};
			for _, child in ipairs(sent.tags) do table.insert(names, child.name.." "..(child.attr.xmlns or "")); end
			assert.same({ "body ", "request urn:xmpp:receipts", "private urn:xmpp:carbons:2", "no-copy urn:xmpp:hints" },
				names);
		end);

		it("carries back what the target says, untouched", function ()
			local sent = say(ROMEO, "bot@proxy.test/x");
			local back = say(TARGET.."/1", sent.attr.from);
			assert.same({ to = ROMEO, from = "bot@proxy.test/x", type = "chat", id = "m1" }, back.attr);
			assert.equal(2, #back.tags);
		end);

		it("tells of what cannot be sent on, once", function ()
			local send = record.module.send;
			record.module.send = function (self, stanza)
				if stanza.attr.to == TARGET.."/1" then error("too deep"); end
				return send(self, stanza);
			end
			local back = say(ROMEO, "bot@proxy.test");
			assert.same({ ROMEO, "bot@proxy.test", "m1" }, { back.attr.to, back.attr.from, back.attr.id });
			assert.equal("cancel/internal-server-error", error_of(back));
			record:tick();
			assert.same({}, record:take_sent());
		end);

		it("carries none from a reload on that has taken them off", function ()
			record.options.proxy_stanzas = nil;
			local saved = loaded.save();
			loaded.unload();
			record:load("client_proxy").restore(saved);
			assert.equal("cancel/feature-not-implemented", error_of(say(ROMEO, "bot@proxy.test")));
		end);

		it("keeps conversations over a reload", function ()
			local sent = say(ROMEO, "bot@proxy.test");
			local saved = loaded.save();
			loaded.unload();
			record:load("client_proxy").restore(saved);
			assert.equal("bot@proxy.test", say(TARGET.."/1", sent.attr.from).attr.from);
		end);
	end);

	describe("with presence", function ()
		local SUBSCRIBER, BOT = "romeo@montague.test", "bot@proxy.test";

		before_each(function () record.options.proxy_stanzas = { "iq", "presence" }; end);

		local function settle()
			for _ = 1, 150 do record:tick(); end
			return record:take_sent();
		end

		local function subscribe(type)
			record:fire("presence/bare", st.presence({ from = SUBSCRIBER, to = BOT, type = type or "subscribe" }));
			return settle();
		end

		local function stored()
			for name, value in pairs(record.stored) do
				if name:find("^client_proxy_subscribers/") then return value; end
			end
		end

		local function shown(stanza)
			return { stanza.name, stanza.attr.to, stanza.attr.from, stanza.attr.type };
		end

		it("grants subscriptions, and stores them", function ()
			start("1");
			settle();
			local sent = subscribe();
			assert.same({ "presence", SUBSCRIBER, BOT, "subscribed" }, shown(sent[1]));
			assert.same({ "presence", SUBSCRIBER, BOT }, shown(sent[2]));
			assert.same({ [SUBSCRIBER] = { BOT } }, stored());
			subscribe("unsubscribe");
			assert.is_nil(stored());
		end);

		it("tells those who are stored, when the target comes", function ()
			start();
			settle();
			subscribe();
			start();
			assert.same({}, settle());
			presence("1");
			assert.same({ "presence", SUBSCRIBER, BOT }, shown(settle()[1]));
		end);

		it("forgets who is gone", function ()
			start();
			settle();
			subscribe();
			local lost = st.presence({ from = SUBSCRIBER, to = BOT, type = "error" }):tag("error", { type = "cancel" })
				:tag("item-not-found", { xmlns = "urn:ietf:params:xml:ns:xmpp-stanzas" }):reset();
			record:fire("presence/bare", lost);
			assert.is_nil(stored());
		end);

		it("says that something cannot be stored, and goes on", function ()
			start("1");
			settle();
			record.storage_fails = "disk full";
			assert.equal("subscribed", subscribe()[1].attr.type);
			assert.is_true(record:logged("^warn: some of those .* cannot be stored, .*: disk full$"));
		end);

		it("never writes over what it cannot read", function ()
			start();
			settle();
			subscribe();
			for name in pairs(record.stored) do
				if name:find("/") then record.stored[name] = "damaged"; end
			end
			start();
			assert.equal("subscribed", subscribe()[1].attr.type);
			assert.equal("damaged", stored());
			assert.is_true(record:logged("^warn: some of those .* cannot be read, .* is damaged$"));
		end);
	end);

	it("is not reloaded when it would not come up again, and looks without touching", function ()
		local old = start("1");
		record.stored.client_proxy = nil;
		old.save();
		assert.is_nil(record.stored.client_proxy);
		record.stored.client_proxy = { key = "damaged" };
		assert.has_error(old.save);
		assert.matches("^error: proxy%.test: the key .* is damaged: .*: not reloaded", record.log[#record.log]);
		record.stored.client_proxy = nil;
		record.options.target_address = "nobody";
		assert.has_error(old.save);
		assert.matches("^error: proxy%.test: the option 'target_address' .*: not reloaded", record.log[#record.log]);
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

	it("answers much in portions when it is unloaded, and the rest at once when the server stops", function ()
		local old = start("1");
		for id = 1, 250 do relayed({ id = tostring(id), type = "set" }); end
		old.unload();
		assert.equal(100, #record:take_sent());
		record.later[1].callback();
		assert.equal(100, #record:take_sent());
		record.global_hooks["server-stopping"]();
		assert.equal(50, #record:take_sent());
		record.later[2].callback();
		assert.same({}, record:take_sent());
	end);
end);
