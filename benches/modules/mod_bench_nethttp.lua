-- To compare with: the same service as mod_component_http, with Prosody's own HTTP client and JSON.

local http = require "net.http";
local json = require "util.json";
local new_id = require "util.id".medium;
local st = require "util.stanza";
local xml = require "util.xml";

local url = module:get_option_string("component_post_url");
local ca_file = module:get_option_string("component_post_ca_file");

local client = http.default;
if ca_file then
	local tls = require "core.certmanager".create_context(module.host, "client", {
		cafile = ca_file; verify = { "peer" }; protocol = "tlsv1_2+";
	});
	client = http.new({ sslctx = tls });
end

local function encode(stanza)
	return json.encode({
		to = stanza.attr.to; from = stanza.attr.from; kind = stanza.name; type = stanza.attr.type; id = stanza.attr.id;
		body = stanza:get_child_text("body"); stanza = tostring(stanza);
	});
end

local function decode(response_body, request)
	local answer = json.decode(response_body);
	if not answer then return nil; end
	if answer.stanza then return xml.parse(answer.stanza); end
	return st.message({ to = request.attr.from; from = request.attr.to; type = "chat"; id = new_id() }, answer.body);
end

local function forward(event)
	local request = event.stanza;
	if request.attr.type == "error" then return true; end
	local options = { method = "POST"; headers = { ["Content-Type"] = "application/json" }; body = encode(request) };
	client:request(url, options, function (response_body, code)
		local reply = code == 200 and decode(response_body, request)
			or st.error_reply(request, "wait", "remote-server-timeout");
		module:send(reply);
	end);
	return true;
end

module:hook("message/bare", forward);
module:hook("message/full", forward);
module:hook("message/host", forward);
