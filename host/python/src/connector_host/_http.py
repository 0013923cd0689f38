"""Sends requests over pooled sockets, in threads. Sends each once, follows no redirect, reaches what is granted and nothing else, and
tells honestly whether the first byte of a request may have left.

On urllib3: its HTTP/1.1 is the standard library's, which reads a body with one call, and its connections have one place where all
that happens before the first byte can be told from what comes after.
"""

from __future__ import annotations

import functools
import http.client
import logging
import queue
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from errno import EADDRNOTAVAIL, EHOSTUNREACH, ENETUNREACH
from typing import Any, Callable, Dict, List, Optional, Tuple, Union
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import SKIP_HEADER, Timeout, make_headers, parse_url

from .egress import Egress, Origin, resolve

LOG = logging.getLogger(__name__)

#: A case of `wasi:http` `error-code`. Of the codes used here, those of names, addresses, refusals and handshakes prove that no byte of
#: the request left; `connection-terminated`, `connection-read-timeout` and all about responses prove nothing.
Code = Union[str, Tuple[str, Any]]

_ACCEPT_ENCODING = make_headers(accept_encoding=True)["accept-encoding"]
_PIECE = 1 << 20
# Guards which request a socket belongs to.
_OWNERS = threading.Lock()
_local = threading.local()


class _Failed(Exception):
    """There is no answer, for this reason."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class _Unsent(_Failed):
    """No byte of the request left."""


@dataclass
class Exchange:
    """A request and what comes of it. `wake` is called, from another thread, whenever something has."""

    method: str
    origin: Origin
    target: str
    headers: List[Tuple[str, str]]
    body: bytes
    #: In seconds.
    connect_timeout: float
    first_byte_timeout: float
    between_bytes_timeout: float
    wake: Callable[[], None]
    status: Optional[int] = None
    response_headers: List[Tuple[str, bytes]] = field(default_factory=list)
    response_body: Optional[bytes] = None
    failure: Optional[Code] = None
    aborted: bool = False
    connection: Any = None

    def fail(self, code: Code) -> None:
        """No (complete) answer comes."""
        self.failure = code
        self.wake()

    def drop(self) -> None:
        """Nobody waits for the answer any more: frees the socket."""
        self.aborted = True
        with _OWNERS:
            connection = self.connection
            sock = connection.sock if connection is not None and connection.exchange is self else None
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # It was closed already.
                    pass


class _Watched(HTTPConnection):
    """A connection that knows which request it carries, and tells what fails before it is sent."""

    exchange: Optional[Exchange] = None
    idle_since = 0.0

    def own(self) -> None:
        """Takes the connection for this thread's request."""
        exchange: Exchange = _local.exchange
        with _OWNERS:
            self.exchange, exchange.connection = exchange, self
        if exchange.aborted:
            raise _Unsent("connection-terminated", "the request was given up")

    def connect(self) -> None:
        self.own()
        try:
            super().connect()
        except _Unsent:
            raise
        except Exception as error:
            raise _Unsent(_of_connect(error, bool(self.proxy)), str(error)) from error

    def _new_conn(self) -> socket.socket:
        if self.proxy or not isinstance(self, (_Plain, _Tls)):
            # The proxy is the operator's; it looks names up by itself.
            return super()._new_conn()
        found, refused = resolve(self.host.strip("[]"), self.port or 0, _local.private)
        if not found:
            raise _Unsent("destination-IP-prohibited" if refused else "destination-not-found", f"{self.host} has no address that is granted")
        failure: Optional[OSError] = None
        for family, kind, protocol, _name, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_local.exchange.connect_timeout)
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure or OSError("no address")

    def request(self, *arguments: Any, **named: Any) -> None:
        self.own()
        super().request(*arguments, **named)


class _Plain(_Watched):
    pass


class _Tls(_Watched, HTTPSConnection):
    pass


def _of_connect(error: BaseException, proxied: bool) -> Code:
    if proxied and "Tunnel connection failed" in str(error):
        return "HTTP-request-denied"
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return ("DNS-error", {"rcode": cause.strerror or "the name could not be resolved", "info-code": None})
        if isinstance(cause, (TimeoutError, urllib3.exceptions.ConnectTimeoutError)):
            return "connection-timeout"
        if isinstance(cause, ConnectionRefusedError):
            return "destination-unavailable" if proxied else "connection-refused"
        if isinstance(cause, (ssl.CertificateError, ssl.SSLCertVerificationError)):
            return "TLS-certificate-error"
        if isinstance(cause, ssl.SSLError):
            return "TLS-protocol-error"
        if isinstance(cause, OSError) and cause.errno in (EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL):
            return "destination-IP-unroutable"
        cause = cause.__cause__ or cause.__context__
    return "destination-unavailable"


def _of_answer(error: BaseException) -> Code:
    """The code of a failure after the first byte may have left."""
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "connection-read-timeout"
        if isinstance(cause, (urllib3.exceptions.IncompleteRead, http.client.IncompleteRead, urllib3.exceptions.InvalidChunkLength)):
            return "HTTP-response-incomplete"
        if isinstance(cause, urllib3.exceptions.DecodeError):
            return ("HTTP-response-content-coding", str(cause)[:200])
        if isinstance(cause, http.client.LineTooLong):
            return ("HTTP-response-header-section-size", None)
        if isinstance(cause, http.client.RemoteDisconnected):
            return "connection-terminated"
        if isinstance(cause, http.client.HTTPException):
            return "HTTP-protocol-error"
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return ("TLS-alert-received", {"alert-id": None, "alert-message": cause.reason})
        cause = cause.__cause__ or cause.__context__
    return "connection-terminated"


class _Pooling(HTTPConnectionPool):
    """Keeps idle sockets for as long as the connector wishes."""

    transport: Transport

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            with _OWNERS:
                conn.exchange = None
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)
        self.transport.idle()

    def _get_conn(self, timeout: Optional[float] = None) -> Any:
        conn: Any = super()._get_conn(timeout)
        if conn.sock is not None and self.transport.is_stale(conn.idle_since):
            conn.close()
        return conn

    def sweep(self) -> bool:
        """Closes what is idle for too long. Says whether something idle is left."""
        pool, kept, left = self.pool, [], False
        if pool is None:
            return False
        while True:
            try:
                kept.append(pool.get(block=False))
            except queue.Empty:
                break
        for conn in reversed(kept):
            if conn is not None and getattr(conn, "sock", None) is not None:
                if self.transport.is_stale(conn.idle_since):
                    conn.close()
                else:
                    left = True
            try:
                pool.put(conn, block=False)
            except queue.Full:
                if conn is not None:
                    conn.close()
        return left


class _PlainPool(_Pooling):
    ConnectionCls = _Plain


class _TlsPool(_Pooling, HTTPSConnectionPool):
    ConnectionCls = _Tls


def _made(kind: Any, transport: Transport, *arguments: Any, **named: Any) -> Any:
    pool = kind(*arguments, **named)
    pool.transport = transport
    transport.pools.append(pool)
    return pool


class Transport:
    """The sockets of one connection."""

    def __init__(
        self,
        egress: Egress,
        proxy: Optional[str],
        tls: Optional[ssl.SSLContext],
        *,
        in_flight: int,
        largest_body: int,
    ) -> None:
        self._egress, self._largest = egress, largest_body
        # The lists of idle sockets, of all hosts.
        self.pools: List[Any] = []
        self._keep_alive: Optional[float] = None
        self._activities = 0
        self._lock = threading.Lock()
        self._timer: Optional[threading.Timer] = None
        self._open: List[Exchange] = []
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="connector-http")
        common: Dict[str, Any] = {"maxsize": in_flight, "ssl_context": tls or ssl.create_default_context()}
        self._direct = self._watched(urllib3.PoolManager(**common), _PlainPool, _TlsPool)
        self._proxied = self._through(proxy, common) if proxy is not None else None

    def _watched(self, manager: Any, plain: Any, tls: Any) -> Any:
        manager.pool_classes_by_scheme = {
            "http": functools.partial(_made, plain, self),
            "https": functools.partial(_made, tls, self),
        }
        return manager

    def _through(self, proxy: str, common: Any) -> Any:
        parts = parse_url(proxy)
        if parts.scheme in ("http", "https"):
            login = unquote(parts.auth) if parts.auth else None
            headers = make_headers(proxy_basic_auth=login) if login else None
            return self._watched(urllib3.ProxyManager(proxy, proxy_headers=headers, **common), _PlainPool, _TlsPool)
        if parts.scheme in ("socks5", "socks5h"):
            from . import _socks

            plain, secure = _socks.pools(_Pooling, _Watched)
            return self._watched(_socks.manager(proxy, common), plain, secure)
        raise ValueError("the scheme of the proxy is none of http, https and socks5")

    @property
    def has_proxy(self) -> bool:
        """Whether the operator configured one."""
        return self._proxied is not None

    def keep_alive(self, seconds: Optional[int]) -> None:
        """How long idle sockets stay open; None closes them with the last activity."""
        self._keep_alive = seconds

    def is_stale(self, idle_since: float) -> bool:
        """Whether a socket that is idle since then must be closed."""
        if self._keep_alive is None:
            return self._activities == 0
        return time.monotonic() - idle_since >= self._keep_alive

    def begin(self) -> None:
        """An activity begins."""
        with self._lock:
            self._activities += 1

    def end(self) -> None:
        """An activity ends."""
        with self._lock:
            self._activities -= 1
        self.idle()

    def idle(self) -> None:
        """Some socket may be idle: sees to it that it does not stay open for ever."""
        if self._keep_alive is None:
            if self._activities == 0:
                self._sweep()
            return
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(self._keep_alive, self._sweep)
                self._timer.daemon = True
                self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._timer = None
        left = [pool.sweep() for pool in list(self.pools)]
        if any(left) and self._keep_alive is not None:
            with self._lock:
                if self._timer is None:
                    self._timer = threading.Timer(max(0.5, self._keep_alive / 4), self._sweep)
                    self._timer.daemon = True
                    self._timer.start()

    def send(self, exchange: Exchange, use_proxy: bool) -> None:
        """Sends a request. Returns at once."""
        private = self._egress.check(exchange.origin)
        if private is None:
            LOG.warning("request refused: %s is not granted to this connection", exchange.origin)
            exchange.fail("HTTP-request-denied")
            return
        manager = self._proxied if use_proxy else self._direct
        if manager is None:
            exchange.fail("HTTP-request-denied")
            return
        with self._lock:
            self._open.append(exchange)
        self._threads.submit(self._run, manager, exchange, private)

    def _run(self, manager: Any, exchange: Exchange, private: bool) -> None:
        _local.exchange, _local.private = exchange, private
        try:
            if not exchange.aborted:
                self._exchange(manager, exchange)
        except _Failed as error:
            LOG.debug("no answer from %s: %s", exchange.origin, error)
            exchange.fail(error.code)
        except Exception as error:
            LOG.debug("no answer from %s: %s", exchange.origin, error)
            exchange.fail(_of_answer(error))
        finally:
            with self._lock:
                self._open.remove(exchange)

    def _exchange(self, manager: Any, exchange: Exchange) -> None:
        headers = urllib3.HTTPHeaderDict(exchange.headers)
        if "user-agent" not in headers:
            headers["user-agent"] = SKIP_HEADER
        headers.setdefault("accept-encoding", _ACCEPT_ENCODING)
        body = exchange.body if exchange.body or exchange.method in ("POST", "PUT", "PATCH") else None
        response = manager.urlopen(
            exchange.method,
            f"{exchange.origin}{exchange.target}",
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            preload_content=False,
            timeout=Timeout(connect=exchange.connect_timeout, read=exchange.first_byte_timeout),
        )
        try:
            # What was decoded has another length, and no coding.
            hidden = ("content-encoding", "content-length") if response.headers.get("content-encoding") else ()
            exchange.response_headers = [
                (name.lower(), value.encode("latin-1", "replace"))
                for name, value in response.headers.items()
                if name.lower() not in hidden
            ]
            exchange.status = response.status
            exchange.wake()
            sock = getattr(exchange.connection, "sock", None)
            if sock is not None:
                sock.settimeout(exchange.between_bytes_timeout)
            exchange.response_body = self._body(response)
            exchange.wake()
        except BaseException:
            response.close()
            raise
        finally:
            response.release_conn()

    def _body(self, response: Any) -> bytes:
        length = response.length_remaining
        if length is not None and length <= self._largest and not response.headers.get("content-encoding"):
            whole: bytes = response.read()
            return whole
        pieces, total = [], 0
        for piece in response.stream(_PIECE):
            total += len(piece)
            if total > self._largest:
                raise _Failed(("HTTP-response-body-size", self._largest), "the answer is larger than the limit")
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Gives up what is under way and closes all sockets."""
        with self._lock:
            under_way, timer = list(self._open), self._timer
        for exchange in under_way:
            exchange.drop()
        if timer is not None:
            timer.cancel()
        self._threads.shutdown(wait=True)
        for manager in (self._direct, self._proxied):
            if manager is not None:
                manager.clear()
        for pool in self.pools:
            pool.close()
