-- A component written as a web service: stanzas go out as JSON, what comes back becomes stanzas.
-- What is done with them is decided in the library; here is how Prosody takes part in it.

local VERSION = "0.2.0";

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

local host = module.host;
local is_virtual_host = module:get_host_type() ~= "component";

-- COMPAT Prosody 0.9 has an HTTP server that knows of no path but as it has decoded it
local too_old = not module.measure and module:get_option("component_push_tokens") ~= nil;

local function get_option(name)
	if too_old and name == "component_push_tokens" then return nil; end
	return shared.get_option(name);
end

local component, problem = native.component_http(host, is_virtual_host, get_option, shared.stanza_mt);
if not component then return shared.refuse(problem); end

local function receive(event)
	shared.carry_out(component:receive(event.stanza));
	return true;
end

for _, event in ipairs(component:events()) do
	module:hook(event, receive, -1); -- after mod_iq, which knows of replies to requests of other modules
end

-- The answer to an iq that was pushed, wherever its sender's address is: before all others, since nobody else waits.
local function receive_answer(event)
	local attr = event.stanza.attr;
	if (attr.type == "result" or attr.type == "error") and component:awaits(attr.from, attr.to, attr.id) then
		shared.carry_out(component:answer(event.stanza));
		return true;
	end
end

if component:push_fd() then
	local push = native:push(module, function (...) shared.carry_out(component:push(...)); end);
	shared.respond = push.respond;
	push.provide();
	for _, place in ipairs(is_virtual_host and { "host" } or { "bare", "full", "host" }) do
		module:hook("iq/"..place, receive_answer, 1);
	end
elseif too_old then
	module:log("error", "the option 'component_push_tokens' needs Prosody 0.10 or later: no pushes are taken");
end

shared.live(component, function () return native.check_component_http(host, is_virtual_host, get_option); end);
