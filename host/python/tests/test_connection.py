"""What a connection does, against the emulated store."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from decimal import Decimal
from typing import Any, Callable, List

import pytest

from connector_host import (
    Applied,
    CancelToken,
    Condition,
    ConfigurationErrors,
    Connector,
    ConnectorError,
    Failed,
    Grant,
    Limits,
    Secret,
    Skipped,
    UnsupportedComponent,
    aio,
)

Start = Callable[..., Any]


def test_everything_wrong_with_the_settings_is_told_at_once(bigcommerce: Connector) -> None:
    with pytest.raises(ConfigurationErrors) as raised:
        bigcommerce.connect({"nonsense": 1})
    assert [error.pointer for error in raised.value.errors] == ["/nonsense", "/store_hash", "/access_token"]
    assert {error.kind for error in raised.value.errors} == {"configuration"}


def test_an_address_that_is_not_granted_is_refused_before_anything_is_sent(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "1")
    with pytest.raises(ConfigurationErrors) as raised:
        store.connect(bigcommerce, grant=["https://api.bigcommerce.com"])
    assert raised.value.errors[0].pointer == "/base_url"
    assert store.seen("state")["requests"] == 0


def test_a_name_with_a_private_address_is_reached_only_if_the_grant_says_so(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "1")
    local = store.url.replace("127.0.0.1", "localhost")
    with store.connect(bigcommerce, {"base_url": local}, grant=[local]) as connection:
        with pytest.raises(ConnectorError) as raised:
            connection.test()
        assert raised.value.kind == "denied"
    assert store.seen("state")["requests"] == 0
    with store.connect(bigcommerce, {"base_url": local}, grant=[Grant(local, private=True)]) as connection:
        connection.test()


def test_a_missing_capability_is_told_when_connecting(bigcommerce: Connector, fixed: Connector) -> None:
    for name in ("variables", "transport", "quota", "control", "logging", "clocks", "http"):
        with pytest.raises(UnsupportedComponent, match=f"`{name}`"):
            bigcommerce.connect({"store_hash": "a", "access_token": "b"}, without=[name])
    # It sends nothing, so it needs neither.
    fixed.connect({"greeting": "hello"}, without=["quota", "http"]).close()


def test_what_is_no_connector_is_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedComponent, match="no WebAssembly component"):
        Connector.load(b"\0asm\x01\0\0\0")
    with pytest.raises(UnsupportedComponent, match="no connector"):
        Connector.load(b"\0asm\x0d\0\x01\0")


def test_a_query_delivers_every_record_once_with_the_digits_of_its_numbers(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "3000", "--latency-ms", "50")
    with store.connect(bigcommerce, {"keep_alive": True, "keep_alive_seconds": 60}) as connection:
        lines = list(connection.query("products"))
        assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 3000
        query = connection.query("products", fields=["id", "price"], filter=[Condition("id", "less", 200)], page_size=10)
        records = list(query.parsed())
        assert records and all(set(record) == {"id", "price"} and record["id"] < 200 for record in records)
        assert any(isinstance(record["price"], Decimal) for record in records)
        # Several requests at once, and a socket for each of them, kept.
        state = store.seen("state")
        assert state["requests_peak"] > 1
        assert state["connections_accepted"] <= state["requests_peak"] + 1


def test_a_cursor_is_good_in_another_connection(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "60")
    with store.connect(bigcommerce) as one, store.connect(bigcommerce) as other:
        first = next(one.query("products", page_size=25).pages())
        rest = list(other.query("products", page_size=25, cursor=first.next))
        ids = [json.loads(line)["id"] for line in [*first.lines(), *rest]]
        assert len(set(ids)) == len(ids) == 60


def test_discovery_and_plans_make_no_request(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "1")
    with store.connect(bigcommerce) as connection:
        assert any(each.name == "products" and "query" in each.activities for each in connection.list_objects())
        schema = connection.describe_object("products")
        assert schema.key == ("id",) and schema.consistency == "stable" and schema.query is not None
        assert connection.explain("products").consistency == "stable"
        with pytest.raises(ConnectorError) as raised:
            connection.describe_object("nonsense")
        assert raised.value.kind == "not-found"
    assert store.seen("state")["requests"] == 0


def test_writes_answer_one_outcome_per_record_in_order(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "3", "--brands", "2")
    with store.connect(bigcommerce) as connection:
        created = connection.create("brands", [{"name": "New"}, {"nonsense": 1}, {"name": "Newer"}], continue_on_error=True)
        assert [type(each) for each in created] == [Applied, Failed, Applied]
        assert isinstance(created[0], Applied) and json.loads(created[0].record)["name"] == "New"
        key = json.loads(created[0].record)["id"]
        [updated] = connection.update("brands", [{"id": key, "name": "Other"}])
        assert isinstance(updated, Applied) and json.loads(updated.record)["name"] == "Other"
        [deleted] = connection.delete("brands", [{"id": key}])
        assert isinstance(deleted, Applied)
        [valid] = connection.create("brands", b'{"name":"Never"}\n', validate_only=True)
        assert isinstance(valid, Skipped)
    assert store.seen("state")["wipes"] == 0


def test_a_variable_is_read_right_before_each_use_and_shown_nowhere(
    bigcommerce: Connector, emulator: Start, caplog: pytest.LogCaptureFixture
) -> None:
    store = emulator("--products", "1", "--token", "first-token", "--token", "second-token")
    values = {"token": Secret("first-token"), "other": Secret("x")}
    asked: List[str] = []

    def variable(name: str) -> "str | None":
        asked.append(name)
        return values.get(name)

    with caplog.at_level(logging.DEBUG), store.connect(bigcommerce, variables=variable) as connection:
        connection.test()
        values["token"] = Secret("rotated-away")
        with pytest.raises(ConnectorError) as raised:
            connection.test()
        assert raised.value.kind == "unauthorized" and raised.value.status == 401
        values["token"] = Secret("second-token")
        connection.test()
    assert set(asked) == {"token"}
    assert "-token" not in caplog.text and "rotated-away" not in caplog.text


def test_a_cancelled_query_ends_soon_and_says_so(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "2000", "--latency-ms", "20000")
    token = CancelToken()
    with store.connect(bigcommerce) as connection:
        threading.Timer(0.3, token.cancel).start()
        began = time.monotonic()
        with pytest.raises(ConnectorError) as raised:
            list(connection.query("products", cancel=token))
        assert raised.value.code == "cancelled"
        assert time.monotonic() - began < 10


def test_closing_ends_what_is_under_way(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "10", "--latency-ms", "20000")
    connection = store.connect(bigcommerce)
    ended: List[BaseException] = []

    def read() -> None:
        try:
            list(connection.query("products"))
        except Exception as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.3)
    connection.close()
    reader.join(10)
    assert ended and not reader.is_alive()


def test_a_call_that_takes_too_long_comes_to_an_orderly_end(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "10", "--latency-ms", "20000")
    with store.connect(bigcommerce, limits=Limits(call_time=0.3)) as connection:
        began = time.monotonic()
        with pytest.raises(ConnectorError) as raised:
            connection.test()
        assert raised.value.code == "cancelled"
        assert time.monotonic() - began < 10


def test_idle_sockets_stay_open_as_long_as_the_settings_say(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "1")

    def is_open() -> int:
        # One of them asks.
        return int(store.seen("state")["connections_open"]) - 1

    def closes_within(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while is_open() and time.monotonic() < until:
            time.sleep(0.1)
        return is_open() == 0

    with store.connect(bigcommerce) as connection:
        connection.test()
        assert closes_within(10), "without keep-alive they close with the activity"
    with store.connect(bigcommerce, {"keep_alive": True, "keep_alive_seconds": 2}) as connection:
        connection.test()
        connection.test()
        assert is_open() == 1
        assert closes_within(20)


def test_all_connections_of_one_store_share_its_quota(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "5000", "--quota", "10/1000")
    counts: List[int] = []

    def read() -> None:
        with store.connect(bigcommerce) as connection:
            counts.append(sum(1 for _ in connection.query("products", max_records=1500)))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert counts == [1500] * 4
    windows = store.seen("state")["quota"]
    assert sum(each["refused"] for each in windows) <= 4, windows


def test_asyncio_reads_writes_and_cancels(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "600")
    slow = emulator("--products", "10", "--latency-ms", "20000")

    async def run() -> None:
        async with aio.Connection(store.connect(bigcommerce)) as connection:
            assert (await connection.test()).account
            assert len([line async for line in connection.query("products", page_size=100)]) == 600
            [made] = await connection.create("brands", [{"name": "Async"}])
            assert isinstance(made, Applied)
        async with aio.Connection(slow.connect(bigcommerce)) as connection:
            task = asyncio.ensure_future(connection.test())
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 10)

    asyncio.run(run())
