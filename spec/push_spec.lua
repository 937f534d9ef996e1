-- Pushes in the shim: when there is a path for them, and how a request that is kept open is answered.

local prosody = require "spec.prosody";
local web_service = require "spec.web_service";

local TOKEN = "a-token-of-many-characters";

-- An event of Prosody's HTTP server whose response records what it is sent.
local function event(method, path, headers, body)
	local sent = {};
	local request = { method = method, path = path, url = { path = path }, headers = headers, body = body };
	local response = { request = request, headers = {} };
	function response:send(text)
		assert(not sent.body, "answered twice");
		sent.status, sent.headers, sent.body = self.status_code, self.headers, text;
	end
	return { request = request, response = response }, sent;
end

local function authorized(content_type)
	return { authorization = "Bearer "..TOKEN, content_type = content_type };
end

describe("pushes", function ()
	local service, record;

	before_each(function ()
		service = web_service.start();
		record = prosody.new("bot.test", { component_post_url = service.url, component_push_tokens = { TOKEN } });
	end);

	after_each(function ()
		if record.global_hooks["server-stopping"] then record.global_hooks["server-stopping"](); end
		service:stop();
	end);

	local function route(name)
		return record.provided.item.route[name];
	end

	-- Lets Prosody's loop run until something was sent as an answer.
	local function wait_for(sent)
		repeat
			local first = next(record.watches);
			local second = next(record.watches, first);
			record.watches[web_service.wait_readable(first, second)]();
			record:tick();
		until sent.body;
	end

	it("have no path without a token", function ()
		record.options.component_push_tokens = nil;
		record:load("component_http");
		assert.is_nil(record.provided);
	end);

	it("have a path of Prosody's HTTP server with one", function ()
		record:load("component_http");
		assert.equal("http", record.dependency);
		assert.same({ "http", "/component_http" }, { record.provided.name, record.provided.item.default_path });
	end);

	it("are refused in one line before 0.10", function ()
		record.module.measure = nil;
		record:load("component_http");
		assert.is_nil(record.provided);
		assert.truthy(record:logged("^error: the option 'component_push_tokens' needs Prosody 0.10 or later"));
		assert.falsy(record:logged("takes pushes"));
		assert.truthy(record.hooks["message/bare"]);
	end);

	it("are answered at once where nothing is to be done", function ()
		record:load("component_http");
		local asked, sent = event("POST", "/component_http", {}, "{}");
		assert.is_true(route("POST")(asked));
		assert.same({ 401, "Bearer" }, { sent.status, sent.headers.www_authenticate });
		local head, headers = event("HEAD", "/component_http/openapi.json", {}, "");
		route("HEAD /*")(head, "openapi.json");
		assert.same({ 200, "" }, { headers.status, headers.body });
	end);

	it("are answered when they have been sent", function ()
		record:load("component_http");
		local body = [[{"to":"romeo@test","body":"hi","id":"1"}]];
		local asked, sent = event("POST", "/component_http", authorized("application/json"), body);
		assert.is_true(route("POST")(asked));
		assert.is_nil(sent.body);
		wait_for(sent);
		assert.same({ 202, [[{"ids":["1"]}]] }, { sent.status, sent.body });
		local stanza = record:take_sent()[1];
		assert.same({ "romeo@test", "bot.test", "hi" },
			{ stanza.attr.to, stanza.attr.from, stanza:get_child_text("body") });
	end);

	it("are answered when the component ends", function ()
		record:load("component_http");
		local asked, sent = event("POST", "/component_http/to/a@b", authorized("text/plain"), "hi");
		route("POST /*")(asked, "to/a@b");
		record.global_hooks["server-stopping"]();
		assert.equal(503, sent.status);
		assert.same({}, record:take_sent());
	end);

	it("tell that a body is too long which Prosody does not take", function ()
		record:load("component_http");
		local asked, sent = event("POST", "/component_http", authorized("application/json"), false);
		route("POST")(asked);
		assert.equal(413, sent.status);
	end);
end);
