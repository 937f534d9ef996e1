#!/usr/bin/env python3
"""A bot that shows what people see of one: it takes its time, tells a story bit by bit, and shows a picture.

Run: python3 bot.py 8080 https://www.example.com/picture.png
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, PICTURE = int(sys.argv[1]), sys.argv[2]
STORY = (
    "Once upon a time there was a kettle. ", "It sang whenever anybody asked it for tea, ",
    "and nobody in the house had ever been thirsty. ", "One day it was given an address. ", "The end.")
SECONDS_BETWEEN = 1.2


class Bot(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open between messages

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request.get("body", "").lower()
        if "story" in text:
            self.tell(STORY)
        elif "picture" in text:
            self.answer({"body": PICTURE, "oob": {"url": PICTURE}})
        elif text:
            time.sleep(3)
            self.answer({"body": "Tea is ready. Mind the steam."})
        else:
            self.answer({})

    def answer(self, reply):
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def tell(self, parts):
        """Send a line for each part as it comes; in the client they are one message that grows."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            line = json.dumps({"delta": part}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
            time.sleep(SECONDS_BETWEEN)
        self.wfile.write(b"0\r\n\r\n")


server = ThreadingHTTPServer(("127.0.0.1", PORT), Bot)
print(f"Listening on http://127.0.0.1:{PORT}/", flush=True)
server.serve_forever()
