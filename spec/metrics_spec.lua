-- What the modules measure, in Prosody's own registries.

local prosody = require "spec.prosody";
local native = require "prosody_components";

local FAMILIES = {
	{ type = "counter", name = "ends", full_name = "ends", unit = "", help = "", labels = { "how" } };
	{ type = "gauge", name = "age", full_name = "age_seconds", unit = "seconds", help = "", labels = {} };
	{ type = "histogram", name = "time", full_name = "time_seconds", unit = "seconds", help = "", labels = {},
		buckets = { 0.5, 2 } };
};

local READINGS = {
	{ family = "ends", labels = { "well" }, added = 2 };
	{ family = "age_seconds", labels = {}, is = 7.5 };
	{ family = "time_seconds", labels = {}, buckets = { 1, 3, 4 }, sum = 11 };
};

-- Prosody's registry of a provider, and a module that knows it.
local function with(provider)
	local record, registry = prosody.new("bot.test", {}), provider.metric_registry;
	record.modules["core.statsmanager"] = { get_metric_registry = function () return registry; end };
	function record.module.metric(_, type, name, unit, help, labels, extra)
		local family = registry[type](registry, "x/"..name, unit, help, { "host", labels[1] }, extra);
		return family:with_partial_label("bot.test");
	end
	return record, registry;
end

local function metrics(record)
	return native:metrics(record.module, function (name) return record.modules[name] or require(name); end, FAMILIES);
end

describe("metrics", function ()
	if not pcall(require, "util.openmetrics") then return; end -- before 0.12
	local statistics = require "util.statistics";

	it("are shown by the internal provider as if each value had been given by itself", function ()
		local record, registry = with(statistics.new());
		local take = metrics(record);
		take(READINGS);
		take(READINGS);
		local page = registry:render();
		for _, line in ipairs({
			'x__ends_total{host="bot.test",how="well"} 4', 'x__age_seconds{host="bot.test"} 7.5',
			'x__time_seconds_count{host="bot.test"} 8', 'x__time_seconds_sum{host="bot.test"} 22',
			'x__time_seconds_bucket{host="bot.test",le="0.5"} 2', 'x__time_seconds_bucket{host="bot.test",le="2"} 6',
			'x__time_seconds_bucket{host="bot.test",le="+Inf"} 8',
		}) do
			assert.truthy(page:find(line, 1, true), line.." in "..page);
		end
	end);

	it("are sent to statsd in one packet for each number", function ()
		local socket = require "socket".udp();
		socket:setsockname("127.0.0.1", 0);
		socket:settimeout(1);
		local _, port = socket:getsockname();
		local record = with(require "util.statsd".new({ statsd_server = "127.0.0.1", statsd_port = port }));
		metrics(record)(READINGS);
		local sent = {};
		for _ = 1, 7 do sent[socket:receive() or "nothing"] = true; end
		assert.same({
			["prosody.x.ends.bot_test.well:2|c"] = true, ["prosody.x.age_seconds.bot_test:7.5|g"] = true,
			["prosody.x.time_seconds.bot_test.sum:11|g"] = true, ["prosody.x.time_seconds.bot_test.count:4|c"] = true,
			["prosody.x.time_seconds.bot_test.bucket.0_5:1|c"] = true,
			["prosody.x.time_seconds.bot_test.bucket.2:3|c"] = true,
			["prosody.x.time_seconds.bot_test.bucket.+Inf:4|c"] = true,
		}, sent);
	end);

	it("are not taken while there are no statistics", function ()
		local record = with({});
		assert.is_nil(metrics(record));
	end);

	it("leave a histogram alone that a provider keeps in its own way", function ()
		local record = with(statistics.new());
		function record.module.metric()
			return { with_labels = function () return { add = function () end, set = function () end }; end };
		end
		metrics(record)(READINGS);
	end);

	it("are counters with the labels in their names before 0.12", function ()
		local record = prosody.new("bot.test", {});
		local take = metrics(record);
		take(READINGS);
		take(READINGS);
		assert.equal(4, record.ends_well);
		assert.is_nil(record.age);
	end);
end);
