-- What the library counts and measures, in Prosody's statistics. The library brings this file along and calls it for
-- each module that is loaded, with the module's own `module` and `require`, and the families of metrics that there are.
-- It returns what takes readings of them; nothing if there are no statistics.

local _, module, require, families = ...;

-- COMPAT Lua 5.1
local unpack = table.unpack or unpack; -- luacheck: ignore 113/unpack 143/table

if not module.measure then return; end -- COMPAT Prosody before 0.10

-- Adds to a histogram what was counted in the meantime. Prosody's way is one call for each value; this does what that
-- call does, with the providers that Prosody brings. Others have no histograms of ours.
local function add_to_histogram(metric, buckets, sum)
	local count = buckets[#buckets];
	if count == 0 or not metric._count or not metric[#buckets] then return; end
	metric._sum, metric._count = metric._sum + sum, metric._count + count;
	for i, more in ipairs(buckets) do metric[i].count = metric[i].count + more; end
	local statsd = metric._impl;
	if statsd then
		statsd:push_gauge(metric._sum_name, metric._sum);
		statsd:push_counter_delta(metric._count_name, count);
		for i, more in ipairs(buckets) do statsd:push_counter_delta(metric[i]._full_name, more); end
	end
end

local function declare(family)
	local made = module:metric(family.type, family.name, family.unit, family.help, family.labels,
		{ buckets = family.buckets });
	return function (reading)
		local metric = made:with_labels(unpack(reading.labels));
		if reading.added then
			metric:add(reading.added);
		elseif reading.is then
			metric:set(reading.is);
		else
			add_to_histogram(metric, reading.buckets, reading.sum);
		end
	end
end

-- COMPAT Prosody before 0.12 knows no labels: each of their values makes a counter of its own. That is all it gets.
local function declare_counters(family)
	local counters = {};
	return function (reading)
		if not reading.added then return; end
		local name = family.name;
		for _, label in ipairs(reading.labels) do
			if label ~= "" then name = name.."_"..label; end
		end
		counters[name] = counters[name] or module:measure(name, "counter");
		counters[name](reading.added);
	end
end

local take = {};
if not module.metric then
	for _, family in ipairs(families) do take[family.full_name] = declare_counters(family); end
elseif require "core.statsmanager".get_metric_registry() then
	for _, family in ipairs(families) do take[family.full_name] = declare(family); end
else
	return;
end

return function (readings)
	for _, reading in ipairs(readings) do take[reading.family](reading); end
end
