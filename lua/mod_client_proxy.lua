-- One account's clients serve as a component.
-- Who gets what is decided in the library; here is how Prosody takes part in it.

local VERSION = "0.2.0";

local st = require "util.stanza";

-- LuaRocks installs the library into the module's own tree, where Prosody makes Lua look for no library.
local tree = module.path and module.path:match("^(.*)/share/lua/%d%.%d/");
local installed = tree and ("%s/lib/lua/%s/?.so"):format(tree, _VERSION:match("%d%.%d"));
if installed and not package.cpath:find(installed, 1, true) then package.cpath = package.cpath..";"..installed; end

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

local host, get_option = module.host, shared.get_option;
local carry_out, set_timer = shared.carry_out, shared.set_timer;
if module:get_host_type() ~= "component" then
	return shared.refuse(('mod_client_proxy needs a host of its own: Component "proxy.%s" "client_proxy"'):format(host));
end

-- What the library keeps in Prosody's storage. Returns what a record has, nil if that is nothing, or nil and why
-- nothing can be read.
local function read(store_name, record)
	local store, err = module:open_store(store_name);
	if not store then return nil, tostring(err); end
	local value;
	value, err = store:get(record);
	return value, value == nil and err and tostring(err) or nil;
end

local function write(store_name, record, value)
	local store, err = module:open_store(store_name);
	if not store then return nil, tostring(err); end
	local stored;
	stored, err = store:set(record, value);
	return stored, not stored and tostring(err) or nil;
end

local proxy, problem = native.client_proxy(host, get_option, read, write, shared.stanza_mt);
if not proxy then return shared.refuse(problem); end

-- Where a stanza is from that is from no stream: of a client, a component, or a server that is connected.
local function origin_of(session)
	if session.dummy then return "connection"; end -- mod_s2s: one that has failed
	if session == prosody.hosts[session.host] then return "host"; end
end

-- An error that comes from no stream may say that the target's server cannot be reached.
local function take_error(stanza, origin)
	local attr = stanza.attr;
	local _, condition = stanza:get_error();
	return proxy:error(origin, condition, attr.to, attr.from, attr.id);
end

local relay_iq, relay_message = proxy:relays();

local function receive_iq(event)
	local stanza = event.stanza;
	local attr = stanza.attr;
	local type = attr.type;
	local origin = type == "error" and origin_of(event.origin);
	local verdict, to, from, id, delay;
	if origin then
		verdict, to, from, id, delay = take_error(stanza, origin);
	else
		verdict, to, from, id, delay = relay_iq(type, attr.to, attr.from, attr.id, type == "get" and stanza or nil);
	end
	if verdict == "relayed" then
		if delay then set_timer(delay); end
		shared.relay_iq(stanza, to, from, id);
	else
		carry_out(proxy:poll());
	end
	if verdict ~= "stray" then return true; end -- else it may be another module's
end

local function swallow_iq(event)
	local attr = event.stanza.attr;
	module:log("debug", "Dropped an iq of type %s from %s to %s that nobody waits for", attr.type, attr.from, attr.to);
	return true;
end

-- What keeps a message from being copied to the account's other clients: XEP-0280, and XEP-0334.
local PRIVATE = st.stanza("private", { xmlns = "urn:xmpp:carbons:2" });
local NO_COPY = st.stanza("no-copy", { xmlns = "urn:xmpp:hints" });

-- Sends a message on with that, and takes it out again, as `relay` does with addresses.
local function relay_privately(message, to, from)
	local tags = message.tags;
	local children, elements = #message, #tags;
	message[children + 1], message[children + 2] = PRIVATE, NO_COPY;
	tags[elements + 1], tags[elements + 2] = PRIVATE, NO_COPY;
	local sent = shared.relay(message, to, from, message.attr.id);
	message[children + 2], message[children + 1] = nil, nil;
	tags[elements + 2], tags[elements + 1] = nil, nil;
	return sent;
end

local function receive_message(event)
	local message = event.stanza;
	local attr = message.attr;
	local has_body = message:get_child("body") ~= nil;
	local verdict, to, from, id, delay = relay_message(attr.type, attr.to, attr.from, attr.id, has_body);
	if verdict == "settled" then
		carry_out(proxy:poll());
		return true;
	end
	if delay then set_timer(delay); end
	local relay = verdict == "to_target" and relay_privately or shared.relay;
	if not relay(message, to, from, id) then
		carry_out(proxy:message_unsent(attr.type, attr.to, attr.from, attr.id, has_body));
	end
	return true;
end

local function receive(event)
	local stanza = event.stanza;
	local is_error = getmetatable(stanza) == shared.stanza_mt and stanza.attr.type == "error";
	carry_out(proxy:receive(stanza, is_error and select(2, stanza:get_error()) or nil));
	return true;
end

-- mod_iq, at priority 0, would look for handlers of each payload and id first. Filters such as mod_firewall's
-- come before it. What it knows of answers to other modules it is asked for before they are swallowed.
local BEFORE_MOD_IQ, AFTER_MOD_IQ = 0.05, -1;
for _, place in ipairs({ "bare", "full", "host" }) do
	module:hook("iq/"..place, receive_iq, BEFORE_MOD_IQ);
	module:hook("iq/"..place, swallow_iq, AFTER_MOD_IQ);
	module:hook("message/"..place, proxy:carries_messages() and receive_message or receive, -1);
	module:hook("presence/"..place, receive, -1);
end

shared.live(proxy, function () return native.check_client_proxy(host, get_option, read); end);
