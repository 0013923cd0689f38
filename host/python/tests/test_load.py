"""What a query costs, and that other threads go on meanwhile. Prints the figures (`pytest -s`)."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

from connector_host import Connector

Start = Callable[..., Any]


def test_a_page_costs_a_few_milliseconds_of_processor_time(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "20000")
    with store.connect(bigcommerce) as connection:
        sum(page.count for page in connection.query("products", max_records=2000).pages())
        began, pages, size, records = time.process_time(), 0, 0, 0
        for page in connection.query("products").pages():
            pages, size, records = pages + 1, size + len(page.records), records + page.count
        cost = (time.process_time() - began) / pages * 1000
    print(f"\n{records} records, {pages} pages of {size / pages / 1000:.0f} KB: {cost:.2f} ms of processor time per page")
    assert records == 20000
    # Reading each byte as an object would take 700 ms.
    assert cost < 50


def test_other_threads_keep_half_of_their_pace_during_a_query(bigcommerce: Connector, emulator: Start) -> None:
    store = emulator("--products", "5000", "--latency-ms", "5")
    counted, ends = [0], threading.Event()

    def count() -> None:
        while not ends.is_set():
            counted[0] += 1

    def pace(seconds: Callable[[], None]) -> float:
        began, before = time.perf_counter(), counted[0]
        seconds()
        return (counted[0] - before) / (time.perf_counter() - began)

    with store.connect(bigcommerce) as connection:

        def read() -> None:
            assert sum(page.count for page in connection.query("products").pages()) == 5000

        counter = threading.Thread(target=count)
        counter.start()
        try:
            ratios = []
            for _ in range(5):
                alone = pace(lambda: time.sleep(0.5))
                ratios.append(pace(read) / alone)
        finally:
            ends.set()
            counter.join()
    print(f"\npace of a counting thread during a query, of its own: {', '.join(f'{each:.2f}' for each in ratios)}")
    # One round in which the thread keeps its pace shows that a query leaves Python's lock to it; were the lock held, none would. In the
    # others, programs that start or end between the two halves of a round take time from one of them only.
    assert max(ratios) >= 0.5
