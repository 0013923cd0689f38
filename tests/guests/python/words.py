"""A connector in another language: fixed data, no network. Shows that the contract asks nothing that only Rust could give, and
that what its language brings along (files, environment, sockets) leads nowhere in the host.

`cargo xtask guests` makes it a component with componentize-py.
"""

import encodings.idna  # what names are looked up with; a module that is loaded later would be a file
import json
import os
import random
import socket
import sys
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.connection import (
    Activities,
    ActivitySchema,
    Comparisons,
    Consistency,
    Field,
    Identity,
    ObjectInfo,
    ObjectSchema,
    Outcome_Applied,
    Outcome_Failed,
    Page,
    Plan,
)
from wit_world.exports.metadata import Info
from wit_world.imports import variables
from wit_world.imports.ipaas_connector_types import Error, ErrorKind, Retry_Never

WORDS = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow"]
PAGE = 5
SCHEMA = json.dumps({
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {"token": {"type": "string", "title": "Token", "writeOnly": True, "x-variables": True}},
})
RECORD = json.dumps({"type": "object", "properties": {"id": {"type": "integer"}, "word": {"type": "string"}}})

settings = None


def error(kind, message, pointer=None):
    return Error(kind, Retry_Never(), message, None, None, pointer)


def attempts():
    """What a program can usually reach. Each entry says what came of it."""

    def attempt(action):
        try:
            return f"reached: {action()!r}"
        except Exception as failure:  # whatever it is, it is the answer
            return f"failed: {type(failure).__name__}: {failure}"

    def write():
        with open("/tmp/written", "w") as file:
            file.write("x")

    yield "read a file", attempt(lambda: open("/etc/passwd").read())
    yield "write a file", attempt(write)
    yield "list the root", attempt(lambda: os.listdir("/"))
    yield "environment", attempt(lambda: dict(os.environ))
    yield "arguments", attempt(lambda: sys.argv)
    yield "input", attempt(lambda: sys.stdin.read())
    yield "resolve a name", attempt(lambda: socket.getaddrinfo("localhost", 80))
    yield "connect", attempt(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1))
    yield "listen", attempt(lambda: socket.create_server(("127.0.0.1", 0)))
    yield "clock", attempt(lambda: time.time() > 1_700_000_000)
    yield "randomness", attempt(lambda: len(random.SystemRandom().randbytes(8)))


class Metadata(exports.Metadata):
    def describe(self):
        return Info("words", "Words from Python", "0.1.0", SCHEMA, [])


class Connection(exports.Connection):
    def configure(self, text):
        global settings
        parsed = json.loads(text)
        wrong = [name for name in parsed if name != "token"]
        if wrong:
            raise Err([error(ErrorKind.CONFIGURATION, f"`{name}` is no setting", f"/{name}") for name in wrong])
        settings = parsed

    def test(self):
        token = settings.get("token", "").strip("[]")
        try:
            warnings = [f"the token has {len(variables.get(token))} characters"] if token else []
        except Err as failure:
            raise Err(error(ErrorKind.CONFIGURATION, f"no variable: {failure.value.value}", "/token"))
        return Identity("Python", warnings)

    def list_objects(self):
        both = Activities.QUERY | Activities.CREATE
        return [ObjectInfo("words", "Words", None, both), ObjectInfo("attempts", "Attempts", None, Activities.QUERY)]

    def describe_object(self, name):
        if name not in ("words", "attempts"):
            raise Err(error(ErrorKind.NOT_FOUND, f"there is no object `{name}`"))
        schema = ActivitySchema(RECORD, RECORD)
        fields = [Field(field, Comparisons(0), Comparisons(0), False) for field in ("id", "word")]
        create = schema if name == "words" else None
        return ObjectSchema(["id"], fields, [], Consistency.STABLE, False, schema, create, None, None)

    def query(self, request):
        if request.object == "attempts":
            rows = [{"attempt": name, "result": result} for name, result in attempts()]
            return Page(lines(rows), len(rows), None, len(rows), None)
        if request.object == "exit":
            sys.exit(3)
        if request.object == "print":
            print("to standard output")
            print("secret: " + variables.get(settings["token"].strip("[]")))
            print("to standard error", file=sys.stderr)
            sys.stdout.write("without an end")
            sys.stdout.flush()
            return Page(b"", 0, None, 0, None)
        start = int(request.cursor or 0)
        rows = [{"id": id, "word": WORDS[id]} for id in range(start, min(start + PAGE, len(WORDS)))]
        after = start + PAGE
        return Page(lines(rows), len(rows), str(after) if after < len(WORDS) else None, len(WORDS), None)

    def explain(self, request):
        return Plan(0, Consistency.STABLE, ["The records are part of the connector."])

    def create(self, request):
        return [outcome(id, line) for id, line in enumerate(request.records.splitlines(), len(WORDS)) if line.strip()]

    def update(self, request):
        raise Err(error(ErrorKind.UNSUPPORTED, "words do not change"))

    def delete(self, request):
        raise Err(error(ErrorKind.UNSUPPORTED, "words stay"))

    def resolve(self, written_by, request):
        raise Err(error(ErrorKind.UNSUPPORTED, "there is nothing to look up"))


def outcome(id, line):
    record = json.loads(line)
    if "word" not in record:
        return Outcome_Failed(error(ErrorKind.REJECTED, "a word is missing", "/word"))
    return Outcome_Applied(json.dumps({"id": id, **record}))


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
