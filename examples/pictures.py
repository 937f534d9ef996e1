#!/usr/bin/env python3
"""Answers the name of a picture with that picture.

Run: python3 pictures.py 8080 /srv/pictures https://www.example.com/pictures/

The directory holds cat.jpg, office map.png and so on, and your web server serves
it at that URL. Then "cat" or "Office map" shows the picture in the sender's client.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

if len(sys.argv) != 4:
    sys.exit("Run: python3 pictures.py PORT DIRECTORY URL")
PORT, DIRECTORY, BASE_URL = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if not DIRECTORY.is_dir():
    sys.exit(f"pictures.py: there is no directory {DIRECTORY}")
IMAGES = {".avif", ".gif", ".jpeg", ".jpg", ".png", ".webp"}


def answer(request):
    """Return the reply to a message: its picture, the list of pictures, or nothing."""
    name = request.get("body", "").strip().lower()
    pictures = {file.stem.lower(): file for file in DIRECTORY.iterdir() if file.suffix.lower() in IMAGES}
    in_room = request.get("type") == "groupchat"
    if name in pictures:
        url = BASE_URL + quote(pictures[name].name)
        return {"stanza": picture(url, "groupchat" if in_room else "chat")}
    if name and not in_room:
        return {"body": "I have: " + ", ".join(sorted(pictures))}
    return {}


def picture(url, kind):
    """Return a message that clients show as a picture: XEP-0066, section 3, the URL as its only text.

    A stanza is sent as it is, so that it has to be well-formed: build it with an XML
    library, never from strings. The component adds the addresses.
    """
    message = ElementTree.Element("message", type=kind)
    ElementTree.SubElement(message, "body").text = url
    oob = ElementTree.SubElement(message, "x", xmlns="jabber:x:oob")
    ElementTree.SubElement(oob, "url").text = url
    return ElementTree.tostring(message, encoding="unicode")


class Pictures(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open between messages
    wbufsize = -1  # sends head and body in one packet

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = json.dumps(answer(request)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


server = ThreadingHTTPServer(("127.0.0.1", PORT), Pictures)
print(f"Listening on http://127.0.0.1:{PORT}/", flush=True)
server.serve_forever()
