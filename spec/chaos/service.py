"""A web service that fails in every way it can, and keeps a journal of what it has seen.

    service.py PORT JOURNAL

A line of the journal is written before anything is answered, so that it outlives a SIGKILL: `seen KEY BODY`, and
`refused KEY` once an answer that says that nothing was processed is about to go out.
"""

import asyncio
import json
import os
import random
import sys


def response(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def behave(writer, write, key, body):
    """Does something with a request; returns whether the connection goes on."""
    answer = response(200, json.dumps({"id": body, "body": body}).encode())
    kind = random.choices(("answer", "stall", "refuse", "ask for time", "reset", "break off", "fail"),
                          (80, 4, 6, 2, 3, 3, 2))[0]
    if kind == "stall":
        await asyncio.sleep(random.uniform(0.1, 2))
    if kind in ("refuse", "ask for time"):
        write(f"refused {key}\n")
        writer.write(response(503, b"", *(["Retry-After: 1"] if kind == "ask for time" else [])))
        return True
    if kind == "fail":
        writer.write(response(500))
        return True
    if kind in ("reset", "break off"):
        if kind == "break off":
            writer.write(answer[:-len(body)])
            await writer.drain()
        writer.transport.abort()
        return False
    writer.write(answer)
    return True


async def serve(reader, writer, write):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            request = json.loads(await reader.readexactly(int(headers["content-length"])))
            key = headers["idempotency-key"]
            write(f"seen {key} {request['body']}\n")
            if not await behave(writer, write, key, request["body"]):
                return
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main():
    port, journal = int(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, lambda line: os.write(journal, line.encode())),
        "127.0.0.1", port, backlog=512)
    print("up", flush=True)
    await server.serve_forever()


asyncio.run(main())
