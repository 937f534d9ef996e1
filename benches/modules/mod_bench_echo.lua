-- The ceiling: answers each message with its body, inside Prosody and without HTTP.

local st = require "util.stanza";

local function echo(event)
	local stanza = event.stanza;
	if stanza.attr.type ~= "error" then
		module:send(st.reply(stanza):tag("body"):text(stanza:get_child_text("body")));
	end
	return true;
end

module:hook("message/bare", echo);
module:hook("message/full", echo);
module:hook("message/host", echo);
