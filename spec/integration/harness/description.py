"""The description of both directions (src/push/openapi.json), and what of the JSON of tests does not fit it."""

import functools
import http.client
import io
import json
import re

import jsonschema_rs

from .installation import document

DOCUMENT = json.loads(document("src/push/openapi.json"))
COMPONENTS = DOCUMENT["components"]
WEBHOOK = DOCUMENT["webhooks"]["stanza"]["post"]
JSON = re.compile(r"application/(?:[\w.-]+\+)?json$", re.I)


class Misfits:
    """Collects, for one test."""

    def __init__(self):
        self.found = []

    def webhook_request(self, body):
        self._look("a webhook's request", WEBHOOK["requestBody"]["content"], "application/json", body)

    def webhook_answer(self, octets, is_end):
        """Looks at a response if all of it is there, and returns whether it is."""
        answer = _parsed(octets)
        if not answer or not (is_end or answer.has_length):
            return False
        # Without a body there is no answer.
        if answer.status == 200 and JSON.match(answer.media_type) and answer.body:
            self.webhook_reply(answer.body)
        return True

    def webhook_reply(self, body):
        self._look("a webhook's answer", WEBHOOK["responses"]["200"]["content"], "application/json", body)

    def webhook_item(self, item):
        self._report("an item", WEBHOOK["responses"]["200"]["content"]["application/x-ndjson"]["schema"], item)

    def push(self, method, path, media_type, body, answer):
        """Looks at a push, and at what it was answered."""
        operation = _operation(method, path)
        if operation and "requestBody" in operation:
            self._look("a push", operation["requestBody"]["content"], media_type.partition(";")[0], body)
        if not operation:
            # Whatever it is, it is told as a problem.
            described = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        elif str(answer.status) in operation["responses"]:
            described = _resolved(operation["responses"][str(answer.status)])
        else:
            self.found.append(f"{answer.status} is no answer of {operation['operationId']}")
            return
        for name, header in described.get("headers", {}).items():
            self._look_at_header(name, header, answer.headers.get(name.lower()))
        if method != "HEAD":
            media_type = answer.headers.get("content-type", "")
            self._look(f"an answer with {answer.status}", described["content"], media_type, answer.body)

    def _look_at_header(self, name, header, value):
        if value is None:
            self.found.append(f"the header {name} is missing")
            return
        value = int(value) if header["schema"]["type"] == "integer" and value.isdigit() else value
        self._report(f"the header {name}", header["schema"], value)

    def _look(self, what, content, media_type, body):
        if media_type not in content:
            self.found.append(f"{what} has the media type {media_type!r}, none of {list(content)}")
        elif JSON.match(media_type):
            try:
                self._report(what, content[media_type]["schema"], json.loads(body))
            except ValueError as error:
                self.found.append(f"{what} is not JSON: {error}: {body[:200]!r}")

    def _report(self, what, schema, value):
        validator = _validator(json.dumps(schema))
        if not validator.is_valid(value):
            reasons = "; ".join(error.message for error in validator.iter_errors(value))
            self.found.append(f"{what} does not fit its schema: {reasons}: {str(value)[:500]}")


@functools.cache
def _validator(schema):
    return jsonschema_rs.Draft202012Validator({**json.loads(schema), "components": COMPONENTS})


def _resolved(described):
    return COMPONENTS["responses"][described["$ref"].rpartition("/")[2]] if "$ref" in described else described


def _operation(method, path):
    """The operation of a path below the component's."""
    path = path.partition("?")[0]
    for template, operations in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", ".+", template), path or "/"):
            return operations.get("get" if method == "HEAD" else method.lower())
    return None


class _Parsed:
    """A response that is all there."""

    def __init__(self, response):
        self.status = response.status
        self.media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip()
        self.has_length = "Content-Length" in response.headers or response.chunked
        self.body = response.read()


class _Socket:
    def __init__(self, octets):
        self._octets = octets

    def makefile(self, _):
        return io.BytesIO(self._octets)


@functools.lru_cache(1024)
def _parsed(octets):
    response = http.client.HTTPResponse(_Socket(octets))
    try:
        response.begin()
        return _Parsed(response)
    except (http.client.HTTPException, ValueError, OSError):
        return None
