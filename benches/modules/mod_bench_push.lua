-- The floor of a push: what Prosody's HTTP server takes to answer one, and with `bench_push_sends` to send a message
-- as well.

local new_id = require "util.id".medium;
local st = require "util.stanza";

local sends = module:get_option_boolean("bench_push_sends");

local function handle(event)
	if sends then
		-- The load generator writes its properties in this order, without quotes in them.
		local body, to = event.request.body:match('^{"body":"(.-)","kind":"message","to":"(.-)"');
		module:send(st.message({ to = to; from = module.host; type = "chat"; id = new_id() }, body));
	end
	return 202;
end

module:depends("http");
module:provides("http", { default_path = "/push"; cors = { enabled = true; origins = {} }; route = { POST = handle } });
