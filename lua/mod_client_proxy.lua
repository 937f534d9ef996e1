-- One account's clients serve iq requests as a component.
-- Who gets what is decided in the library; here is how Prosody takes part in it.

local VERSION = "0.1.0";

local st = require "util.stanza";
local timer = require "util.timer";

local function refuse(problem)
	if module.log_status then
		module:log_status("error", "%s", problem);
	else -- COMPAT Prosody before 0.12
		module:log("error", "%s", problem);
	end
end

-- What prosodyctl installs is found by Prosody, but its libraries are not by Lua.
local installer = prosody.paths and prosody.paths.installer;
local installed = installer and ("%s/lib/lua/%s/?.so"):format(installer, _VERSION:match("%d%.%d"));
if installed and not package.cpath:find(installed, 1, true) then
	package.cpath = package.cpath..";"..installed;
end

local native = require "prosody_components";
if native.version ~= VERSION then
	return refuse(("this module is version %s and the library prosody_components is version %s: restart Prosody, "
		.."and install both from one package if that does not help"):format(VERSION, native.version));
end

if module.host == "*" then return; end -- prosodyctl loads modules without a host

if module:get_host_type() ~= "component" then
	return refuse(('mod_client_proxy needs a host of its own: Component "proxy.%s" "client_proxy"'):format(module.host));
end

-- The addresses that stand for requesters are made with a key. It is stored, so that they stay the same.
local function stored_key()
	local store, err = module:open_store("client_proxy");
	local saved, key, stored;
	if store then saved, err = store:get(); end
	if saved then return saved.key; end
	key = native.client_proxy_key();
	if not err then stored, err = store:set(nil, { key = key }); end
	if not stored then
		module:log("warn", "requesters get other addresses after a restart, since the key cannot be stored: %s", err);
	end
	return key;
end

local get_option = function (name) return module:get_option(name); end
local stanza_mt = getmetatable(st.stanza("x"));
local proxy, problem = native.client_proxy(module.host, get_option, stanza_mt, stored_key);
if not proxy then return refuse(problem); end

local function send(stanza)
	local ok, err = pcall(module.send, module, stanza);
	if not ok then module:log("error", "cannot send a %s to %s: %s", stanza.name, stanza.attr.to, err); end
	return ok;
end

local drain_later;
local function relay(stanza)
	if not send(stanza) then drain_later(proxy:unsent(stanza)); end
end

local function deliver(stanzas, requests, notes)
	for i = 1, notes and #notes or 0, 2 do
		module:log(notes[i], "%s", notes[i + 1]);
	end
	for _, stanza in ipairs(stanzas or {}) do send(stanza); end
	for _, stanza in ipairs(requests or {}) do relay(stanza); end
end

local function drain(by_timer)
	local stanzas, requests, notes, drain_after = proxy:drain(by_timer);
	drain_later(drain_after);
	deliver(stanzas, requests, notes);
end

function drain_later(delay)
	if delay then module:add_timer(delay, function () drain(true); end); end
end

local function tick()
	local delay, has_actions = proxy:tick();
	if has_actions then drain(false); end
	return delay;
end

local function receive(event)
	-- What was read from a connection nobody keeps; what a module made it may send to others as well.
	local stanza, has_actions = proxy:receive(event.stanza, event.origin.conn ~= nil);
	if stanza then relay(stanza); end
	if has_actions then drain(false); end
	return true;
end

local function stop()
	deliver(proxy:stop());
end

local function receive_request(event)
	local type = event.stanza.attr.type;
	if type == "get" or type == "set" then return receive(event); end
end

for _, place in ipairs({ "bare", "full", "host" }) do
	module:hook("iq/"..place, receive_request, 1); -- before any module that would answer itself
	for _, kind in ipairs({ "iq", "message", "presence" }) do
		module:hook(kind.."/"..place, receive, -1); -- after mod_iq, which knows of replies to other modules
	end
end
module:hook_global("server-stopping", stop, 1000); -- while there are sessions to send to
module:add_timer(0, tick); -- when all hosts are there

-- A reload hands everything known over to the module that is loaded next. If that fails, nobody adopts it,
-- and what is outstanding is answered.
local reloading = false;

function module.save()
	reloading = true;
	return { proxy = proxy };
end

function module.restore(data)
	if data.proxy then proxy:adopt(data.proxy); end
end

function module.unload()
	if reloading then timer.add_task(0, stop); else stop(); end
end
