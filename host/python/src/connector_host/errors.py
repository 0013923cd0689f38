"""What can go wrong: failures that a connector tells as data, and those of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Union

__all__ = [
    "After",
    "CallFailed",
    "ConfigurationErrors",
    "ConnectorError",
    "HostError",
    "Retry",
    "UnsupportedComponent",
]


@dataclass(frozen=True)
class After:
    """The remote provably did not act: the call may be repeated after so long."""

    milliseconds: int


# `"never"` (until something else changes), `After`, or `"outcome-unknown"` (repeat a read; look a write up first).
Retry = Union[str, After]


class ConnectorError(Exception):
    """A failure, as the connector tells it."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retry: Retry = "never",
        status: Optional[int] = None,
        code: Optional[str] = None,
        pointer: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        #: Whose fault it is: `configuration`, `unsupported`, `invalid-request`, `unauthorized`, `not-found`, `conflict`,
        #: `rejected`, `rate-limited`, `unavailable`, `protocol`, `denied` or `internal`.
        self.kind = kind
        #: For people. Never a secret.
        self.message = message
        #: What may be done about it.
        self.retry = retry
        #: HTTP status, if the remote answered.
        self.status = status
        #: The remote's own code, or one of the contract's (`cursor-version`).
        self.code = code
        #: JSON pointer into what was passed.
        self.pointer = pointer

    @classmethod
    def from_wit(cls, error: Mapping[str, Any]) -> ConnectorError:
        """From a record `error` of the contract."""
        retry = error["retry"]
        return cls(
            error["kind"],
            error["message"],
            retry=After(retry[1]) if isinstance(retry, tuple) else retry,
            status=error["status"],
            code=error["code"],
            pointer=error["pointer"],
        )


class ConfigurationErrors(Exception):
    """Everything that is wrong with a connection's settings, at once."""

    def __init__(self, errors: Sequence[ConnectorError]) -> None:
        super().__init__("; ".join(f"{error.pointer or ''} {error.message}".strip() for error in errors))
        #: In the order of the settings.
        self.errors = tuple(errors)


class HostError(Exception):
    """A failure of this host, or of a connector that does not keep to the contract."""


class UnsupportedComponent(HostError):
    """The file is no connector that this host can run; the message says what is missing."""


class CallFailed(HostError):
    """A call ended without an answer: a trap, a limit, a deadline. After a write, every outcome is unknown."""
