-- Measures how long anything holds Prosody's thread: the longest that it takes from one turn of the loop to the next,
-- in CPU time, so that whatever else the machine does is no part of it.

local timer = require "util.timer";

local last, longest = os.clock(), 0;

local function turn()
	local now = os.clock();
	longest = math.max(longest, now - last);
	last = now;
	timer.add_task(0, turn);
end

timer.add_task(0, turn);

-- The longest in milliseconds since this was asked last.
function module.take()
	local taken = longest * 1000;
	longest = 0;
	return taken;
end
