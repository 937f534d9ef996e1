#!/usr/bin/env python3
"""Greets whoever writes for the first time, and reminds everybody of what they write, a minute later.

Run: python3 reminder.py PORT PUSH_URL TOKEN [SECONDS]
"""

import json
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if len(sys.argv) < 4:
    sys.exit(__doc__.splitlines()[-1])
port, push_url, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]
seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 60
known = set()


def push(stanza, key):
    """Sends a stanza. With the same key nothing is sent twice, however often this is tried."""
    request = urllib.request.Request(push_url, json.dumps(stanza).encode(), {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": key})
    with urllib.request.urlopen(request, timeout=60) as response:
        print("pushed", response.read().decode(), flush=True)


def reply_to(message, key):
    person = message["from"].partition("/")[0]
    if person not in known:
        known.add(person)
        return {"body": "Hello! Write to me, and I will remind you of it."}
    reminder = {"to": person, "from": message["to"], "body": f"Remember: {message['body']}"}
    threading.Timer(seconds, push, (reminder, key)).start()
    return {"body": f"I will remind you in {seconds:g} seconds."}


class Reminder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open between messages
    wbufsize = -1  # sends head and body in one packet

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        # An error is what came of a reminder that could not be delivered.
        speaks = "body" in message and message.get("type") != "error"
        content = json.dumps(reply_to(message, self.headers["Idempotency-Key"]) if speaks else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


server = ThreadingHTTPServer(("127.0.0.1", port), Reminder)
print(f"Listening on http://127.0.0.1:{port}/", flush=True)
server.serve_forever()
