"""Ends calls from outside."""

from __future__ import annotations

import threading
from typing import Callable, List

__all__ = ["CancelToken"]


class CancelToken:
    """Ends the calls that it was passed to, from any thread. A query then fails with code `cancelled`; a write answers the outcomes
    so far, and the rest as skipped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._told: List[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Wishes the calls to end. Returns at once."""
        with self._lock:
            self._cancelled = True
            told = list(self._told)
        for tell in told:
            tell()

    def _tell(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._told.append(wake)

    def _forget(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._told.remove(wake)
