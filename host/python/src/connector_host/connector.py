"""Connectors and connections. A connection serves any number of threads; each activity has an instance of the component for itself."""

from __future__ import annotations

import hashlib
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Collection, Dict, FrozenSet, Generator, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Type, Union

from ._activity import CAPABILITIES, Activity
from ._http import Transport
from ._instance import Program
from .cancel import CancelToken
from .egress import Egress, Grant, Origin
from .errors import CallFailed, ConfigurationErrors, ConnectorError, UnsupportedComponent
from .limits import Limits
from .values import (
    Condition,
    Identity,
    Info,
    ObjectInfo,
    ObjectSchema,
    Order,
    Outcome,
    Page,
    Plan,
    Records,
    from_json,
    object_schema,
    outcome,
    to_json,
    to_ndjson,
)
from .variables import Granted, Variables, secret_settings

__all__ = ["Connection", "Connector", "Query"]


class Connector:
    """A compiled connector. `Connector.load` makes one."""

    def __init__(self, program: Program, digest: str) -> None:
        self._program = program
        #: SHA-256 of the file, in hexadecimal digits.
        self.digest = digest
        self._secrets: FrozenSet[str] = frozenset()
        # What a connector is, it says without a connection.
        with Connection._bare(self) as connection, Activity(connection, None) as activity:
            described = activity.call("describe")
        #: What it says of itself.
        self.info = Info(
            described["name"], described["title"], described["version"], described["settings-schema"], tuple(described["origins"])
        )
        try:
            self._secrets = secret_settings(self.info.settings_schema)
        except ValueError as error:
            raise CallFailed("the connector describes its settings by what is no JSON object") from error

    @classmethod
    def load(cls, file: Union[str, Path, bytes]) -> Connector:
        """Compiles a component, given as a file or as its bytes; what was compiled before comes from the user's cache folder.
        Raises `UnsupportedComponent` if it is no connector, or needs what this host does not have."""
        data = file if isinstance(file, bytes) else Path(file).read_bytes()
        return cls(Program(data), hashlib.sha256(data).hexdigest())

    def connect(
        self,
        settings: Mapping[str, Any],
        *,
        variables: Variables = {},
        grant: Iterable[Union[str, Grant]] = (),
        proxy: Optional[str] = None,
        tls: Optional[ssl.SSLContext] = None,
        limits: Limits = Limits(),
        without: Collection[str] = (),
    ) -> Connection:
        """A connection with these settings. Makes no request.

        `grant` names the origins that it may reach (`connector.info.origins` has those that the connector asks for); nothing is granted
        by default. `proxy` is the operator's (`http`, `https` or `socks5`), for connections whose settings ask for one. `tls` replaces
        the system's roots. `without` names capabilities that this connection must not have.

        Raises `ConfigurationErrors` with everything that is wrong, `UnsupportedComponent` for a capability that is missing, and
        `ValueError` for a grant or a proxy that makes no sense.
        """
        for name in without:
            if CAPABILITIES[name] in {each.rpartition(".")[0] for each in self._program.layout.imports}:
                raise UnsupportedComponent(f"`{self.info.name}` needs `{CAPABILITIES[name]}`, and the capability `{name}` is taken out")
        connection = Connection(self, settings, variables, Egress(grant), proxy, tls, limits)
        errors = connection._refused_addresses(settings, "")
        try:
            with Activity(connection, None):
                pass
        except ConfigurationErrors as found:
            errors = [*found.errors, *errors]
        except BaseException:
            connection.close()
            raise
        if errors:
            connection.close()
            raise ConfigurationErrors(errors)
        return connection


class Connection:
    """A configured connection. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        connector: Connector,
        settings: Mapping[str, Any],
        variables: Variables,
        egress: Egress,
        proxy: Optional[str],
        tls: Optional[ssl.SSLContext],
        limits: Limits,
    ) -> None:
        #: Whose connection this is.
        self.connector = connector
        self._settings: Optional[str] = to_json(settings)
        self._variables = Granted(variables, settings, connector._secrets)
        self._egress, self._limits = egress, limits
        self._transport = Transport(
            egress, proxy, tls, in_flight=limits.requests_in_flight, largest_body=limits.response_body
        )
        self._lock = threading.Lock()
        self._activities: Set[Activity] = set()
        self._closed = False

    @classmethod
    def _bare(cls, connector: Connector) -> Connection:
        connection = cls(connector, {}, {}, Egress(()), None, None, Limits())
        connection._settings = None
        return connection

    def test(self, *, cancel: Optional[CancelToken] = None) -> Identity:
        """Proves address, credentials and transport by one cheap read."""
        answer = self._once(cancel, "test")
        return Identity(answer["account"], tuple(answer["warnings"]))

    def list_objects(self, *, cancel: Optional[CancelToken] = None) -> List[ObjectInfo]:
        """Every object, always in the same order."""
        return [
            ObjectInfo(each["name"], each["title"], each["parent"], tuple(each["activities"]))
            for each in self._once(cancel, "list-objects")
        ]

    def describe_object(self, name: str, *, cancel: Optional[CancelToken] = None) -> ObjectSchema:
        """The object's fields and abilities."""
        return object_schema(self._once(cancel, "describe-object", name))

    def query(
        self,
        object: str,
        *,
        fields: Sequence[str] = (),
        filter: Iterable[Condition] = (),
        order_by: Iterable[Order] = (),
        include: Sequence[str] = (),
        page_size: Optional[int] = None,
        max_records: Optional[int] = None,
        since: Optional[str] = None,
        cursor: Optional[str] = None,
        cancel: Optional[CancelToken] = None,
    ) -> Query:
        """Reads records. Iterate over what it returns: it yields one JSON text per record, as bytes, so that numbers keep their digits;
        its `parsed` yields dicts, its `pages` whole pages. Nothing is sent before."""
        request = _query(object, fields, filter, order_by, include, page_size, max_records, since, cursor)
        return Query(self, request, cancel)

    def explain(
        self,
        object: str,
        *,
        fields: Sequence[str] = (),
        filter: Iterable[Condition] = (),
        order_by: Iterable[Order] = (),
        include: Sequence[str] = (),
        page_size: Optional[int] = None,
        max_records: Optional[int] = None,
        since: Optional[str] = None,
        cursor: Optional[str] = None,
    ) -> Plan:
        """How `query` would go about it. Makes no request."""
        request = _query(object, fields, filter, order_by, include, page_size, max_records, since, cursor)
        plan = self._once(None, "explain", request)
        return Plan(plan["requests"], plan["consistency"], tuple(plan["steps"]))

    def create(
        self,
        object: str,
        records: Records,
        *,
        mode: str = "strict",
        match_on: Sequence[str] = (),
        continue_on_error: bool = False,
        validate_only: bool = False,
        cancel: Optional[CancelToken] = None,
    ) -> List[Outcome]:
        """Creates records: one outcome per record, in order. A `ConnectorError` means that nothing was sent; a
        `CallFailed` that every outcome is unknown."""
        return self._write("create", _records(object, records, mode, match_on, continue_on_error, validate_only), cancel)

    def update(
        self,
        object: str,
        records: Records,
        *,
        mode: str = "strict",
        match_on: Sequence[str] = (),
        continue_on_error: bool = False,
        validate_only: bool = False,
        cancel: Optional[CancelToken] = None,
    ) -> List[Outcome]:
        """Updates records: each holds its key fields and the fields to change. Outcomes as of `create`."""
        return self._write("update", _records(object, records, mode, match_on, continue_on_error, validate_only), cancel)

    def delete(
        self,
        object: str,
        records: Records,
        *,
        continue_on_error: bool = False,
        validate_only: bool = False,
        cancel: Optional[CancelToken] = None,
    ) -> List[Outcome]:
        """Deletes the records that are named by their key fields, nothing else. Outcomes as of `create`."""
        return self._write("delete", _records(object, records, "strict", (), continue_on_error, validate_only), cancel)

    def resolve(
        self,
        written_by: str,
        object: str,
        records: Records,
        *,
        mode: str = "strict",
        match_on: Sequence[str] = (),
        cancel: Optional[CancelToken] = None,
    ) -> List[Outcome]:
        """Looks up what became of records whose outcome is unknown, by what wrote them: `create`, `update` or `delete`. Changes
        nothing."""
        request = _records(object, records, mode, match_on, False, False)
        return self._write("resolve", request, cancel, written_by)

    def close(self) -> None:
        """Ends the calls under way and closes all sockets."""
        with self._lock:
            self._closed, under_way = True, list(self._activities)
        for activity in under_way:
            activity.wasi.wake()
        self._transport.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def _refused_addresses(self, settings: Any, pointer: str) -> List[ConnectorError]:
        """Addresses in the settings that are not granted: a secret must not be sent there."""
        if isinstance(settings, (Mapping, list, tuple)):
            pairs = settings.items() if isinstance(settings, Mapping) else enumerate(settings)
            inner = ((each, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}") for name, each in pairs)
            return [error for each, below in inner for error in self._refused_addresses(each, below)]
        text = self._variables.resolved(settings) if isinstance(settings, str) else None
        if text is None or not text.strip().lower().startswith(("http://", "https://")):
            return []
        try:
            origin = Origin.parse(text)
            if self._egress.check(origin) is not None:
                return []
            message = f"requests to {origin} are not allowed: this connection is not granted that origin"
        except ValueError as error:
            message = f"this address cannot be used: {error}"
        message = self._variables.redactor.masked(message)
        return [ConnectorError("denied", message, code="origin-not-granted", pointer=pointer)]

    def _once(self, cancel: Optional[CancelToken], name: str, *values: Any) -> Any:
        with Activity(self, cancel) as activity:
            return activity.call(name, *values)

    def _write(self, name: str, request: Dict[str, Any], cancel: Optional[CancelToken], *before: str) -> List[Outcome]:
        outcomes = [outcome(each) for each in self._once(cancel, name, *before, request)]
        records = request["records"].count(b"\n")
        if len(outcomes) != records:
            raise CallFailed(f"the connector answered {len(outcomes)} outcomes for {records} records")
        return outcomes

    def _page(self, activity: Activity, request: Mapping[str, Any]) -> Page:
        page = activity.call("query", request)
        return Page(page["records"], page["count"], page["next"], page["total"], page["state"])


class Query:
    """A query, made by `Connection.query`. Each iteration reads anew."""

    def __init__(self, connection: Connection, request: Dict[str, Any], cancel: Optional[CancelToken]) -> None:
        self._connection, self._request, self._cancel = connection, request, cancel
        #: After the last page of a read with `since`: the `since` of the next one.
        self.state: Optional[str] = None

    def pages(self) -> Generator[Page, None, None]:
        """Page by page. The next page is asked for when it is wanted."""
        request = dict(self._request)
        with Activity(self._connection, self._cancel) as activity:
            while True:
                page = self._connection._page(activity, request)
                self.state = page.state or self.state
                yield page
                if page.next is None:
                    return
                request["cursor"] = page.next
                if self._cancel is not None and self._cancel.cancelled:
                    # A connector that had the next page already might not look.
                    raise ConnectorError("denied", "the query was cancelled", code="cancelled")

    def __iter__(self) -> Iterator[bytes]:
        for page in self.pages():
            yield from page.lines()

    def parsed(self) -> Iterator[Dict[str, Any]]:
        """Records as dicts; numbers with a fraction or an exponent are `Decimal`."""
        for line in self:
            yield from_json(line)


def _query(
    object: str,
    fields: Sequence[str],
    filter: Iterable[Condition],
    order_by: Iterable[Order],
    include: Sequence[str],
    page_size: Optional[int],
    max_records: Optional[int],
    since: Optional[str],
    cursor: Optional[str],
) -> Dict[str, Any]:
    return {
        "object": object,
        "fields": list(fields),
        "filter": [{"field": each.field, "op": each.op, "value": to_json(each.value)} for each in filter],
        "order-by": [{"field": each.field, "descending": each.descending} for each in order_by],
        "include": list(include),
        "page-size": page_size,
        "max-records": max_records,
        "since": since,
        "cursor": cursor,
    }


def _records(
    object: str, records: Records, mode: str, match_on: Sequence[str], continue_on_error: bool, validate_only: bool
) -> Dict[str, Any]:
    return {
        "object": object,
        "records": to_ndjson(records),
        "mode": mode,
        "match-on": list(match_on),
        "continue-on-error": continue_on_error,
        "validate-only": validate_only,
    }
