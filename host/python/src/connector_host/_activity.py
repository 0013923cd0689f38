"""One activity of a connection: an instance of the component, with what it imports, for as long as the activity lasts.

It sends nothing itself: requests leave through the connection's transport, and its texts are told with hidden values taken out.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple

from . import _quota
from ._instance import Instance
from ._wasi import OK, Pollable, Wasi
from .cancel import CancelToken
from .errors import CallFailed, ConfigurationErrors, ConnectorError, HostError

if TYPE_CHECKING:
    from .connector import Connection

#: What connectors log.
LOG = logging.getLogger("connector_host.connector")
_LEVELS = {"trace": 5, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
# Characters of a line.
_LINE = 4096
# Seconds.
_LONGEST_KEEP_ALIVE = 3600

#: What a host may go without, and the interface that stands for it.
CAPABILITIES = {
    "variables": "ipaas:connector/variables@0.1",
    "transport": "ipaas:connector/transport@0.1",
    "quota": "ipaas:connector/quota@0.1",
    "control": "ipaas:connector/control@0.1",
    "logging": "ipaas:connector/logging@0.1",
    "clocks": "wasi:clocks/monotonic-clock@0.2",
    "http": "wasi:http/outgoing-handler@0.2",
}


class Activity:
    """One instance at work for one connection, with what it imports."""

    def __init__(self, connection: Connection, cancel: Optional[CancelToken]) -> None:
        self._connection, self._cancel = connection, cancel
        self._until = 0.0
        self._lines = 0
        limits = connection._limits
        self.wasi = Wasi(connection._transport, self._checked, lambda: self._instance.rest(), limits.request_body)
        self._begin()
        try:
            program = connection.connector._program
            self._instance = Instance(
                program, self._imports(), memory=limits.memory, resources=limits.resources, compute=limits.compute_time
            )
            if connection._settings is not None:
                self._configure(connection._settings)
        except BaseException:
            self._end()
            raise

    def _begin(self) -> None:
        connection = self._connection
        with connection._lock:
            if connection._closed:
                raise HostError("the connection is closed")
            connection._activities.add(self)
        connection._transport.begin()
        if self._cancel is not None:
            self._cancel._tell(self.wasi.wake)

    def _end(self) -> None:
        connection = self._connection
        with connection._lock:
            connection._activities.discard(self)
        if hasattr(self, "_instance"):
            self._instance.close()
        if self._cancel is not None:
            self._cancel._forget(self.wasi.wake)
        connection._transport.end()

    def __enter__(self) -> Activity:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _configure(self, settings: str) -> None:
        try:
            self.call("configure", settings)
        except ConnectorError as error:
            raise ConfigurationErrors([error]) from None

    def call(self, name: str, *values: Any) -> Any:
        """Calls the connector. Raises what it answers as an error."""
        redactor = self._connection._variables.redactor
        permits = self._instance.handles.of_kind("permit")
        for permit in permits:
            permit.park(False)
        self._until = time.monotonic() + self._connection._limits.call_time
        try:
            answer = self._instance.call(name, *values)
        except CallFailed as failure:
            # Not `from failure`: a traceback would show what is taken out here.
            raise CallFailed(redactor.masked(str(failure))) from None
        finally:
            for permit in self._instance.handles.of_kind("permit"):
                permit.park(True)
        if not isinstance(answer, tuple):
            return answer
        side, value = answer
        if side == "ok":
            return redactor.answer(name, value)
        if isinstance(value, list):
            raise ConfigurationErrors([ConnectorError.from_wit(redactor.error(each)) for each in value])
        raise ConnectorError.from_wit(redactor.error(value))

    def _checked(self) -> float:
        if self._connection._closed:
            raise CallFailed("the connection was closed")
        hard = self._until + self._connection._limits.cancel_grace
        if time.monotonic() >= hard:
            raise CallFailed("the call took longer than the limits `call_time` and `cancel_grace` allow")
        return hard

    def _cancelled(self) -> bool:
        return self._connection._closed or time.monotonic() >= self._until or (self._cancel is not None and self._cancel.cancelled)

    def _log(self, level: str, message: str, fields: List[Tuple[str, str]]) -> None:
        if LOG.isEnabledFor(_LEVELS[level]):
            masked = self._connection._variables.redactor.masked
            text = masked(" ".join([message, *(f"{name}={value}" for name, value in fields)]))
            LOG.log(_LEVELS[level], "%s", text[:_LINE])

    def _apply(self, use_proxy: bool, keep_alive: Optional[int]) -> Any:
        transport = self._connection._transport
        if use_proxy and not transport.has_proxy:
            return ("err", "no-proxy")
        if keep_alive is not None and not 0 < keep_alive <= _LONGEST_KEEP_ALIVE:
            return ("err", ("refused", f"idle sockets can stay open between 1 and {_LONGEST_KEEP_ALIVE} seconds"))
        self.wasi.use_proxy = use_proxy
        transport.keep_alive(keep_alive)
        return OK

    def _imports(self) -> Dict[str, Dict[str, Callable[..., Any]]]:
        connection = self._connection

        def bucket(name: str) -> _quota.Bucket:
            return _quota.bucket(connection.connector.info.name, connection._egress.names(), name)

        def report(name: str, allowance: Mapping[str, Optional[int]]) -> None:
            bucket(name).report(allowance["limit"], allowance["left"], allowance["reset-ms"])

        return {
            **self.wasi.imports(),
            CAPABILITIES["variables"]: {"get": connection._variables.get},
            CAPABILITIES["transport"]: {"apply": self._apply},
            CAPABILITIES["quota"]: {
                "reserve": lambda name, concurrency: bucket(name).reserve(concurrency, self.wasi.wake),
                "[method]permit.ready": lambda permit: Pollable(permit.ready, permit.due),
                "report": report,
            },
            CAPABILITIES["control"]: {"cancelled": lambda: Pollable(self._cancelled, lambda: self._until)},
            CAPABILITIES["logging"]: {"log": self._log},
        }
