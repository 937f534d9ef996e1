"""Many conversations, long addresses, and hundreds of services gone wrong at once: one outcome each."""

import json
import random

from harness import behaviours, bot as bots, config
from harness.behaviours import chunked, raw, reply, reset_after, respond, trickle
from harness.client import Component
from harness.prosody import COMPONENT_SECRET

LONG_HOST = ".".join(["a" * 60] * 9) + ".test"
SEED = 20240229
NASTY = 256


def hosts(backend):
    return [
        bots.component(backend, component_post_stanzas=["message", "iq"]),
        bots.component(backend, "nasty.test", component_post_stanzas=["message", "presence", "iq"],
                       component_post_timeout=2, component_post_response_limit=50000),
        config.external_component(LONG_HOST, COMPONENT_SECRET),
    ]


def test_a_thousand_conversations(bot, peers):
    bot.behave(behaviours.echo)
    senders = [peers.peer() for _ in range(1000)]
    for sender in senders:
        sender.say(bot.jid, sender.jid)
    for sender in senders:
        assert sender.receive().body == sender.jid
    bodies = [request.json["body"] for request in bot.requests]
    assert len(bodies) == len(set(bodies)) == 1000


def test_long_conversations_side_by_side(bot, peers):
    bot.behave(behaviours.echo)
    senders = [peers.peer() for _ in range(20)]
    for number in range(60):
        for sender in senders:
            sender.say(bot.jid, str(number))
    for sender in senders:
        assert [sender.receive().body for _ in range(60)] == [str(number) for number in range(60)]


def test_longest_addresses(bot, prosody):
    """Node and resource of 1,023 octets each and a long host: some 2,600 octets in each address."""
    component = Component(prosody.component_port, LONG_HOST, COMPONENT_SECRET)
    bot.behave(behaviours.echo)
    senders = [component.peer(f"{str(number).ljust(1023, 'n')}@{LONG_HOST}/{'r' * 1023}") for number in range(50)]
    to = f"{'b' * 1023}@bot.test/{'é' * 511}"
    for sender in senders:
        assert len(sender.jid) > 2600
        sender.say(to, sender.jid[:40])
    component.push()
    for sender in senders:
        received = sender.receive()
        assert (received.body, received.sender, received.to) == (sender.jid[:40], to, sender.jid)
    component.close()


def test_large_messages(bot, peers):
    bot.behave(behaviours.echo)
    text = "Grüße & <Küsse> 🎉 " * 10000
    senders = [peers.peer() for _ in range(4)]
    for sender in senders:
        sender.say(bot.jid, text)
    for sender in senders:
        assert sender.receive().body == text


# Services gone wrong

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def random_octets(chance):
    return chance.randbytes(chance.randrange(1, 2000))


def mutated(chance, octets):
    octets = bytearray(octets)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(octets))
        change = chance.randrange(3)
        if change == 0:
            octets[at] = chance.randrange(256)
        elif change == 1:
            del octets[at:at + chance.randrange(1, 20)]
        else:
            octets[at:at] = random_octets(chance)[:chance.randrange(1, 20)]
        if not octets:
            octets = bytearray(b"x")
    return bytes(octets)


def response(body):
    return JSON + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def random_value(chance, depth=0):
    kinds = [None, True, 0, -1.5e300, "", "text", "a@localhost", "a@@b", "bot@nasty.test", "message", "iq", "error",
             "\u0000", "\ud800", "\uffff", "<message/>", "<message", "<iq type='get' id='x' to='nobody@localhost'/>",
             "<presence type='subscribe' to='nobody@localhost'/>", [], {}, "x" * 3000]
    if depth < 3 and chance.random() < 0.2:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return chance.choice(kinds)


def random_object(chance):
    names = ["to", "from", "kind", "type", "id", "body", "subject", "thread", "lang", "show", "status", "priority",
             "stanza"]
    return {chance.choice(names): random_value(chance) for _ in range(chance.randrange(5))}


def random_behaviour(chance):
    good = response(b'{"body": "a good answer"}')
    return chance.choice([
        lambda: raw(random_octets(chance)),
        lambda: raw(mutated(chance, good)),
        lambda: raw(mutated(chance, response(b'[{"stanza": "<message><body>x</body></message>"}]'))),
        lambda: raw(good[:chance.randrange(len(good))]),
        lambda: reset_after(good[:chance.randrange(len(good))]),
        lambda: behaviours.reset,
        lambda: behaviours.close,
        lambda: behaviours.hang,
        lambda: behaviours.endless,
        lambda: trickle(good, pause=0.05),
        lambda: respond(chance.randrange(200, 600), random_octets(chance)),
        lambda: respond(200, random_octets(chance)),
        lambda: respond(200, json.dumps(random_object(chance))),
        lambda: respond(200, json.dumps([random_object(chance) for _ in range(chance.randrange(5))])),
        lambda: chunked(mutated(chance, b'{"body": "x"}'), ending=chance.choice([b"", b"0\r\n\r\n", b"zz\r\n"])),
        lambda: respond(200, b"[" * 40000),
        lambda: reply(stanza="<message>" + "<x>" * 6000 + "</x>" * 6000 + "</message>"),
        lambda: respond(200, json.dumps({"body": "a good answer"})),
    ])()


def test_each_of_many_nasty_responses_ends_in_one_outcome(bot_at, peers):
    """As many as are let in at a time."""
    nasty = bot_at("nasty.test")
    chance = random.Random(SEED)
    chosen = {}

    def behave(exchange):
        # What is not among them is a bounce of an answer that went to somebody who is not there.
        chosen.get(exchange.request.json.get("id"), respond(204))(exchange)
    nasty.behave(behave)
    asked = {}
    for _ in range(NASTY):
        sender = peers.peer()
        id = sender.fresh_id()
        kind, type = chance.choice([
            ("message", "chat"), ("message", "normal"), ("iq", "get"), ("iq", "set"), ("presence", None)])
        chosen[id] = behaviours.not_as_described(random_behaviour(chance))
        asked[sender] = (kind, id)
        sender.send(kind, "<q xmlns='urn:example:q'/>", to=nasty.jid, type=type, id=id)
    nasty.wait_for_requests(NASTY)
    for sender, (kind, id) in asked.items():
        received = [sender.receive()] if kind == "iq" else []
        received += nasty.everything_for(sender)
        errors = [stanza for stanza in received if stanza.type == "error" and stanza.id == id]
        assert len(errors) <= 1
        if errors:
            assert len(received) == 1, "an error, and then nothing else"
        if kind == "iq":
            answers = [stanza for stanza in received if stanza.kind == "iq" and stanza.id == id]
            assert len(answers) == 1, f"{len(answers)} answers"
    posted = [request.json.get("id") for request in nasty.requests if request.json.get("id") in chosen]
    assert sorted(posted) == sorted(chosen), "each was POSTed once"
