-- The routes of pushes: Prosody's HTTP server takes the requests, the library does the rest. The library brings this
-- file along and calls it for each component that takes pushes, with the module's own `module`, and `take`, which is
-- given what `component:push` takes.

local _, module, take = ...;

local push = {};

-- Those that there are and those that are told which there are.
local METHODS = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

-- `below` is what the wildcard of a route stands for. Both paths have been decoded, which an address does not survive:
-- the library is given the path as it was sent, and what the component's own is.
local function handle(event, below)
	local request = event.request;
	local url, path, body, headers = request.url, request.path, request.body, request.headers;
	if below then path = path:sub(1, -1 - #below); end
	if body == nil then body = ""; end -- false: it is longer than Prosody takes
	take(event.response, request.method, url.path, path, url.query, body or nil, headers.authorization,
		headers.content_type, headers.idempotency_key, headers.prefer, headers.transfer_encoding);
	return true; -- it has been answered, or will be
end

function push.provide()
	local route = {};
	for _, method in ipairs(METHODS) do
		route[method] = handle;
		route[method.." /*"] = handle;
	end
	module:depends("http");
	module:provides("http", {
		name = "component_http";
		default_path = "/component_http";
		-- Of no web page: it would have to know a token. COMPAT Prosody 0.12 up to .3 cannot unload what is not enabled
		cors = { enabled = true; origins = {} };
		streaming_uploads = true; -- so that a body that is too long is told to be so
		route = route;
	});
end

-- Answers requests: a list of responses, each followed by a status, a media type, a body, and the name and the value
-- of one more header or twice false.
function push.respond(responses)
	for i = 1, #responses, 6 do
		local response, status, body, header = responses[i], responses[i + 1], responses[i + 3], responses[i + 4];
		local headers = response.headers;
		response.status_code, headers.content_type = status, responses[i + 2];
		if header then headers[(header:lower():gsub("-", "_"))] = responses[i + 5]; end
		if response.request.method == "HEAD" and not response.is_head_request then
			body = ""; -- COMPAT Prosody before 0.12 sends a body with everything
		end
		local ok, err = pcall(response.send, response, body);
		if not ok then module:log("error", "cannot answer a push: %s", err); end
		module:log("debug", "a push is answered: status %s", status);
	end
end

return push;
