"""The same for asyncio. Calls run in threads of the connection, so the event loop goes on meanwhile; a task that is cancelled cancels
its call, and ends when the call has ended.

    async with await aio.connect(connector, settings, …) as connection:
        async for line in connection.query("products"):
            ...
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Dict, List, Mapping, Optional, Type, TypeVar, Union

from . import connector as _sync
from .cancel import CancelToken
from .connector import Connector
from .values import Identity, ObjectInfo, ObjectSchema, Outcome, Page, Plan, Records, from_json

__all__ = ["Connection", "Query", "connect", "load"]

T = TypeVar("T")
_END = object()


async def load(file: Union[str, Path, bytes]) -> Connector:
    """`Connector.load`, in a thread."""
    return await asyncio.to_thread(Connector.load, file)


async def connect(connector: Connector, settings: Mapping[str, Any], **options: Any) -> Connection:
    """`Connector.connect`, in a thread."""
    return Connection(await asyncio.to_thread(lambda: connector.connect(settings, **options)))


class Connection:
    """A connection whose calls are awaited. See `connector_host.Connection`."""

    def __init__(self, connection: _sync.Connection) -> None:
        #: The same connection for threads.
        self.sync = connection
        self._threads = ThreadPoolExecutor(thread_name_prefix="connector-call")

    async def _run(self, call: Callable[[CancelToken], T], cancel: Optional[CancelToken]) -> T:
        token = cancel or CancelToken()
        future = asyncio.get_running_loop().run_in_executor(self._threads, call, token)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            token.cancel()
            await asyncio.wait([future])
            # It has been asked for: else it would be reported as forgotten.
            future.cancelled() or future.exception()
            raise

    async def test(self, *, cancel: Optional[CancelToken] = None) -> Identity:
        """Proves address, credentials and transport by one cheap read."""
        return await self._run(lambda token: self.sync.test(cancel=token), cancel)

    async def list_objects(self, *, cancel: Optional[CancelToken] = None) -> List[ObjectInfo]:
        """Every object, always in the same order."""
        return await self._run(lambda token: self.sync.list_objects(cancel=token), cancel)

    async def describe_object(self, name: str, *, cancel: Optional[CancelToken] = None) -> ObjectSchema:
        """The object's fields and abilities."""
        return await self._run(lambda token: self.sync.describe_object(name, cancel=token), cancel)

    async def explain(self, object: str, **request: Any) -> Plan:
        """How `query` would go about it. Makes no request."""
        return await self._run(lambda _: self.sync.explain(object, **request), None)

    def query(self, object: str, *, cancel: Optional[CancelToken] = None, **request: Any) -> Query:
        """Reads records. Iterate over what it returns with `async for`."""
        return Query(self, cancel or CancelToken(), object, request)

    async def create(self, object: str, records: Records, *, cancel: Optional[CancelToken] = None, **options: Any) -> List[Outcome]:
        """Creates records: one outcome per record, in order."""
        return await self._run(lambda token: self.sync.create(object, records, cancel=token, **options), cancel)

    async def update(self, object: str, records: Records, *, cancel: Optional[CancelToken] = None, **options: Any) -> List[Outcome]:
        """Updates records."""
        return await self._run(lambda token: self.sync.update(object, records, cancel=token, **options), cancel)

    async def delete(self, object: str, records: Records, *, cancel: Optional[CancelToken] = None, **options: Any) -> List[Outcome]:
        """Deletes the records that are named."""
        return await self._run(lambda token: self.sync.delete(object, records, cancel=token, **options), cancel)

    async def resolve(
        self, written_by: str, object: str, records: Records, *, cancel: Optional[CancelToken] = None, **options: Any
    ) -> List[Outcome]:
        """Looks up what became of records whose outcome is unknown."""
        return await self._run(lambda token: self.sync.resolve(written_by, object, records, cancel=token, **options), cancel)

    async def close(self) -> None:
        """Ends the calls under way and closes all sockets."""
        await asyncio.to_thread(self.sync.close)
        await asyncio.to_thread(self._threads.shutdown)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()


class Query:
    """A query, made by `Connection.query`."""

    def __init__(self, connection: Connection, cancel: CancelToken, object: str, request: Dict[str, Any]) -> None:
        self._connection, self._cancel = connection, cancel
        self._query = connection.sync.query(object, cancel=cancel, **request)

    @property
    def state(self) -> Optional[str]:
        """After the last page of a read with `since`: the `since` of the next one."""
        return self._query.state

    async def pages(self) -> AsyncIterator[Page]:
        """Page by page. The next page is asked for when it is wanted."""
        pages = self._query.pages()
        try:
            while True:
                page = await self._connection._run(lambda _: next(pages, _END), self._cancel)
                if not isinstance(page, Page):
                    return
                yield page
        finally:
            pages.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for page in self.pages():
            for line in page.lines():
                yield line

    async def parsed(self) -> AsyncIterator[Dict[str, Any]]:
        """Records as dicts; numbers with a fraction or an exponent are `Decimal`."""
        async for line in self:
            yield from_json(line)
