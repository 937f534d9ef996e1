#!/usr/bin/env python3
"""Answers with a language model, word by word, from any endpoint with the interface of OpenAI's chat completions.

Run: OPENAI_BASE_URL=http://127.0.0.1:11434/v1 OPENAI_API_KEY=none OPENAI_MODEL=llama3.2 python3 ai.py [PORT]
"""

import collections
import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

url, key, model = (os.environ.get(f"OPENAI_{name}") or sys.exit(__doc__.splitlines()[-1])
                   for name in ("BASE_URL", "API_KEY", "MODEL"))
histories = collections.defaultdict(lambda: collections.deque(maxlen=20))  # the model itself remembers nothing


def ask(messages):
    content = json.dumps({"model": model, "messages": messages, "stream": True}).encode()
    request = urllib.request.Request(url.rstrip("/") + "/chat/completions", content, {
        "Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=60)


def words(answer):
    for line in answer:
        if line.startswith(b"data:") and b"[DONE]" not in line:
            yield from (choice["delta"].get("content") or "" for choice in json.loads(line[5:])["choices"])


class Bot(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # has chunks, so that an answer that breaks off is known for one

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not message.get("body") or message.get("type") in ("error", "groupchat"):
            self.send_response(204)
            return self.end_headers()
        history, text = histories[message["from"].partition("/")[0], message["to"]], ""
        try:
            answer = ask([*history, asked := {"role": "user", "content": message["body"]}])
        except OSError as error:  # for 503 it is asked again
            return self.send_error(503 if getattr(error, "code", 503) in (429, 503) else 500, str(error))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in words(answer):
            text += word
            item = json.dumps({"delta": word}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(item), item))
        self.wfile.write(b"0\r\n\r\n")
        history += asked, {"role": "assistant", "content": text}


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Bot)
print(f"Listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
