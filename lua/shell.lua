-- What `prosodyctl shell` can do with a component: `component_http:status("bot.example.com")`. The library brings this
-- file along and calls it for each module that is loaded, with the module's own `module` and `require`, the component,
-- and what carries out what follows from a call of it. It returns what ends that.

local native, module, require, component, carry_out = ...;

local has_tables, human_io = pcall(require, "util.human.io");
if not has_tables then return function () end; end -- COMPAT Prosody before 0.12 has another shell
local array = require "util.array";

local section, host = module.name, module.host;

-- The modules of this name by their hosts: commands are for all of them. They outlast each module, as a shell that is
-- open may hold a command.
native.shells = native.shells or {};
local hosts = native.shells[section] or {};
native.shells[section] = hosts;

local WIDEST = 60; -- characters of a column

-- Prints rows below titles. All columns but the last are as wide as they need to be, and that one is never cut off.
local function show(session, titles, rows)
	local last, columns = #titles, {};
	for i = 1, last - 1 do
		local width = 0;
		for _, row in ipairs(rows) do width = math.max(width, math.min(#row[i], WIDEST)); end
		columns[i] = { title = titles[i], width = width };
	end
	local format = human_io.table(columns, WIDEST * last);
	session.print(format().." | "..titles[last]);
	for _, row in ipairs(rows) do session.print(format(row).." | "..row[last]); end
end

-- Carries out what follows from a call that returns a number before that, and puts the number into a sentence.
local function tell(sentence, number, ...)
	carry_out(...);
	return true, sentence:format(number);
end

local commands = {};

function commands.status(session)
	show(session, { "mod_"..section, host }, component:overview());
	return true, ("This is how it stands with %s"):format(host);
end

if component.failures then
	function commands.failures(session)
		local rows = component:failures();
		for _, row in ipairs(rows) do row[1] = os.date("%Y-%m-%d %H:%M:%S", os.time() - row[1]); end
		show(session, { "When", "From", "To", "Kind", "Why" }, rows);
		return true, ("%d stanzas were not accepted of late"):format(#rows);
	end

	function commands.retry()
		return tell("%d stanzas wait: the next attempt is made now", component:retry());
	end

	function commands.drop(_, jid)
		local bare = type(jid) == "string" and component:bare(jid);
		if not bare then return nil, "Whose stanzas? Name a JID"; end
		return tell("%d stanzas of that bare JID are dropped; it is told", component:drop(bare));
	end
end

local descriptions = {
	status = "Show what is under way, what waits and what has become of the rest";
	failures = "Show the last stanzas that were not accepted";
	retry = "Try the service now, however long it is to be left alone";
	drop = "Drop what a bare JID has sent and what has not ended; its sender gets an error";
};

local function describe(name)
	local args = array({ { name = "host", type = "string" } });
	if name == "drop" then args:push({ name = "jid", type = "string" }); end
	return { desc = descriptions[name], args = args, module = section };
end

-- Items of the type "shell-command", which Prosody 13 has, would be seen of hosts only that enable admin_shell
-- themselves, and a component does not. What a section of Prosody's own is there, this is, too.
local environment = module:shared("/*/admin_shell/env");
local entry = { commands = {}, help = { desc = ("Look after mod_%s"):format(section), commands = {} } };
for name in pairs(commands) do
	entry.commands[name] = function (self, named_host, ...)
		local session, found = self.session, hosts[named_host];
		if not found then return nil, ("mod_%s is not loaded on %s"):format(section, tostring(named_host)); end
		if not session then return nil, "This shell is older than the module: open another one"; end
		return found[name](session, ...);
	end
	entry.help.commands[name] = describe(name);
end
environment[section] = setmetatable(entry.commands, { help = entry.help });
hosts[host] = commands;

return function ()
	if hosts[host] == commands then hosts[host] = nil; end
	if not next(hosts) then environment[section] = nil; end
end
