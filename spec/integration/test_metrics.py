"""What is measured, as a client library of Prometheus reads it from a real page; and that docs/metrics.markdown, its
alert rules and the dashboard name what there is. No Grafana is asked: the dashboard is read into the types that
Grafana makes of its schema.
"""

import collections
import json
import re
import shutil
import subprocess
import urllib.request

import pytest

from harness import behaviours, bot as bots, push, services
from harness.config import component
from harness.installation import REPOSITORY, document
from harness.target import PASSWORD, TargetClient
from harness.waiting import DEADLINE, wait_until
from limits import needs_metrics

MANUAL = document("docs/metrics.markdown")
[RULES] = re.findall(r"^``` \{\.yaml\}\n(.*?)^```$", MANUAL, re.M | re.S)
DASHBOARD = json.loads(document("examples/grafana-dashboard.json"))
OURS = re.compile(r"prosody_mod_(?:component_http|client_proxy)__\w+")

ACCOUNTS = {"service@localhost": PASSWORD}
HTTP = push.options()
OPTIONS = {"statistics": "internal", "statistics_interval": "manual", **HTTP,
           "modules_enabled": ["roster", "saslauth", "disco", "ping", "admin_socket", "admin_shell",
                               "http_openmetrics"]}


def hosts(backend):
    return [
        bots.component(backend, component_push_tokens=[push.TOKEN]),
        bots.component(backend, "narrow.test", component_post_concurrency=1, component_post_queue_size=1),
        bots.component(backend, "down.test", component_post_retry_for=60),
        component("proxy.test", "client_proxy", target_address="service@localhost",
                  proxy_stanzas=["iq", "message", "presence"]),
    ]


def run(program, text):
    command = [services.python(), str(REPOSITORY / "spec/integration/services" / program)]
    done = subprocess.run(command, input=text, text=True, capture_output=True, encoding="utf-8", timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read():
    """The families on the page that Prometheus is given, Prosody's own among them."""
    [port] = HTTP["http_ports"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        return run("read_metrics.py", response.read().decode())


def series(host):
    """The values of all that is measured for a host, by names and the values of the other labels."""
    prefixes = ("prosody_mod_component_http__", "prosody_mod_client_proxy__")
    found = {}
    for family in read().values():
        for name, labels, value in family["samples"]:
            if name.startswith(prefixes) and labels.pop("host") == host:
                found[" ".join([name.partition("__")[2], *filter(None, labels.values())])] = value
    return found


class Counted:
    """What the counters of a host have counted since it was made."""

    def __init__(self, host):
        self.host = host
        self._before = series(host)

    def __call__(self, *families):
        new = {name: value - self._before.get(name, 0) for name, value in series(self.host).items()}
        prefixes = tuple(f"{family}_total" for family in families)
        return {name.replace("_total", ""): value for name, value in new.items()
                if name.startswith(prefixes) and value}


@needs_metrics
@pytest.mark.parametrize("behaviour, outcome, attempt", [
    (behaviours.echo, "replied", "accepted"),
    (behaviours.respond(204), "accepted", "accepted"),
    (behaviours.respond(404), "rejected 404", "refused"),
    (behaviours.respond(503), "rejected 503", "not-processed"),
    (behaviours.respond(900), "rejected other", "refused"),
    (behaviours.reset, "unanswered", "perhaps-processed"),
    (behaviours.not_as_described(behaviours.respond(200, "{")), "unusable", "refused"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_an_exchange_is_counted_by_how_it_ends(bot, peer, behaviour, outcome, attempt):
    counted = Counted(bot.host)
    bot.behave(behaviour)
    peer.say(bot.jid, "hello")
    bot.everything_for(peer)  # by way of one more message, which is echoed
    expected = collections.Counter([f"exchanges {outcome}", f"attempts {attempt}",
                                    "exchanges replied", "attempts accepted"])
    if outcome not in ("replied", "accepted"):
        expected["failures"] = 1
    assert counted("exchanges", "attempts", "failures") == expected
    times = series(bot.host)
    for name in ("exchange", "attempt"):
        count = times[f"{name}_duration_seconds_count"]
        assert count >= 2 and times[f"{name}_duration_seconds_bucket +Inf"] == count
        assert times[f"{name}_duration_seconds_sum"] > 0


@needs_metrics
def test_what_is_under_way_and_what_waits(bot_at, peers):
    bot, counted = bot_at("narrow.test"), Counted("narrow.test")
    bot.behave(behaviours.hang)
    for number in range(3):
        peer = peers.peer()
        peer.say(bot.jid, str(number))
    assert peer.receive().error == "wait/resource-constraint"
    bot.wait_for_requests(1)
    now = series(bot.host)
    assert (now["in_flight"], now["in_flight_limit"], now["waiting"], now["waiting_limit"]) == (1, 1, 1, 1)
    assert now["threads"] >= 2
    assert now["oldest_age_seconds"] > 0 and 100 < now["waiting_bytes"] < 1000 < now["waiting_limit_bytes"]
    assert counted("exchanges") == {"exchanges refused": 1}
    bot.release()
    wait_until(lambda: counted("exchanges").get("exchanges accepted") == 2, "the end of both")
    now = series(bot.host)
    assert (now["in_flight"], now["waiting"], now["waiting_bytes"], now["oldest_age_seconds"]) == (0, 0, 0, 0)


@needs_metrics
def test_a_service_that_is_down_and_a_component_that_is_unloaded(prosody, bot_at, peers):
    bot, counted = bot_at("down.test"), Counted("down.test")
    bot.behave(behaviours.respond(503))
    for number in range(5):
        peers.peer().say(bot.jid, str(number))
    wait_until(lambda: series(bot.host)["services_down"] == 1, "a service that is down")
    assert counted("attempts")["attempts not-processed"] >= 5
    prosody.unload("component_http", bot.host)
    assert counted("exchanges") == {"exchanges stopped": 5}
    now = series(bot.host)
    assert (now["waiting"], now["in_flight"]) == (0, 0)


@needs_metrics
def test_counters_outlive_a_reload(prosody, bot, peer):
    peer.say(bot.jid)
    bot.everything_for(peer)
    before = series(bot.host)["exchanges_total accepted"]
    prosody.reload("component_http", bot.host)
    peer.say(bot.jid)
    bot.everything_for(peer)
    assert series(bot.host)["exchanges_total accepted"] == before + 1


@needs_metrics
@pytest.mark.not_as_described("one push is no JSON")
def test_pushes(peer, bot):
    counted = Counted(bot.host)
    [port] = HTTP["http_ports"]
    service = push.Service(port)
    assert service.push({"to": peer.jid, "body": "one"}, {"to": peer.jid, "body": "two"}).status == 202
    assert service.request("{").status == 400
    assert service.request("{}", Authorization="Bearer wrong").status == 401
    service.close()
    assert counted("push_requests", "pushed_stanzas") == {
        "push_requests 202": 1, "push_requests 400": 1, "push_requests 401": 1, "pushed_stanzas": 2}


@needs_metrics
def test_the_clients_of_a_proxy(prosody, peer):
    counted = Counted("proxy.test")
    assert series("proxy.test")["resources_online"] == 0
    client = TargetClient(prosody, "service@localhost", "one")
    prosody.wait_for_log("service@localhost is available")
    peer.iq("proxy.test")
    request = client.request()
    now = series("proxy.test")
    assert (now["resources_online"], now["requests_outstanding"], now["subscribers"]) == (1, 1, 0)
    client.answer(request)
    assert peer.receive().type == "result"
    peer.send("presence", to="proxy.test", type="subscribe")
    wait_until(lambda: series("proxy.test")["subscribers"] == 1, "a subscriber")
    assert series("proxy.test")["requests_outstanding"] == 0
    assert counted("requests_relayed", "requests_answered") == {"requests_relayed": 1, "requests_answered": 1}
    client.leave()


@needs_metrics
def test_the_document_has_all_metrics_and_no_other(prosody):
    told = {}
    for name, family in read().items():
        if OURS.match(name):
            suffix = "_total" if family["type"] == "counter" else ""
            told[name + suffix] = family["type"]
            assert family["help"]
    rows = re.findall(r"^\| `(prosody_\w+)` \| (\w+) \|", MANUAL, re.M)
    assert dict(rows) == told and len(rows) == len(told)


@needs_metrics
def test_the_document_has_all_values_of_labels(prosody, bot, peer):
    """Those of outcome and class. Statuses are those of HTTP."""
    outcomes = set(re.findall(r"^\| `(\w+)` \|", MANUAL.partition("| `outcome` |")[2].partition("\n\n")[0], re.M))
    [classes] = re.findall(r"by `class`: (.*), as in", MANUAL)
    bot.behave(behaviours.respond(404))
    peer.say(bot.jid)
    bot.everything_for(peer)
    now = series(bot.host)
    assert {name.split()[1] for name in now if name.startswith("exchanges_total")} == outcomes
    assert {name.split()[1] for name in now if name.startswith("attempts_total")} == set(re.findall(r"[\w-]+", classes))


def expressions():
    """What alert rules and the dashboard ask Prometheus for."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    yield RULES


def test_rules_and_dashboard_ask_for_what_there_is():
    asked = {re.sub("_bucket$", "", name) for expression in expressions() for name in OURS.findall(expression)}
    named = set(re.findall(r"^\| `(prosody_\w+)` \|", MANUAL, re.M))
    assert asked <= named
    shown = {re.sub("_bucket$", "", name) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
             for name in OURS.findall(target["expr"])}
    assert shown == named


def not_in(part, whole, path=""):
    """Where something of the part is not in the whole, or is something else there."""
    if isinstance(part, dict) and isinstance(whole, dict):
        for key, value in part.items():
            yield from not_in(value, whole.get(key), f"{path}.{key}")
    elif isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        for number, (value, other) in enumerate(zip(part, whole, strict=True)):
            yield from not_in(value, other, f"{path}[{number}]")
    elif part != whole:
        yield path


def test_the_dashboard_is_one_of_grafana():
    """Its types keep all that it has; they add what is left to its defaults."""
    assert list(not_in(DASHBOARD, run("read_dashboard.py", json.dumps(DASHBOARD)))) == []


def test_the_dashboard_asks_for_the_host_that_is_chosen():
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    assert len(targets) > 20
    for expression in targets:
        assert len(OURS.findall(expression)) == expression.count('{host=~"$host"'), expression


@pytest.fixture
def promtool(tmp_path):
    """A function that runs Prometheus' own tool on files, and returns how it ended and what it printed."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")

    def check(*command, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        paths = [str(tmp_path / f"{name}.yml") for name in files]
        done = subprocess.run(["promtool", *command, paths[-1]], text=True, capture_output=True, timeout=DEADLINE)
        return done.returncode, done.stdout + done.stderr
    return check


def test_promtool_takes_the_rules(promtool):
    status, told = promtool("check", "rules", rules=RULES)
    assert status == 0, told
    assert f"{RULES.count('- alert:')} rules found" in told


def test_promtool_takes_what_the_dashboard_asks_for(promtool):
    chosen = [target["expr"].replace("$__rate_interval", "5m") for panel in DASHBOARD["panels"]
              for target in panel.get("targets", [])]
    rules = [{"record": f"panel:number{number}", "expr": expression} for number, expression in enumerate(chosen)]
    status, told = promtool("check", "rules", rules=json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert status == 0, told


# What makes each alert fire, a value each minute; without that none does.
FIRES = {
    "ServiceDown": {"component_http__services_down": "1+0x30"},
    "StanzasFail": {"component_http__exchanges_total{outcome='rejected',status='500'}": "0+10x30",
                    "component_http__exchanges_total{outcome='replied'}": "0+100x30"},
    "AnswersUnusable": {"component_http__exchanges_total{outcome='unusable'}": "0x15 1x15"},
    "AnswersBreakOff": {"component_http__answers_broken_off_total": "0x15 1x15"},
    "StanzasRefused": {"component_http__exchanges_total{outcome='refused'}": "0x25 1x5"},
    "QueueFills": {"component_http__waiting": "6000+0x30", "component_http__waiting_limit": "10000+0x30"},
    "StanzasWaitLong": {"component_http__oldest_age_seconds": "61+0x30"},
    "ConcurrencyExhausted": {"component_http__in_flight": "256+0x30", "component_http__in_flight_limit": "256+0x30"},
    "ExchangesSlow": {"component_http__exchange_duration_seconds_bucket{le='5'}": "0+1x30",
                      "component_http__exchange_duration_seconds_bucket{le='10'}": "0+10x30",
                      "component_http__exchange_duration_seconds_bucket{le='+Inf'}": "0+10x30"},
    "PushesTurnedAway": {"component_http__push_requests_total{status='429'}": "0x25 1x5"},
    "PushesUnauthorized": {"component_http__push_requests_total{status='401'}": "0+1x30"},
    "NoClientOnline": {"client_proxy__resources_online": "0+0x30"},
    "ClientsDoNotAnswer": {"client_proxy__requests_timed_out_total": "0+1x30",
                           "client_proxy__requests_cut_off_total": "0+1x30",
                           "client_proxy__requests_relayed_total": "0+10x30"},
    "RequestsPileUp": {"client_proxy__requests_outstanding": "50001+0x30"},
}
# What nobody has to be told of.
QUIET = {
    "component_http__services_down": "0+0x30",
    "component_http__exchanges_total{outcome='rejected',status='500'}": "0+1x30",
    "component_http__exchanges_total{outcome='replied'}": "0+100x30",
    "component_http__waiting": "100+0x30", "component_http__waiting_limit": "10000+0x30",
    "component_http__oldest_age_seconds": "1+0x30",
    "component_http__in_flight": "255+0x30", "component_http__in_flight_limit": "256+0x30",
    "component_http__push_requests_total{status='202'}": "0+9x30",
    "client_proxy__resources_online": "1+0x30", "client_proxy__requests_relayed_total": "0+10x30",
}


def series_of_test(values):
    for name, told in values.items():
        name, _, labels = name.partition("{")
        labels = ", ".join(['host="bot.test"', *filter(None, [labels.removesuffix("}").replace("'", '"')])])
        yield {"series": f"prosody_mod_{name}{{{labels}}}", "values": told}


@pytest.mark.parametrize("alert", [*FIRES, None])
def test_promtool_sees_alerts_fire(promtool, alert):
    assert set(FIRES) == set(re.findall(r"- alert: (\w+)", RULES))
    values = FIRES[alert] if alert else QUIET
    names = FIRES if alert is None else [alert]
    expected = [{"exp_labels": {"host": "bot.test", **({"status": "429"} if alert == "PushesTurnedAway" else {})}}]
    test = {"interval": "1m", "input_series": list(series_of_test(values)),
            "alert_rule_test": [{"eval_time": "30m", "alertname": name, "exp_alerts": expected if alert else []}
                                for name in names]}
    # Of an alert that fires its texts are compared too, if any is named: none is.
    rules = re.sub(r"^        annotations:\n.*\n", "", RULES, flags=re.M)
    files = {"rules": rules, "test": json.dumps({"rule_files": ["rules.yml"], "tests": [test]})}
    status, told = promtool("test", "rules", **files)
    assert status == 0, told
