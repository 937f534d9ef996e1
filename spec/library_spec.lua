-- The library by itself: what it makes of stanza tables, and the tables that it makes.

local native = require "prosody_components";
local st = require "util.stanza";
local xml = require "util.xml";
local unpack = table.unpack or unpack; -- luacheck: ignore 113/unpack 143/table
local web_service = require "spec.web_service";

local stanza_mt = getmetatable(st.stanza("x"));

local function open(service, options)
	options = options or {};
	options.component_post_url = service.url;
	local get_option = function (name) return options[name]; end
	return assert(native.component_http("bot.test", false, get_option, stanza_mt));
end

local function message(attr)
	attr = attr or {};
	attr.to, attr.from, attr.id = attr.to or "bot.test", attr.from or "romeo@test/orchard", attr.id or "1";
	return st.message(attr);
end

describe("prosody_components", function ()
	local service, component;

	before_each(function ()
		service = web_service.start();
		component = nil;
	end);

	after_each(function ()
		if component then component:close(); end
		service:stop();
	end);

	-- Sends a stanza through the component and returns what the web service saw and what is to be sent.
	local function exchange(stanza, answer, options)
		component = component or open(service, options);
		local errors = component:receive(stanza);
		if errors then return nil, errors; end
		component:timeout();
		local request = service:answer(answer);
		web_service.wait_readable(component:fd());
		return request, (component:wake());
	end

	local function error_of(stanza)
		local type, condition = stanza:get_error();
		return type.."/"..condition;
	end

	-- A message whose body is what util.stanza itself would not let pass.
	local function with_raw_body(text)
		local stanza = message():text_tag("body", "");
		stanza.tags[1][1] = text;
		return stanza;
	end

	describe("options", function ()
		local function problem(options)
			local get_option = function (name) return options[name]; end
			local none, text = native.component_http("bot.test", false, get_option, stanza_mt);
			assert.is_nil(none);
			assert.equal(text, native.check_component_http("bot.test", false, get_option));
			return text;
		end

		it("are checked without a component being built, the certificates among them", function ()
			local file = os.tmpname();
			local options = { component_post_url = "https://a/", component_post_ca_file = file };
			assert.matches("component_post_ca_file", problem(options));
			os.remove(file);
			options.component_post_ca_file = nil;
			local get_option = function (name) return options[name]; end
			assert.is_nil(native.check_component_http("bot.test", false, get_option));
		end);

		it("names the component, the option and the remedy", function ()
			assert.equal("bot.test: the option 'component_post_url' is missing: "
				.."set it to the http or https URL of the service", problem({}));
		end);

		it("takes no value of a wrong type, whatever it is", function ()
			for _, value in ipairs({ {}, true, 7, print, io.stdout, "\255", coroutine.create(print) }) do
				assert.matches("component_post_url", problem({ component_post_url = value }));
			end
			local loop = {};
			loop[1] = loop;
			local options = { component_post_url = "http://a/", component_post_stanzas = loop };
			assert.matches("component_post_stanzas", problem(options));
		end);

		it("never repeats a URL", function ()
			assert.not_matches("s3cret", problem({ component_post_url = "ftp://user:s3cret@host/" }));
		end);
	end);

	describe("a stanza on its way out", function ()
		it("is repeated as XML and as texts", function ()
			local request = exchange(message({ type = "chat", ["xml:lang"] = "de" })
				:text_tag("subject", "S & <s>"):text_tag("body", "first"):text_tag("body", "second")
				:tag("body", { xmlns = "urn:other" }):text("third"):up());
			assert.same({ to = "bot.test", from = "romeo@test/orchard", id = "1", type = "chat", kind = "message",
				lang = "de", subject = "S & <s>", body = "first", stanza = request.stanza }, request);
			local read = assert(xml.parse(request.stanza));
			assert.equal("S & <s>", read:get_child_text("subject"));
			assert.equal(4, #read.tags);
			assert.equal("third", read:get_child_text("body", "urn:other"));
		end);

		it("keeps mixed content, white space and attributes of other namespaces", function ()
			local request = exchange(message():text(" a "):tag("x", { xmlns = "urn:x", ["urn:y\1z"] = "1\n2", w = "'\"<>&" })
				:text("b"):tag("c"):up():text("\r\nd"):up():text(" e "));
			local read = assert(xml.parse(request.stanza));
			local x = read:get_child("x", "urn:x");
			assert.equal("1\n2", x.attr["urn:y\1z"]);
			assert.equal("'\"<>&", x.attr.w);
			assert.equal(" a ", read[1]);
			assert.equal("\r\nd", x[3]);
			assert.equal(" e ", read[3]);
		end);

		it("may have numbers where Lua takes them for strings", function ()
			local stanza = with_raw_body(7);
			stanza.attr.n = 5;
			local request = exchange(stanza);
			assert.equal("7", request.body);
			assert.matches("n='5'", request.stanza);
		end);

		it("may be nested 100 levels deep and no deeper", function ()
			local function nested(levels)
				local stanza = message();
				for _ = 2, levels do stanza:tag("a"); end
				return stanza:reset();
			end
			local request = exchange(nested(100));
			assert.is_truthy(request);
			for _, levels in ipairs({ 101, 100000 }) do
				local none, errors = exchange(nested(levels));
				assert.is_nil(none);
				assert.equal("modify/not-acceptable", error_of(errors[1]));
			end
		end);

		it("has no character that XML forbids", function ()
			for _, text in ipairs({ "\1", "\20", "\239\191\191", "\255", "a\0b" }) do
				local none, errors = exchange(with_raw_body(text));
				assert.is_nil(none);
				assert.equal("modify/bad-request", error_of(errors[1]));
			end
		end);

		it("is ignored when it is none", function ()
			component = open(service);
			local things = { {}, { name = "message" }, { name = 7, attr = 8 }, st.stanza("x"), st.message({ to = "bot.test" }) };
			for _, thing in ipairs(things) do
				local stanzas, _, notes = component:receive(thing);
				assert.is_nil(stanzas);
				assert.equal("debug", notes[1]);
			end
			assert.has_error(function () component:receive("message"); end);
		end);
	end);

	describe("a stanza on its way back", function ()
		local function reply(answer)
			local _, stanzas = exchange(message():text_tag("body", "hi"), answer);
			return stanzas and stanzas[1], stanzas;
		end

		it("is what util.stanza would have made", function ()
			local stanza = reply([[{"body":"a < b","subject":"s","lang":"de"}]]);
			assert.is_true(st.is_stanza(stanza));
			local id = stanza.attr.id;
			assert.same(st.message({ to = "romeo@test/orchard", from = "bot.test", type = "chat", id = id, ["xml:lang"] = "de" })
				:text_tag("subject", "s"):text_tag("body", "a < b"):reset(), stanza);
			assert.equal("a < b", stanza:get_child_text("body"));
			assert.equal(stanza.tags[2], stanza[2]);
		end);

		it("is what Prosody's parser would have made of its XML", function ()
			local body = "<message to='a@b' from='bot.test'><body>1</body>"
				.."<x xmlns='urn:x' xmlns:p='urn:p' p:q='r'>text<y/>tail</x></message>";
			local stanza = reply(([[{"stanza":%q}]]):format(body));
			assert.equal("1", stanza:get_child_text("body"));
			local x = stanza:get_child("x", "urn:x");
			assert.equal("r", x.attr["urn:p\1q"]);
			assert.same({ "text", "tail" }, { x[1], x[3] });
			assert.is_truthy(x:get_child("y"));
			assert.is_true(st.is_stanza(x.tags[1]));
		end);

		it("comes in a list, in order", function ()
			local _, stanzas = reply([=[[{"body":"1"},{"kind":"presence"},{"body":"3"}]]=]);
			assert.same({ "message", "presence", "message" }, { stanzas[1].name, stanzas[2].name, stanzas[3].name });
		end);

		it("is an error, and a note says why", function ()
			component = open(service);
			component:receive(message():text_tag("body", "hi"));
			component:timeout();
			service:answer("", "404 Not Found");
			web_service.wait_readable(component:fd());
			local stanzas, _, notes = component:wake();
			assert.equal("cancel/item-not-found", error_of(stanzas[1]));
			assert.equal("debug", notes[1]);
			assert.equal("warn", notes[3]);
			assert.matches("HTTP status 404", notes[4]);
			local added = {};
			for _, reading in ipairs(component:readings()) do
				local name = table.concat({ reading.family, reading.labels[1], reading.labels[2] }, " ");
				if reading.added and reading.added > 0 then added[name] = reading.added; end
			end
			assert.same({ failures = 1, ["exchanges rejected 404"] = 1, ["attempts refused"] = 1 }, added);
		end);
	end);

	-- Prosody runs its signal handlers from a hook, wherever Lua is called: also inside a method.
	local function stop_within(calls, subject, action)
		local seen, stopped, problem = 0, nil, nil;
		debug.sethook(function ()
			seen = seen + 1;
			if seen == calls then stopped, problem = pcall(subject.close, subject); end
		end, "cr");
		action();
		debug.sethook();
		assert.is_true(stopped, problem);
	end

	it("can be stopped by a signal handler", function ()
		for calls = 1, 8 do
			component = open(service);
			local stanza = message();
			stop_within(calls, component, function ()
				component:receive(stanza);
				component:timeout();
			end);
		end
	end);

	describe("as a proxy", function ()
		local TARGET = "service@test/1";
		local proxy, relay_iq, relay_message;

		before_each(function ()
			local options = { target_address = "service@test", proxy_stanzas = { "iq", "message" } };
			proxy = native.client_proxy("proxy.test", function (name) return options[name]; end,
				function () end, function () end, stanza_mt);
			relay_iq, relay_message = proxy:relays();
			proxy:receive(st.presence({ to = "proxy.test", from = TARGET }));
		end);

		local function request()
			return st.iq({ type = "get", id = "1", to = "proxy.test", from = "romeo@test/orchard" })
				:tag("ping", { xmlns = "urn:xmpp:ping" });
		end

		local function ask(id, stanza)
			return relay_iq("get", "proxy.test", "romeo@test/orchard", id, stanza);
		end

		it("can be stopped by a signal handler", function ()
			for calls = 1, 8 do
				stop_within(calls, proxy, function ()
					ask("1", request());
					relay_message("chat", "proxy.test", "romeo@test/orchard", "1", true);
					proxy:receive(st.presence({ to = "proxy.test", from = TARGET }));
					proxy:timeout();
					proxy:poll();
				end);
			end
		end);

		it("says what becomes of a stanza", function ()
			local verdict, to, from, id = ask("1", request());
			assert.same({ "relayed", TARGET, "1" }, { verdict, to, id });
			assert.matches("^proxy%.test/", from);
			assert.same({ "relayed", "romeo@test/orchard", "proxy.test", "1" }, { relay_iq("result", from, to, id) });
			assert.same({ "stray" }, { relay_iq("result", from, to, id) });
			assert.same({ "to_target", TARGET, from, nil },
				{ relay_message("chat", "proxy.test", "romeo@test/orchard", nil, true) });
			assert.same({ "to_requester", "romeo@test/orchard", "proxy.test", "2" },
				{ relay_message("chat", from, TARGET, "2", true) });
			for _, arguments in ipairs({ {}, { "get" }, { "get", "proxy.test", 1, "1" }, { {}, {}, {}, {}, {} } }) do
				assert.same({ "settled" }, { relay_iq(unpack(arguments, 1, 5)) });
				assert.same({ "settled" }, { relay_message(unpack(arguments, 1, 5)) });
			end
		end);

		it("lets go of a request that is answered", function ()
			local stanzas = setmetatable({}, { __mode = "v" });
			local _, to, from;
			for n = 1, 100 do
				stanzas[n] = request();
				_, to, from = ask(tostring(n), stanzas[n]);
			end
			collectgarbage();
			assert.equal("table", type(stanzas[100]));
			for n = 1, 100 do relay_iq("result", from, to, tostring(n)); end
			relay_iq("result", from, to, "none");
			collectgarbage();
			assert.same({}, stanzas);
		end);

		it("holds the heap together when the functions outlive it", function ()
			proxy = nil;
			for n = 1, 100 do
				collectgarbage();
				local verdict, to, from, id = ask(tostring(n), request());
				assert.equal("relayed", verdict);
				if n % 2 == 0 then relay_iq("result", from, to, id); end
			end
		end);
	end);

	it("holds the stack and the heap together over many stanzas", function ()
		component = open(service, { component_post_stanzas = { "message" }, component_post_queue_size = 0,
			component_post_concurrency = 1 });
		component:receive(message());
		for n = 1, 2000 do
			local refused = component:receive(message({ id = tostring(n) }):text_tag("body", ("x"):rep(n)));
			assert.equal(tostring(n), refused[1].attr.id);
			local ping = st.iq({ type = "get", id = "p", to = "bot.test", from = "a@b" })
				:tag("ping", { xmlns = "urn:xmpp:ping" });
			local pong = component:receive(ping);
			assert.equal("result", pong[1].attr.type);
			if n % 500 == 0 then collectgarbage(); end
		end
	end);
end);
