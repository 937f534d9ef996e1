"""A message to a web service and back, and a query to a client behind its proxy: that the installed modules work."""

import contextlib
import socket
import subprocess
import sys

from harness import stanza
from harness.client import User
from harness.waiting import wait_until

PORT = 5222
WEB_SERVICE_PORT = 8080
QUESTION = "<query xmlns='urn:example:question'/>"
ANSWER = "<answer xmlns='urn:example:question'>42</answer>"


def log_in(jid):
    def attempt():
        try:
            return User(PORT, jid, "secret")
        except OSError:
            return None
    return wait_until(attempt, f"Prosody on port {PORT}")


def web_service_listens():
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", WEB_SERVICE_PORT)):
        return True
    return False


def take(user, kind, condition):
    while True:
        received = user.receive()
        if received.kind == kind and condition(received):
            return received


def ask_the_web_service(alice):
    alice.message("echo@bot.localhost", stanza.body("Is anybody there?"), type="chat", id="m1")
    reply = take(alice, "message", lambda message: message.sender == "echo@bot.localhost")
    assert reply.body == "Is anybody there?", reply


def ask_the_client(alice, client):
    client.send("<presence/>")
    request = take(client, "presence", lambda presence: presence.type == "subscribe")
    client.send(f"<presence to='{request.sender}' type='subscribed'/>")

    def answered():
        alice.iq("proxy.localhost", QUESTION, id="q1")
        # Until the proxy has seen the client's presence, it has nobody to ask.
        outcome = wait_until(lambda: iq_among(client) or iq_among(alice), "an iq at either end")
        return outcome if outcome.error is None else None
    query = wait_until(answered, "the query at the client")
    client.send(stanza.build("iq", ANSWER, type="result", to=query.sender, id=query.id))
    result = take(alice, "iq", lambda iq: iq.id == "q1")
    assert result.type == "result" and result.sender == "proxy.localhost", result
    assert result.child("{urn:example:question}answer").text == "42", result


def iq_among(user):
    return next((found for found in user.inbox.waiting() if found.kind == "iq"), None)


def main():
    service = subprocess.Popen([sys.executable, "/test/echo.py", str(WEB_SERVICE_PORT)], stdout=subprocess.DEVNULL)
    try:
        wait_until(web_service_listens, "the web service")
        alice, client = log_in("alice@localhost"), log_in("implementation@localhost")
        ask_the_web_service(alice)
        ask_the_client(alice, client)
        alice.close()
        client.close()
    finally:
        service.kill()
        service.wait()
    print("A message went to a web service and back, a query to a client and back.")


if __name__ == "__main__":
    main()
