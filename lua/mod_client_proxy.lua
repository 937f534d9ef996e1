-- One account's clients serve iq requests as a component.
-- Who gets what is decided in the library; here is how Prosody takes part in it.

local VERSION = "0.2.0";

local st = require "util.stanza";
local unpack = table.unpack or unpack; -- luacheck: ignore 113/unpack 143/table

-- Prosody finds a module that LuaRocks has installed, but Lua does not find the library in the same tree.
local tree = module.path and module.path:match("^(.*)/share/lua/%d%.%d/");
local installed = tree and ("%s/lib/lua/%s/?.so"):format(tree, _VERSION:match("%d%.%d"));
if installed and not package.cpath:find(installed, 1, true) then
	package.cpath = package.cpath..";"..installed;
end

local found, native = pcall(require, "prosody_components");
if not found or native.version ~= VERSION then
	local problem = found
		and ("this module is version %s and the library prosody_components is version %s: restart Prosody, "
			.."and install both from one package if that does not help"):format(VERSION, native.version)
		or ("the library prosody_components cannot be loaded into %s: %s"):format(_VERSION, native);
	(module.log_status or module.log)(module, "error", "%s", problem); -- COMPAT Prosody before 0.12
	return;
end

if module.host == "*" then return; end -- prosodyctl loads modules without a host

local shared = native:shared(module, require, prosody);

if module:get_host_type() ~= "component" then
	return shared.refuse(('mod_client_proxy needs a host of its own: Component "proxy.%s" "client_proxy"')
		:format(module.host));
end

-- The addresses that stand for requesters are made with a key. It is stored, so that they stay the same. Returns
-- whatever the store has, or nil and why it has nothing to say.
local function stored_key()
	local store, err = module:open_store("client_proxy");
	if not store then return nil, tostring(err); end
	local record, stored;
	record, err = store:get();
	if record ~= nil then return type(record) == "table" and record.key; end
	if err then return nil, tostring(err); end
	local key = native.client_proxy_key();
	stored, err = store:set(nil, { key = key });
	if not stored then
		module:log("warn", "requesters get other addresses after a restart, since the key cannot be stored: %s", err);
	end
	return key;
end

local stanza_mt = getmetatable(st.stanza("x"));

local function new_proxy()
	return native.client_proxy(module.host, shared.get_option, stanza_mt, stored_key);
end

local proxy, problem = new_proxy();
if not proxy then return shared.refuse(problem); end

-- Sends a stanza on with other addresses. As everywhere in Prosody it is the same table that goes on, and whoever
-- keeps it makes a copy. It gets its own addresses back: its sender may look at it once more.
local drain_later;
local function relay(stanza, to, from, id)
	local attr = stanza.attr;
	local own_to, own_from, own_id = attr.to, attr.from, attr.id;
	attr.to, attr.from, attr.id = to, from, id;
	local sent = shared.send(stanza);
	attr.to, attr.from, attr.id = own_to, own_from, own_id;
	if not sent then drain_later(proxy:unsent(attr.type, to, from, id)); end
end

local function deliver(stanzas, requests, notes)
	shared.log(notes);
	shared.send_all(stanzas);
	for i = 1, requests and #requests or 0, 4 do
		relay(unpack(requests, i, i + 3));
	end
end

local function drain(by_timer)
	local stanzas, requests, notes, drain_after = proxy:drain(by_timer);
	drain_later(drain_after);
	deliver(stanzas, requests, notes);
end

function drain_later(delay)
	if delay then module:add_timer(delay, function () drain(true); end); end
end

local counters = {};
local function count()
	if not module.measure then return; end -- COMPAT Prosody before 0.10
	for name, number in pairs(proxy:counts()) do
		counters[name] = counters[name] or module:measure(name, "counter");
		counters[name](number);
	end
end

local function tick()
	local delay = proxy:tick();
	drain(false);
	count();
	return delay;
end

-- Where a stanza is from that is from no stream: of a client, a component, or a server that is connected.
local function origin_of(session)
	if session.dummy then return "connection"; end -- mod_s2s: one that has failed
	if session == prosody.hosts[session.host] then return "host"; end
end

local function take_iq(stanza, session)
	local attr = stanza.attr;
	local origin = attr.type == "error" and origin_of(session);
	if origin then
		local _, condition = stanza:get_error();
		return proxy:error(origin, condition, attr.to, attr.from, attr.id);
	end
	return proxy:iq(attr.type, attr.to, attr.from, attr.id, attr.type == "get" and stanza or nil);
end

local function receive_iq(event)
	local stanza = event.stanza;
	local to, from, id = take_iq(stanza, event.origin);
	if to then
		relay(stanza, to, from, id);
	elseif from then -- it is seen to
		drain(false);
	else
		return; -- it may be another module's
	end
	return true;
end

local function swallow_iq(event)
	local attr = event.stanza.attr;
	module:log("debug", "Dropped an iq of type %s from %s to %s that nobody waits for", attr.type, attr.from, attr.to);
	return true;
end

local function receive(event)
	proxy:receive(event.stanza);
	drain(false);
	return true;
end

-- mod_iq, at priority 0, would look for handlers of each payload and id first. Filters such as mod_firewall's
-- come before it. What it knows of answers to other modules it is asked for before they are swallowed.
local BEFORE_MOD_IQ, AFTER_MOD_IQ = 0.05, -1;
for _, place in ipairs({ "bare", "full", "host" }) do
	module:hook("iq/"..place, receive_iq, BEFORE_MOD_IQ);
	module:hook("iq/"..place, swallow_iq, AFTER_MOD_IQ);
	module:hook("message/"..place, receive, -1);
	module:hook("presence/"..place, receive, -1);
end
module:add_timer(0, tick); -- when all hosts are there
shared.log(proxy:introduce());

shared.live({
	state = proxy;
	check = function () return select(2, new_proxy()); end;
	adopt = function (old) proxy:adopt(old); end;
	close = function ()
		local stanzas, requests, notes = proxy:close();
		deliver(stanzas, requests, notes);
		count();
		return stanzas ~= nil;
	end;
});
