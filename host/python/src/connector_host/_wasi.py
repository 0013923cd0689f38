"""WASI 0.2 as connectors import it: pollables, streams in memory, a clock, and outgoing HTTP over `_http`. One of these serves one
instance, whose thread sleeps in `poll` until another thread wakes it.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._http import Code, Exchange, Transport
from .egress import Origin

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = frozenset(
    ("connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection")
    + ("te", "transfer-encoding", "upgrade")
)
# In seconds, where a request says nothing.
_CONNECT, _FIRST_BYTE, _BETWEEN_BYTES = 10.0, 60.0, 30.0
_LONGEST = 600.0
# Bytes that a request's body takes at once.
_SINK = 1 << 16

_SCHEMES: Dict[Any, str] = {"HTTP": "http", "HTTPS": "https", None: "https"}
OK: Tuple[str, None] = ("ok", None)
FAILED: Tuple[str, None] = ("err", None)


@dataclass
class Pollable:
    """Something to wait for; `due` is when it may become ready by time alone."""

    ready: Callable[[], bool]
    due: Callable[[], Optional[float]] = lambda: None


@dataclass
class Fields:
    """Header fields, as they were written."""

    entries: List[Tuple[str, bytes]] = field(default_factory=list)
    mutable: bool = True

    def valued(self, name: str) -> List[bytes]:
        """All values of a name."""
        name = name.lower()
        return [value for each, value in self.entries if each.lower() == name]


@dataclass
class Request:
    """A request that is being put together."""

    headers: Fields
    method: Any = "get"
    path: Optional[str] = None
    scheme: Any = None
    authority: Optional[str] = None
    body: Optional[Body] = None


@dataclass
class Body:
    """The body of a request: kept until it is finished, and sent then."""

    content: bytearray = field(default_factory=bytearray)
    taken: bool = False
    finished: bool = False
    send: Optional[Callable[[], None]] = None
    give_up: Optional[Callable[[], None]] = None

    def drop(self) -> None:
        """Without its end a body cannot be sent."""
        if not self.finished and self.give_up is not None:
            self.give_up()


@dataclass
class Sink:
    """The stream of a request's body."""

    body: Body


@dataclass
class Options:
    """Time-outs of a request, in nanoseconds."""

    times: Dict[str, Optional[int]] = field(default_factory=dict)

    def seconds(self, name: str, default: float) -> float:
        """One of them, within what this host allows."""
        value = self.times.get(name)
        return default if value is None else min(max(value / 1e9, 0.001), _LONGEST)


@dataclass
class Future:
    """An answer that may come."""

    exchange: Exchange
    taken: bool = False

    def ready(self) -> bool:
        """Whether there is an answer's head, or none can come."""
        return self.exchange.status is not None or self.exchange.failure is not None

    def drop(self) -> None:
        """Nobody waits any more."""
        if not self.taken:
            self.exchange.drop()


@dataclass
class Response:
    """An answer, or its body: both stand for the exchange until it is consumed."""

    exchange: Exchange
    taken: bool = False

    def drop(self) -> None:
        """Gives up a body that nobody reads."""
        if not self.taken:
            self.exchange.drop()


@dataclass
class Source:
    """The stream of an answer's body."""

    exchange: Exchange
    at: int = 0

    def ready(self) -> bool:
        """Whether the whole body is there, or none can come."""
        return self.exchange.response_body is not None or self.exchange.failure is not None

    def read(self, length: int) -> Any:
        """At most so many bytes."""
        body = self.exchange.response_body
        if body is None:
            failure = self.exchange.failure
            return ("ok", b"") if failure is None else ("err", ("last-operation-failed", failure))
        if self.at >= len(body):
            return ("err", "closed")
        piece = body if self.at == 0 and length >= len(body) else memoryview(body)[self.at : self.at + length]
        self.at += len(piece)
        if self.at >= len(body):
            # Frees the memory as soon as the guest has it.
            self.exchange.response_body = b""
            self.at = 0
        return ("ok", piece)


class Wasi:
    """The WASI imports of one instance. `checked` is called before each wait and says until when to wait at most."""

    def __init__(self, transport: Transport, checked: Callable[[], float], rested: Callable[[], None], largest_request: int) -> None:
        self._transport, self._checked, self._rested = transport, checked, rested
        self._largest_request = largest_request
        self._woken = threading.Event()
        self.wake = self._woken.set
        self.use_proxy = False

    # wasi:io and wasi:clocks

    def poll(self, pollables: List[Pollable]) -> List[int]:
        """Waits for one of them."""
        waited = False
        while True:
            self._woken.clear()
            ready = [index for index, each in enumerate(pollables) if each.ready()]
            if ready:
                if waited:
                    self._rested()
                return ready
            times = [at for at in (each.due() for each in pollables) if at is not None]
            until = min([self._checked(), *times])
            self._woken.wait(max(0.0, until - time.monotonic()))
            waited = True

    def timer(self, at: float) -> Pollable:
        """Ready at this time of the monotonic clock."""
        return Pollable(lambda: time.monotonic() >= at, lambda: at)

    def _blocking(self, source: Source, length: int) -> Any:
        self.poll([Pollable(source.ready)])
        return source.read(length)

    def _skip(self, source: Source, length: int) -> Any:
        side, value = source.read(length)
        return (side, len(value)) if side == "ok" else (side, value)

    def _write(self, sink: Sink, piece: bytes) -> Any:
        body = sink.body
        if len(body.content) + len(piece) > self._largest_request:
            return ("err", ("last-operation-failed", ("HTTP-request-body-size", self._largest_request)))
        body.content += piece
        return OK

    # wasi:http

    def _append(self, fields: Fields, name: str, values: List[bytes], replace: bool) -> Any:
        if not fields.mutable:
            return ("err", "immutable")
        if not _NAME.fullmatch(name) or any(b in value for value in values for b in (b"\r", b"\n", b"\0")):
            return ("err", "invalid-syntax")
        if name.lower() in _FORBIDDEN:
            return ("err", "forbidden")
        if replace:
            fields.entries = [each for each in fields.entries if each[0].lower() != name.lower()]
        fields.entries.extend((name, value) for value in values)
        return OK

    def _from_list(self, entries: List[Tuple[str, bytes]]) -> Any:
        fields = Fields()
        for name, value in entries:
            side, error = self._append(fields, name, [value], False)
            if side == "err":
                return (side, error)
        return ("ok", fields)

    def _request_body(self, request: Request) -> Any:
        if request.body is not None:
            return FAILED
        request.body = Body()
        return ("ok", request.body)

    def _body_stream(self, body: Body) -> Any:
        if body.taken:
            return FAILED
        body.taken = True
        return ("ok", Sink(body))

    def _finish(self, body: Body, _trailers: Optional[Fields]) -> Any:
        body.finished = True
        if body.send is not None:
            body.send()
        return OK

    def _handle(self, request: Request, options: Optional[Options]) -> Any:
        options = options or Options()
        scheme = _SCHEMES.get(request.scheme)
        target = request.path or "/"
        try:
            if scheme is None or any(ord(each) <= 32 or ord(each) == 127 for each in target) or not target.startswith("/"):
                raise ValueError("not an address")
            origin = Origin.parse(f"{scheme}://{request.authority or ''}")
        except ValueError:
            return ("err", "HTTP-request-URI-invalid")
        body = request.body or Body(finished=True)
        exchange = Exchange(
            request.method[1] if isinstance(request.method, tuple) else request.method.upper(),
            origin,
            target,
            [(name, value.decode("latin-1")) for name, value in request.headers.entries],
            b"",
            options.seconds("connect-timeout", _CONNECT),
            options.seconds("first-byte-timeout", _FIRST_BYTE),
            options.seconds("between-bytes-timeout", _BETWEEN_BYTES),
            self.wake,
        )
        use_proxy = self.use_proxy

        def send() -> None:
            exchange.body = bytes(body.content)
            self._transport.send(exchange, use_proxy)

        if body.finished:
            send()
        else:
            body.send, body.give_up = send, lambda: exchange.fail(("internal-error", "the body of the request was not finished"))
        return ("ok", Future(exchange))

    def _answer(self, future: Future) -> Any:
        if future.taken:
            return ("err", None)
        if not future.ready():
            return None
        exchange = future.exchange
        if exchange.status is None:
            return ("ok", ("err", exchange.failure))
        future.taken = True
        return ("ok", ("ok", Response(exchange)))

    def _consume(self, response: Response) -> Any:
        if response.taken:
            return FAILED
        response.taken = True
        return ("ok", Response(response.exchange))

    def _source(self, body: Response) -> Any:
        return ("ok", Source(body.exchange))

    def _body_finished(self, body: Response) -> Any:
        if body.exchange.response_body is None:
            body.drop()
        return "trailers"

    def imports(self) -> Dict[str, Dict[str, Callable[..., Any]]]:
        """By interface and function."""
        return {
            "wasi:io/poll@0.2": {
                "poll": self.poll,
                "[method]pollable.ready": lambda pollable: pollable.ready(),
                "[method]pollable.block": lambda pollable: self.poll([pollable]) and None,
            },
            "wasi:io/error@0.2": {"[method]error.to-debug-string": str},
            "wasi:io/streams@0.2": self._streams(),
            "wasi:clocks/monotonic-clock@0.2": {
                "now": time.monotonic_ns,
                "resolution": lambda: 1,
                "subscribe-instant": lambda at: self.timer(at / 1e9),
                "subscribe-duration": lambda duration: self.timer(time.monotonic() + duration / 1e9),
            },
            "wasi:http/types@0.2": {**self._fields(), **self._requests(), **self._responses()},
            "wasi:http/outgoing-handler@0.2": {"handle": self._handle},
        }

    def _streams(self) -> Dict[str, Callable[..., Any]]:
        return {
            "[method]input-stream.read": Source.read,
            "[method]input-stream.blocking-read": self._blocking,
            "[method]input-stream.skip": self._skip,
            "[method]input-stream.blocking-skip": lambda source, n: self.poll([Pollable(source.ready)]) and self._skip(source, n),
            "[method]input-stream.subscribe": lambda source: Pollable(source.ready),
            "[method]output-stream.check-write": lambda _: ("ok", _SINK),
            "[method]output-stream.write": self._write,
            "[method]output-stream.blocking-write-and-flush": self._write,
            "[method]output-stream.flush": lambda _: OK,
            "[method]output-stream.blocking-flush": lambda _: OK,
            "[method]output-stream.subscribe": lambda _: Pollable(lambda: True),
        }

    def _fields(self) -> Dict[str, Callable[..., Any]]:
        return {
            "[constructor]fields": Fields,
            "[static]fields.from-list": self._from_list,
            "[method]fields.get": Fields.valued,
            "[method]fields.has": lambda fields, name: bool(fields.valued(name)),
            "[method]fields.set": lambda fields, name, values: self._append(fields, name, values, True),
            "[method]fields.delete": lambda fields, name: self._append(fields, name, [], True),
            "[method]fields.append": lambda fields, name, value: self._append(fields, name, [value], False),
            "[method]fields.entries": lambda fields: fields.entries,
            "[method]fields.clone": lambda fields: Fields(list(fields.entries)),
        }

    def _requests(self) -> Dict[str, Callable[..., Any]]:
        def put(name: str, request: Request, value: Any) -> Any:
            setattr(request, name, value)
            return OK

        def put_time(name: str, options: Options, value: Optional[int]) -> Any:
            options.times[name] = value
            return OK

        functions: Dict[str, Callable[..., Any]] = {
            "[constructor]outgoing-request": Request,
            "[method]outgoing-request.body": self._request_body,
            "[method]outgoing-request.headers": lambda request: Fields(request.headers.entries, mutable=False),
            "[constructor]request-options": Options,
            "[method]outgoing-body.write": self._body_stream,
            "[static]outgoing-body.finish": self._finish,
        }
        for name, attribute in (("method", "method"), ("path-with-query", "path"), ("scheme", "scheme"), ("authority", "authority")):
            functions[f"[method]outgoing-request.{name}"] = attrgetter(attribute)
            functions[f"[method]outgoing-request.set-{name}"] = partial(put, attribute)
        for name in ("connect-timeout", "first-byte-timeout", "between-bytes-timeout"):
            functions[f"[method]request-options.{name}"] = lambda options, name=name: options.times.get(name)
            functions[f"[method]request-options.set-{name}"] = partial(put_time, name)
        return functions

    def _responses(self) -> Dict[str, Callable[..., Any]]:
        def code(failure: Code) -> Code:
            return failure

        return {
            "http-error-code": code,
            "[method]incoming-response.status": lambda response: response.exchange.status,
            "[method]incoming-response.headers": lambda response: Fields(response.exchange.response_headers, mutable=False),
            "[method]incoming-response.consume": self._consume,
            "[method]incoming-body.stream": self._source,
            "[static]incoming-body.finish": self._body_finished,
            "[method]future-trailers.subscribe": lambda _: Pollable(lambda: True),
            "[method]future-trailers.get": lambda _: ("ok", ("ok", None)),
            "[method]future-incoming-response.subscribe": lambda future: Pollable(future.ready),
            "[method]future-incoming-response.get": self._answer,
        }
