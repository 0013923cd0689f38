"""Runs connectors: WebAssembly components of the world `ipaas:connector/connector`.

    from connector_host import Connector

    connector = Connector.load("bigcommerce.wasm")
    with connector.connect({"store_hash": "abc123", "access_token": "[token]"},
                           variables={"token": Secret("…")}, grant=connector.info.origins) as connection:
        print(connection.test().account)
        for line in connection.query("products"):
            print(line.decode())

`connector_host.aio` has the same for asyncio.
"""

from .cancel import CancelToken
from .connector import Connection, Connector, Query
from .egress import Grant, Origin
from .errors import After, CallFailed, ConfigurationErrors, ConnectorError, HostError, Retry, UnsupportedComponent
from .limits import Limits
from .values import (
    ActivitySchema,
    Applied,
    Condition,
    Failed,
    Field,
    Identity,
    Info,
    ObjectInfo,
    ObjectSchema,
    Order,
    Outcome,
    Page,
    Plan,
    Records,
    Skipped,
    Unknown,
)
from .variables import Public, Secret, Variables

__all__ = [
    "ActivitySchema",
    "After",
    "Applied",
    "CallFailed",
    "CancelToken",
    "Condition",
    "ConfigurationErrors",
    "Connection",
    "Connector",
    "ConnectorError",
    "Failed",
    "Field",
    "Grant",
    "HostError",
    "Identity",
    "Info",
    "Limits",
    "ObjectInfo",
    "ObjectSchema",
    "Order",
    "Origin",
    "Outcome",
    "Page",
    "Plan",
    "Public",
    "Query",
    "Records",
    "Retry",
    "Secret",
    "Skipped",
    "Unknown",
    "UnsupportedComponent",
    "Variables",
]
