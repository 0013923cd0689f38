"""The world `connector` with the parts of WASI 0.2 that it imports, as data: what `wit/` says, by interface and function.

Interfaces are named without the last part of their version: within `0.1` and within WASI `0.2` later ones only add functions.
"""

from __future__ import annotations

from typing import Dict

from ._abi import Bool, Borrow, Bytes, Enum, Flags, ListOf, Option, Own, Record, Result, Signature, Text, TupleOf, Unsigned, Variant

U8, U16, U32, U64, BOOL, TEXT, BYTES = Unsigned(1), Unsigned(2), Unsigned(4), Unsigned(8), Bool(), Text(), Bytes()
TEXTS = ListOf(TEXT)

ERROR = Record(
    [
        (
            "kind",
            Enum(
                "configuration",
                "unsupported",
                "invalid-request",
                "unauthorized",
                "not-found",
                "conflict",
                "rejected",
                "rate-limited",
                "unavailable",
                "protocol",
                "denied",
                "internal",
            ),
        ),
        ("retry", Variant(("never", None), ("after", U64), ("outcome-unknown", None))),
        ("message", TEXT),
        ("status", Option(U16)),
        ("code", Option(TEXT)),
        ("pointer", Option(TEXT)),
    ]
)
INFO = Record([("name", TEXT), ("title", TEXT), ("version", TEXT), ("settings-schema", TEXT), ("origins", TEXTS)])
IDENTITY = Record([("account", TEXT), ("warnings", TEXTS)])
_COMPARISONS = ("equal", "not-equal", "less", "less-or-equal", "greater", "greater-or-equal", "one-of", "contains")
OBJECT_INFO = Record(
    [
        ("name", TEXT),
        ("title", TEXT),
        ("parent", Option(TEXT)),
        ("activities", Flags("query", "create", "update", "delete")),
    ]
)
FIELD = Record([("name", TEXT), ("comparisons", Flags(*_COMPARISONS)), ("pushed-down", Flags(*_COMPARISONS)), ("sortable", BOOL)])
CONSISTENCY = Enum("stable", "best-effort")
ACTIVITY_SCHEMA = Record([("request", TEXT), ("response", TEXT)])
OBJECT_SCHEMA = Record(
    [
        ("key", TEXTS),
        ("fields", ListOf(FIELD)),
        ("includes", TEXTS),
        ("consistency", CONSISTENCY),
        ("incremental", BOOL),
        ("query", Option(ACTIVITY_SCHEMA)),
        ("create", Option(ACTIVITY_SCHEMA)),
        ("update", Option(ACTIVITY_SCHEMA)),
        ("delete", Option(ACTIVITY_SCHEMA)),
    ]
)
QUERY_REQUEST = Record(
    [
        ("object", TEXT),
        ("fields", TEXTS),
        ("filter", ListOf(Record([("field", TEXT), ("op", Enum(*_COMPARISONS)), ("value", TEXT)]))),
        ("order-by", ListOf(Record([("field", TEXT), ("descending", BOOL)]))),
        ("include", TEXTS),
        ("page-size", Option(U32)),
        ("max-records", Option(U64)),
        ("since", Option(TEXT)),
        ("cursor", Option(TEXT)),
    ]
)
PAGE = Record([("records", BYTES), ("count", U32), ("next", Option(TEXT)), ("total", Option(U64)), ("state", Option(TEXT))])
PLAN = Record([("requests", Option(U64)), ("consistency", CONSISTENCY), ("steps", TEXTS)])
WRITE_REQUEST = Record(
    [
        ("object", TEXT),
        ("records", BYTES),
        ("mode", Enum("strict", "upsert")),
        ("match-on", TEXTS),
        ("continue-on-error", BOOL),
        ("validate-only", BOOL),
    ]
)
OUTCOMES = ListOf(Variant(("applied", TEXT), ("failed", ERROR), ("unknown", ERROR), ("skipped", None)))
_WRITE = Signature(WRITE_REQUEST, result=Result(OUTCOMES, ERROR))

#: What a connector exports.
EXPORTS: Dict[str, Dict[str, Signature]] = {
    "ipaas:connector/metadata@0.1": {"describe": Signature(result=INFO)},
    "ipaas:connector/connection@0.1": {
        "configure": Signature(TEXT, result=Result(None, ListOf(ERROR))),
        "test": Signature(result=Result(IDENTITY, ERROR)),
        "list-objects": Signature(result=Result(ListOf(OBJECT_INFO), ERROR)),
        "describe-object": Signature(TEXT, result=Result(OBJECT_SCHEMA, ERROR)),
        "query": Signature(QUERY_REQUEST, result=Result(PAGE, ERROR)),
        "explain": Signature(QUERY_REQUEST, result=Result(PLAN, ERROR)),
        "create": _WRITE,
        "update": _WRITE,
        "delete": _WRITE,
        "resolve": Signature(Enum("create", "update", "delete"), WRITE_REQUEST, result=Result(OUTCOMES, ERROR)),
    },
}

_POLLABLE = Own("pollable")
_FIELD_SIZE = Record([("field-name", Option(TEXT)), ("field-size", Option(U32))])
ERROR_CODE = Variant(
    ("DNS-timeout", None),
    ("DNS-error", Record([("rcode", Option(TEXT)), ("info-code", Option(U16))])),
    ("destination-not-found", None),
    ("destination-unavailable", None),
    ("destination-IP-prohibited", None),
    ("destination-IP-unroutable", None),
    ("connection-refused", None),
    ("connection-terminated", None),
    ("connection-timeout", None),
    ("connection-read-timeout", None),
    ("connection-write-timeout", None),
    ("connection-limit-reached", None),
    ("TLS-protocol-error", None),
    ("TLS-certificate-error", None),
    ("TLS-alert-received", Record([("alert-id", Option(U8)), ("alert-message", Option(TEXT))])),
    ("HTTP-request-denied", None),
    ("HTTP-request-length-required", None),
    ("HTTP-request-body-size", Option(U64)),
    ("HTTP-request-method-invalid", None),
    ("HTTP-request-URI-invalid", None),
    ("HTTP-request-URI-too-long", None),
    ("HTTP-request-header-section-size", Option(U32)),
    ("HTTP-request-header-size", Option(_FIELD_SIZE)),
    ("HTTP-request-trailer-section-size", Option(U32)),
    ("HTTP-request-trailer-size", _FIELD_SIZE),
    ("HTTP-response-incomplete", None),
    ("HTTP-response-header-section-size", Option(U32)),
    ("HTTP-response-header-size", _FIELD_SIZE),
    ("HTTP-response-body-size", Option(U64)),
    ("HTTP-response-trailer-section-size", Option(U32)),
    ("HTTP-response-trailer-size", _FIELD_SIZE),
    ("HTTP-response-transfer-coding", Option(TEXT)),
    ("HTTP-response-content-coding", Option(TEXT)),
    ("HTTP-response-timeout", None),
    ("HTTP-upgrade-failed", None),
    ("HTTP-protocol-error", None),
    ("loop-detected", None),
    ("configuration-error", None),
    ("internal-error", Option(TEXT)),
)
_METHOD = Variant(
    *((name, None) for name in ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")),
    ("other", TEXT),
)
_SCHEME = Variant(("HTTP", None), ("HTTPS", None), ("other", TEXT))
_HEADER_ERROR = Enum("invalid-syntax", "forbidden", "immutable")
_STREAM_ERROR = Variant(("last-operation-failed", Own("error")), ("closed", None))
_DONE = Result(None, _STREAM_ERROR)


def _fields() -> Dict[str, Signature]:
    self, entries = Borrow("fields"), ListOf(TupleOf(TEXT, BYTES))
    return {
        "[constructor]fields": Signature(result=Own("fields")),
        "[static]fields.from-list": Signature(entries, result=Result(Own("fields"), _HEADER_ERROR)),
        "[method]fields.get": Signature(self, TEXT, result=ListOf(BYTES)),
        "[method]fields.has": Signature(self, TEXT, result=BOOL),
        "[method]fields.set": Signature(self, TEXT, ListOf(BYTES), result=Result(None, _HEADER_ERROR)),
        "[method]fields.delete": Signature(self, TEXT, result=Result(None, _HEADER_ERROR)),
        "[method]fields.append": Signature(self, TEXT, BYTES, result=Result(None, _HEADER_ERROR)),
        "[method]fields.entries": Signature(self, result=entries),
        "[method]fields.clone": Signature(self, result=Own("fields")),
    }


def _requests() -> Dict[str, Signature]:
    self, options, time = Borrow("outgoing-request"), Borrow("request-options"), Option(U64)
    signatures = {
        "[constructor]outgoing-request": Signature(Own("fields"), result=Own("outgoing-request")),
        "[method]outgoing-request.body": Signature(self, result=Result(Own("outgoing-body"))),
        "[method]outgoing-request.headers": Signature(self, result=Own("fields")),
        "[constructor]request-options": Signature(result=Own("request-options")),
        "[method]outgoing-body.write": Signature(Borrow("outgoing-body"), result=Result(Own("output-stream"))),
        "[static]outgoing-body.finish": Signature(Own("outgoing-body"), Option(Own("fields")), result=Result(None, ERROR_CODE)),
    }
    parts = {"method": _METHOD, "path-with-query": Option(TEXT), "scheme": Option(_SCHEME), "authority": Option(TEXT)}
    for name, kind in parts.items():
        signatures[f"[method]outgoing-request.{name}"] = Signature(self, result=kind)
        signatures[f"[method]outgoing-request.set-{name}"] = Signature(self, kind, result=Result())
    for name in ("connect-timeout", "first-byte-timeout", "between-bytes-timeout"):
        signatures[f"[method]request-options.{name}"] = Signature(options, result=time)
        signatures[f"[method]request-options.set-{name}"] = Signature(options, time, result=Result())
    return signatures


def _responses() -> Dict[str, Signature]:
    response, future, trailers = Borrow("incoming-response"), Borrow("future-incoming-response"), Borrow("future-trailers")
    return {
        "http-error-code": Signature(Borrow("error"), result=Option(ERROR_CODE)),
        "[method]incoming-response.status": Signature(response, result=U16),
        "[method]incoming-response.headers": Signature(response, result=Own("fields")),
        "[method]incoming-response.consume": Signature(response, result=Result(Own("incoming-body"))),
        "[method]incoming-body.stream": Signature(Borrow("incoming-body"), result=Result(Own("input-stream"))),
        "[static]incoming-body.finish": Signature(Own("incoming-body"), result=Own("future-trailers")),
        "[method]future-trailers.subscribe": Signature(trailers, result=_POLLABLE),
        "[method]future-trailers.get": Signature(trailers, result=Option(Result(Result(Option(Own("fields")), ERROR_CODE)))),
        "[method]future-incoming-response.subscribe": Signature(future, result=_POLLABLE),
        "[method]future-incoming-response.get": Signature(
            future, result=Option(Result(Result(Own("incoming-response"), ERROR_CODE)))
        ),
    }


def _streams() -> Dict[str, Signature]:
    source, sink = Borrow("input-stream"), Borrow("output-stream")
    read, skip = Result(BYTES, _STREAM_ERROR), Result(U64, _STREAM_ERROR)
    return {
        "[method]input-stream.read": Signature(source, U64, result=read),
        "[method]input-stream.blocking-read": Signature(source, U64, result=read),
        "[method]input-stream.skip": Signature(source, U64, result=skip),
        "[method]input-stream.blocking-skip": Signature(source, U64, result=skip),
        "[method]input-stream.subscribe": Signature(source, result=_POLLABLE),
        "[method]output-stream.check-write": Signature(sink, result=skip),
        "[method]output-stream.write": Signature(sink, BYTES, result=_DONE),
        "[method]output-stream.blocking-write-and-flush": Signature(sink, BYTES, result=_DONE),
        "[method]output-stream.flush": Signature(sink, result=_DONE),
        "[method]output-stream.blocking-flush": Signature(sink, result=_DONE),
        "[method]output-stream.subscribe": Signature(sink, result=_POLLABLE),
    }


_ALLOWANCE = Record([("limit", Option(U32)), ("left", Option(U32)), ("reset-ms", Option(U64))])

#: What a connector may import.
IMPORTS: Dict[str, Dict[str, Signature]] = {
    "ipaas:connector/variables@0.1": {
        "get": Signature(TEXT, result=Result(TEXT, Variant(("invalid-name", TEXT), ("undefined", TEXT), ("provider", TEXT))))
    },
    "ipaas:connector/transport@0.1": {
        "apply": Signature(BOOL, Option(U32), result=Result(None, Variant(("no-proxy", None), ("refused", TEXT))))
    },
    "ipaas:connector/quota@0.1": {
        "reserve": Signature(TEXT, Option(U32), result=Own("permit")),
        "[method]permit.ready": Signature(Borrow("permit"), result=_POLLABLE),
        "report": Signature(TEXT, _ALLOWANCE),
    },
    "ipaas:connector/control@0.1": {"cancelled": Signature(result=_POLLABLE)},
    "ipaas:connector/logging@0.1": {
        "log": Signature(Enum("trace", "debug", "info", "warn", "error"), TEXT, ListOf(TupleOf(TEXT, TEXT)))
    },
    "ipaas:connector/types@0.1": {},
    "wasi:io/poll@0.2": {
        "poll": Signature(ListOf(Borrow("pollable")), result=ListOf(U32)),
        "[method]pollable.ready": Signature(Borrow("pollable"), result=BOOL),
        "[method]pollable.block": Signature(Borrow("pollable")),
    },
    "wasi:io/error@0.2": {"[method]error.to-debug-string": Signature(Borrow("error"), result=TEXT)},
    "wasi:io/streams@0.2": _streams(),
    "wasi:clocks/monotonic-clock@0.2": {
        "now": Signature(result=U64),
        "resolution": Signature(result=U64),
        "subscribe-instant": Signature(U64, result=_POLLABLE),
        "subscribe-duration": Signature(U64, result=_POLLABLE),
    },
    "wasi:http/types@0.2": {**_fields(), **_requests(), **_responses()},
    "wasi:http/outgoing-handler@0.2": {
        "handle": Signature(
            Own("outgoing-request"), Option(Own("request-options")), result=Result(Own("future-incoming-response"), ERROR_CODE)
        )
    },
}
