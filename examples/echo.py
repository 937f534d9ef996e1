#!/usr/bin/env python3
"""Answers every message with its own text. Run: [WEBHOOK_SECRET=whsec_…] python3 echo.py [PORT]"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# With component_post_secret, only requests that are signed with it count: pip install standardwebhooks
webhook = None
if "WEBHOOK_SECRET" in os.environ:
    from standardwebhooks import Webhook, WebhookVerificationError
    webhook = Webhook(os.environ["WEBHOOK_SECRET"])


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open between messages
    wbufsize = -1  # sends head and body in one packet

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if webhook:
            try:
                webhook.verify(content, dict(self.headers))
            except WebhookVerificationError as error:
                return self.send_error(401, str(error))
        request = json.loads(content)
        print("received", json.dumps(request), flush=True)
        # No body, for instance "is typing": an empty object means no reply.
        reply = {"body": request["body"]} if "body" in request else {}
        print("answered", json.dumps(reply), flush=True)
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
server = ThreadingHTTPServer(("127.0.0.1", port), Echo)
print(f"Listening on http://127.0.0.1:{port}/", flush=True)
server.serve_forever()
