"""Plays scenarios on the Python host: translates the runners' protocol (see `../README.md`) to the package's calls."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
import threading
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Dict, List, Optional

from connector_host import (
    After,
    Applied,
    CancelToken,
    Condition,
    ConfigurationErrors,
    Connection,
    Connector,
    ConnectorError,
    Failed,
    Grant,
    HostError,
    Limits,
    Order,
    Outcome,
    Public,
    Secret,
    Skipped,
)

Command = Dict[str, Any]
connectors: Dict[str, Connector] = {}
variables: Dict[str, str] = {}
connection: Optional[Connection] = None


def wit(value: Any) -> Any:
    """A value as the contract writes it."""
    if isinstance(value, ConnectorError):
        fields = {name: getattr(value, name) for name in ("kind", "retry", "message", "status", "code", "pointer")}
        if isinstance(value.retry, After):
            fields["retry"] = {"after": value.retry.milliseconds}
        return {name: each for name, each in fields.items() if each is not None}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name.replace("_", "-"): getattr(value, each.name) for each in dataclasses.fields(value)}
        return {name: wit(each) for name, each in fields.items() if each is not None}
    return [wit(each) for each in value] if isinstance(value, (list, tuple)) else value


def outcomes(values: List[Outcome]) -> List[Any]:
    """Outcomes as the contract writes them."""

    def one(value: Outcome) -> Any:
        if isinstance(value, Skipped):
            return "skipped"
        if isinstance(value, Applied):
            return {"applied": value.record}
        return {"failed" if isinstance(value, Failed) else "unknown": wit(value.error)}

    return [one(each) for each in values]


def named(request: Command) -> Dict[str, Any]:
    """A request as the package's named arguments."""
    given = {name.replace("-", "_"): value for name, value in request.items()}
    if "filter" in given:
        given["filter"] = [Condition(each["field"], each["op"], json.loads(each["value"], parse_float=Decimal)) for each in given["filter"]]
    if "order_by" in given:
        given["order_by"] = [Order(each["field"], each.get("descending", False)) for each in given["order_by"]]
    return given


def connect(command: Command) -> Dict[str, Any]:
    global connection
    close()
    file = command["component"]
    connectors[file] = connectors.get(file) or Connector.load(file)
    variables.clear()
    for name, each in command.get("variables", {}).items():
        variables[name] = (Secret if each.get("hidden") else Public)(each["value"])
    connection = connectors[file].connect(
        command["settings"],
        variables=variables,
        grant=[Grant(origin, private=True) for origin in command.get("grant") or ()],
        proxy=command.get("proxy"),
        limits=Limits(requests_in_flight=command.get("requests-in-flight") or Limits.requests_in_flight),
        without=command.get("without") or (),
    )
    return {}


def close() -> Dict[str, Any]:
    global connection
    if connection is not None:
        connection.close()
        connection = None
    return {}


def query_all(open: Connection, command: Command) -> Dict[str, Any]:
    token, lines, count = CancelToken(), [], 0
    after = command.get("cancel-after-records")
    try:
        for line in open.query(**named(command["request"]), cancel=token):
            count += 1
            if not command.get("count-only"):
                lines.append(line.decode())
            if count == after:
                token.cancel()
    except ConnectorError as error:
        if after is None or error.code != "cancelled":
            raise
    return {"count": count} if command.get("count-only") else {"records": lines}


def write(open: Connection, command: Command) -> List[Any]:
    token = CancelToken()
    timer = threading.Timer(command.get("cancel-after-ms", 0) / 1000, token.cancel)
    if "cancel-after-ms" in command:
        timer.start()
    try:
        request = named(command["request"])
        if command["do"] == "delete":
            # It has but one way to name records.
            request = {name: value for name, value in request.items() if name not in ("mode", "match_on")}
        return outcomes(getattr(open, command["do"])(**request, cancel=token))
    finally:
        timer.cancel()


def reply(command: Command) -> Any:
    verb = command["do"]
    if verb == "hello":
        names = ("wasmtime", "urllib3")
        return {"host": "python", "versions": {"python": platform.python_version(), **{name: version(name) for name in names}}}
    if verb == "connect":
        return connect(command)
    if verb == "close":
        return close()
    if connection is None:
        raise HostError("there is no connection")
    if verb == "set-variable":
        variables[command["name"]] = type(variables.get(command["name"], Secret()))(command["value"])
        return {}
    if verb == "describe":
        return wit(connection.connector.info)
    if verb == "test":
        return wit(connection.test())
    if verb == "list-objects":
        return wit(connection.list_objects())
    if verb == "describe-object":
        return wit(connection.describe_object(command["name"]))
    if verb == "query":
        page = next(connection.query(**named(command["request"])).pages())
        return {**wit(page), "records": [line.decode() for line in page.lines()]}
    if verb == "query-all":
        return query_all(connection, command)
    if verb == "explain":
        return wit(connection.explain(**named(command["request"])))
    if verb == "resolve":
        return outcomes(connection.resolve(command["written-by"], **resolved(command["request"])))
    return write(connection, command)


def resolved(request: Command) -> Dict[str, Any]:
    """What `resolve` takes of the request that wrote."""
    given = named(request)
    return {name: given[name] for name in ("object", "records", "mode", "match_on") if name in given}


def main() -> None:
    for line in sys.stdin:
        try:
            answer = {"ok": reply(json.loads(line))}
        except ConfigurationErrors as error:
            answer = {"errors": [wit(each) for each in error.errors]}
        except ConnectorError as error:
            answer = {"error": wit(error)}
        except Exception as error:
            answer = {"host-error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
