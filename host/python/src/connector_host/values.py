"""What calls take and give, as the contract names it. JSON stays text: numbers keep their digits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from .errors import ConnectorError

__all__ = [
    "ActivitySchema",
    "Applied",
    "Condition",
    "Failed",
    "Field",
    "Identity",
    "Info",
    "ObjectInfo",
    "ObjectSchema",
    "Order",
    "Outcome",
    "Page",
    "Plan",
    "Records",
    "Skipped",
    "Unknown",
]


@dataclass(frozen=True)
class Info:
    """What a connector is."""

    name: str
    title: str
    version: str
    #: JSON Schema (2020-12) of the settings.
    settings_schema: str
    #: Origins that it asks to reach.
    origins: Tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """Who answered."""

    account: str
    #: What these credentials will not do, for people.
    warnings: Tuple[str, ...]


@dataclass(frozen=True)
class ObjectInfo:
    """An object of the remote."""

    name: str
    title: str
    #: The object whose sub-object this is.
    parent: Optional[str]
    #: Of `query`, `create`, `update`, `delete`.
    activities: Tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """A field of an object."""

    name: str
    #: Comparisons that a condition may use.
    comparisons: Tuple[str, ...]
    #: Those of them that the remote evaluates.
    pushed_down: Tuple[str, ...]
    sortable: bool


@dataclass(frozen=True)
class ActivitySchema:
    """JSON Schemas (2020-12) of one record that is passed in, or of a query's conditions, and of one that comes back."""

    request: str
    response: str


@dataclass(frozen=True)
class ObjectSchema:
    """What an object has and allows."""

    #: The fields that together name a record.
    key: Tuple[str, ...]
    fields: Tuple[Field, ...]
    #: Related data that a query can bring along.
    includes: Tuple[str, ...]
    #: `stable` (each record exactly once) or `best-effort`.
    consistency: str
    #: Whether a query takes `since`.
    incremental: bool
    query: Optional[ActivitySchema]
    create: Optional[ActivitySchema]
    update: Optional[ActivitySchema]
    delete: Optional[ActivitySchema]


@dataclass(frozen=True)
class Condition:
    """`field op value`. `op` is `equal`, `not-equal`, `less`, `less-or-equal`, `greater`, `greater-or-equal`, `one-of` or `contains`."""

    field: str
    op: str
    #: Anything that `to_json` takes; a list for `one-of`.
    value: Any


@dataclass(frozen=True)
class Order:
    """Sorts by a field."""

    field: str
    descending: bool = False


@dataclass(frozen=True)
class Page:
    """A page of records."""

    #: JSON objects, one per line, every line closed by a line break.
    records: bytes
    count: int
    #: Where the next page begins; None after the last one.
    next: Optional[str]
    #: Records in all, if the remote says so.
    total: Optional[int]
    #: For `since` of a later read.
    state: Optional[str]

    def lines(self) -> List[bytes]:
        """The records, without their line breaks."""
        return self.records.splitlines()


@dataclass(frozen=True)
class Plan:
    """How a query would go about it."""

    #: Requests of a complete read, if that can be told.
    requests: Optional[int]
    consistency: str
    steps: Tuple[str, ...]


@dataclass(frozen=True)
class Applied:
    """Done."""

    #: The record as the remote now has it, at least its key: one JSON text.
    record: str


@dataclass(frozen=True)
class Failed:
    """Not done."""

    error: ConnectorError


@dataclass(frozen=True)
class Unknown:
    """Perhaps done: `Connection.resolve` looks it up."""

    error: ConnectorError


@dataclass(frozen=True)
class Skipped:
    """Not sent."""


Outcome = Union[Applied, Failed, Unknown, Skipped]
#: JSON lines in one piece, or records one by one: JSON texts, or what `to_json` takes.
Records = Union[bytes, Iterable[Union[bytes, str, Mapping[str, Any]]]]


def to_json(value: Any) -> str:
    """JSON of dicts, lists, texts, booleans, None and numbers; a `Decimal` keeps its digits. Raises `TypeError`, `ValueError`."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("JSON has no number that is not finite")
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(name))}:{to_json(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, allow_nan=False)


def to_ndjson(records: Records) -> bytes:
    """One line per record."""
    if isinstance(records, bytes):
        return records if not records or records.endswith(b"\n") else records + b"\n"
    lines = []
    for record in records:
        line = record if isinstance(record, (bytes, str)) else to_json(record)
        lines.append(line.encode() if isinstance(line, str) else line)
    # A line break between two tokens of a text is white space to JSON.
    return b"".join(line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n" for line in lines)


def from_json(line: Union[bytes, str]) -> Dict[str, Any]:
    """A record; numbers with a fraction or an exponent become `Decimal`."""
    record: Dict[str, Any] = json.loads(line, parse_float=Decimal)
    return record


def outcome(value: Any) -> Outcome:
    """From a variant `outcome` of the contract."""
    if value == "skipped":
        return Skipped()
    name, payload = value
    if name == "applied":
        return Applied(payload)
    error = ConnectorError.from_wit(payload)
    return Failed(error) if name == "failed" else Unknown(error)


def object_schema(value: Mapping[str, Any]) -> ObjectSchema:
    """From a record `object-schema` of the contract."""

    def activity(name: str) -> Optional[ActivitySchema]:
        return None if value[name] is None else ActivitySchema(**value[name])

    return ObjectSchema(
        tuple(value["key"]),
        tuple(
            Field(each["name"], tuple(each["comparisons"]), tuple(each["pushed-down"]), each["sortable"])
            for each in value["fields"]
        ),
        tuple(value["includes"]),
        value["consistency"],
        value["incremental"],
        activity("query"),
        activity("create"),
        activity("update"),
        activity("delete"),
    )
