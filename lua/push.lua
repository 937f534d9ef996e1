-- The routes of pushes: Prosody's HTTP server takes the requests, the library does the rest. The library brings this
-- file along and calls it for each component that takes pushes, with the module's own `module`, and `take`, which is
-- given a response to keep open and its request.

local _, module, take = ...;

local push = {};

-- Those that there are and those that are told which there are.
local METHODS = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

-- `below` is what the wildcard of a route stands for. Both paths have been decoded, which an address does not survive:
-- the library is given the path as it was sent, and what the component's own is.
local function handle(event, below)
	local request = event.request;
	take(event.response, {
		method = request.method;
		path = request.url.path;
		base = request.path:sub(1, #request.path - #(below or ""));
		query = request.url.query;
		headers = request.headers;
		body = request.body;
	});
	return true; -- it is answered later
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
		streaming_uploads = true; -- so that a body that is too long is told to be so
		route = route;
	});
end

-- Answers requests: a list of responses, each followed by a status, headers and a body.
function push.respond(responses)
	for i = 1, responses and #responses or 0, 4 do
		local response, body = responses[i], responses[i + 3];
		response.status_code = responses[i + 1];
		for name, value in pairs(responses[i + 2]) do response.headers[name] = value; end
		if response.request.method == "HEAD" and not response.is_head_request then
			body = ""; -- COMPAT Prosody before 0.12 sends a body with everything
		end
		local ok, err = pcall(response.send, response, body);
		if not ok then module:log("error", "cannot answer a push: %s", err); end
	end
end

return push;
