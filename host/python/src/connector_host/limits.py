"""What one connection may use."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of one connection. A connector cannot raise them."""

    #: Linear memory of one activity, in bytes.
    memory: int = 256 << 20
    #: Requests, answers, streams, pollables and permits that one activity may hold at once.
    resources: int = 2000
    #: Seconds that one call (one page, one batch of records) may take. Then it is cancelled and has `cancel_grace` to come to an
    #: orderly end.
    call_time: float = 600.0
    #: Seconds that the connector may compute without waiting for something.
    compute_time: float = 30.0
    #: Seconds that a cancelled call has. Then it is ended hard, and every record of a write is unknown.
    cancel_grace: float = 30.0
    #: Body of one answer, in bytes.
    response_body: int = 64 << 20
    #: Body of one request, in bytes.
    request_body: int = 16 << 20
    #: Requests under way at once, over all activities of the connection; more of them wait. Each has a socket and a thread.
    requests_in_flight: int = 16
