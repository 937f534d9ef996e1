"""What a backend can do with a request. A behaviour is a function of one Exchange; these make them."""

import json
import time

REASONS = {200: "OK", 204: "No Content"}


def head(status, headers, length=None):
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def respond(status=200, body=b"", content_type="application/json", headers=()):
    """A well-formed response with a length."""
    body = body.encode() if isinstance(body, str) else body
    headers = [*headers, *([("Content-Type", content_type)] if content_type else [])]
    length = None if status in (204, 304) or status < 200 else len(body)
    octets = head(status, headers, length) + body

    def behaviour(exchange):
        exchange.send(octets)
    return behaviour


def reply(*objects, **single):
    """200 with JSON: one object from keyword arguments, or an array of the given ones."""
    return respond(body=json.dumps(list(objects) if objects else single))


def not_as_described(behaviour):
    """The other behaviour, whose JSON is wrong on purpose by what src/push/openapi.json says."""
    def wrong(exchange):
        exchange.look_away()
        behaviour(exchange)
    return wrong


def echo(exchange):
    """Answers a body with the same body, and everything else without a reply."""
    body = exchange.request.json.get("body")
    (respond(204) if body is None else reply(body=body))(exchange)


def raw(octets):
    """Exactly these octets, and with them the end of the connection."""
    def behaviour(exchange):
        exchange.send_and_close(octets)
    return behaviour


def hang(exchange):
    """Nothing until the test releases the endpoint, then a 204."""
    exchange.hang()
    respond(204)(exchange)


def held(then):
    """Nothing until the test releases the endpoint, then the other behaviour."""
    def behaviour(exchange):
        exchange.hang()
        then(exchange)
    return behaviour


def trickle(octets, pause=0.05):
    """One octet per pause."""
    def behaviour(exchange):
        for octet in octets:
            exchange.send(bytes([octet]))
            time.sleep(pause)
    return behaviour


def reset(exchange):
    """Reads the whole request and then breaks the connection."""
    exchange.reset()


def reset_after(octets):
    def behaviour(exchange):
        exchange.send(octets)
        exchange.reset()
    return behaviour


def close(exchange):
    """Reads the whole request and closes without a word."""
    exchange.close()


def chunked(body, size=7, content_type="application/json", ending=b"0\r\n\r\n"):
    """A chunked response; `ending` stands for its last chunk."""
    body = body.encode() if isinstance(body, str) else body
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (body[at:at + size] for at in range(0, len(body), size)))
    octets = head(200, [("Content-Type", content_type), ("Transfer-Encoding", "chunked")]) + chunks + ending

    def behaviour(exchange):
        (exchange.send if ending.startswith(b"0\r\n") else exchange.send_and_close)(octets)
    return behaviour


def endless(exchange):
    """A JSON body that never ends, until the other side has had enough."""
    exchange.send(head(200, [("Content-Type", "application/json")]))
    while True:
        exchange.send(b" " * 65536)


def in_turn(*behaviours):
    """The first behaviour for the first request, the next for the next, the last for all that follow."""
    remaining = list(behaviours)

    def behaviour(exchange):
        chosen = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        chosen(exchange)
    return behaviour


def by_body(cases, otherwise=echo):
    """Chooses by the text of the message."""
    def behaviour(exchange):
        cases.get(exchange.request.json.get("body"), otherwise)(exchange)
    return behaviour
