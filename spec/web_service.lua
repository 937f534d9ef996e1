-- A web service for tests, answering one request at a time while the library's threads wait for it.

local json = require "util.json";
local socket = require "socket";

local DEADLINE = 20; -- seconds, for things that take none

local web_service = {};
web_service.__index = web_service;

function web_service.start()
	local listener = assert(socket.bind("127.0.0.1", 0));
	listener:settimeout(DEADLINE);
	local _, port = listener:getsockname();
	return setmetatable({ listener = listener, url = ("http://127.0.0.1:%d/"):format(port) }, web_service);
end

-- Waits for a request, answers it and returns its headers and its JSON.
function web_service:answer(body, status)
	local connection = assert(self.listener:accept());
	connection:settimeout(DEADLINE);
	assert(connection:receive("*l"));
	local headers = {};
	for line in function () return connection:receive("*l"); end do
		if line == "" then break; end
		local name, value = line:match("^([^:]+): (.*)$");
		headers[name:lower()] = value;
	end
	local request = assert(connection:receive(tonumber(headers["content-length"])));
	connection:send(("HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n%s"):format(
		status or "200 OK", body or ""));
	connection:close();
	return json.decode(request), headers;
end

function web_service:stop()
	self.listener:close();
end

-- Waits until one of these descriptors is readable, and returns it.
function web_service.wait_readable(...)
	local sockets = {};
	for i, fd in ipairs({ ... }) do
		sockets[i] = { getfd = function () return fd; end };
	end
	local readable = socket.select(sockets, nil, DEADLINE);
	assert(#readable > 0, "no descriptor became readable");
	return readable[1].getfd();
end

return web_service;
