"""A message to a web service and back, and an iq request to a client behind its proxy: the installed modules work."""

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

    def reach():
        """Asks once; what arrives at the client, or None if it came back because nobody is behind the proxy yet."""
        alice.iq("proxy.localhost", QUESTION, id="q1")
        outcome = wait_until(lambda: request_at(client) or answer_at(alice), "an iq at either end")
        return outcome if outcome.error is None else None
    request = wait_until(reach, "the iq request at the client")
    client.send(stanza.build("iq", ANSWER, type="result", to=request.sender, id=request.id))
    result = wait_until(lambda: answer_at(alice), "the answer")
    assert result.type == "result" and result.sender == "proxy.localhost", result
    assert result.child("{urn:example:question}answer").text == "42", result


def request_at(client):
    """The question, if it has come; on the way the proxy is allowed to see the client's presence."""
    for received in client.inbox.waiting():
        if received.type == "subscribe":
            client.send(f"<presence to='{received.sender}' type='subscribed'/>")
        elif received.child("{urn:example:question}query") is not None:
            return received
    return None


def answer_at(alice):
    return next((received for received in alice.inbox.waiting() if received.id == "q1"), None)


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
    print("A message went to a web service and back, an iq request to a client and back.")


if __name__ == "__main__":
    main()
