"""Runs the connector `fixed` in Python: `python3 fixed.py fixed.wasm`. All that a host must bring is in `imports`."""
import json
import sys
from types import SimpleNamespace
from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, ResourceHost, ResourceType, Variant

POLLABLE, PERMIT, NEVER, NOW = 1, 2, 0, 1  # a pollable's number says whether it is ready
resources = {"wasi:io/poll@0.2.0": ("pollable", POLLABLE), "ipaas:connector/quota@0.1.0": ("permit", PERMIT)}
values = {"greeting": "hello"}
number = lambda store, borrowed: borrowed.to_host(store).rep  # which gives the borrow back, as every call must
imports = {
    "wasi:io/poll@0.2.0": {
        "poll": lambda store, pollables: [i for i, n in enumerate([number(store, each) for each in pollables]) if n == NOW],
        "[method]pollable.ready": lambda store, pollable: number(store, pollable) == NOW,
        "[method]pollable.block": lambda store, pollable: None if number(store, pollable) == NOW else sys.exit("blocks for ever"),
    },
    "wasi:clocks/monotonic-clock@0.2.0": {
        "now": lambda store: 0,
        "subscribe-duration": lambda store, nanoseconds: ResourceHost.own(NOW, POLLABLE),
    },
    "ipaas:connector/variables@0.1.0": {"get": lambda store, name: values.get(name) or Variant("undefined", name)},
    "ipaas:connector/transport@0.1.0": {"apply": lambda store, use_proxy, keep_alive_seconds: Variant("ok")},
    "ipaas:connector/quota@0.1.0": {
        "reserve": lambda store, bucket, concurrency: ResourceHost.own(NOW, PERMIT),
        "[method]permit.ready": lambda store, permit: ResourceHost.own(number(store, permit), POLLABLE),
        "report": lambda store, bucket, allowance: None,
    },
    "ipaas:connector/control@0.1.0": {"cancelled": lambda store: ResourceHost.own(NEVER, POLLABLE)},
    "ipaas:connector/logging@0.1.0": {"log": lambda store, level, text, fields: print(f"{level}: {text}", file=sys.stderr)},
}
engine = Engine()
component, linker = Component.from_file(engine, sys.argv[1]), Linker(engine)
for interface, functions in imports.items():
    with linker.root() as root, root.add_instance(interface) as instance:
        if interface in resources:
            name, kind = resources[interface]
            instance.add_resource(name, ResourceType.host(kind), lambda store, rep: None)
        for name, function in functions.items():
            instance.add_func(name, function)


def connect():
    """A fresh instance, configured: a function that calls its functions by name."""
    store = Store(engine)
    instance = linker.instantiate(store, component)
    interface = instance.get_export_index(store, "ipaas:connector/connection@0.1.0")
    call = lambda name, *arguments: instance.get_func(store, instance.get_export_index(store, name, interface))(store, *arguments)
    assert call("configure", '{"greeting":"[greeting]"}') is None
    return call


def ok(answer):
    """The value of a result whose two sides would look alike."""
    assert answer.tag == "ok", vars(answer.payload)
    return answer.payload


request = {"object": "people", "fields": ["id", "balance"], "filter": [], "order-by": [], "include": [], "page-size": 2}
request |= {"max-records": None, "since": None, "cursor": None}
write = {"object": "people", "records": b'{"name":"new","balance":25.00}\n', "mode": "strict", "match-on": []}
write |= {"continue-on-error": False, "validate-only": False}

first = connect()
assert ok(first("test")).account == "hello"
assert any(each.name == "people" and "query" in each.activities for each in first("list-objects"))

page = ok(first("query", SimpleNamespace(**request)))
rest = ok(connect()("query", SimpleNamespace(**request | {"cursor": page.next})))
lines = (page.records + rest.records).decode().splitlines()
assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4], lines

[outcome] = first("create", SimpleNamespace(**write))
assert outcome.tag == "applied" and "25.00" in outcome.payload, outcome
print(f"Python: read two pages with two instances ({' '.join(lines)}), created {outcome.payload}")
