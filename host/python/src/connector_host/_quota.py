"""Leave to send, shared by all connections of the process that draw on one allowance of a remote and were granted the same origins.

A request may go while more is left than is under way. When nothing is left, everybody waits for the window's end; then one request
goes ahead to learn what the new window holds. Where nothing is known yet a few may go, and more with each answer that says nothing.
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, List, Optional, Tuple

#: Requests that may be under way before any answer has told the allowance.
_UNKNOWN_IN_FLIGHT = 4
#: Seconds that a window is taken to last if the remote does not say.
_DEFAULT_WINDOW = 1.0
#: Longest wait, in seconds, that one report can impose; what is longer is cut and asked again.
_LONGEST_WINDOW = 600.0
#: Answers of one window name its end a little differently; a later end than this, in seconds, is a new window.
_SAME_WINDOW = 1.0


class Permit:
    """Leave to send one request, given or still awaited."""

    def __init__(self, bucket: Bucket, concurrency: Optional[int], wake: Callable[[], None]) -> None:
        self._bucket = bucket
        self.concurrency, self.wake = concurrency, wake
        self.granted = self.probe = self.parked = False

    def ready(self) -> bool:
        """Whether the request may be sent."""
        return self.granted or self._bucket.advance(self)

    def due(self) -> Optional[float]:
        """When it is worth asking again, if time alone can change it."""
        return self._bucket.again

    def park(self, parked: bool) -> None:
        """Between two calls the guest can neither send nor take note of answers, so it keeps nobody waiting."""
        self._bucket.park(self, parked)

    def drop(self) -> None:
        """The answer's head is there, or the request is given up."""
        self._bucket.returned(self)


class Bucket:
    """One allowance of a remote."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: List[Permit] = []
        self._out: List[Permit] = []
        self._answered = 0
        # Left at the last report, and when the window ends.
        self._window: Optional[Tuple[int, float]] = None
        self._silent = self._reported = 0
        self._probing = self._sent = False
        self.again: Optional[float] = None

    def reserve(self, concurrency: Optional[int], wake: Callable[[], None]) -> Permit:
        """Joins the line."""
        permit = Permit(self, concurrency, wake)
        with self._lock:
            self._waiting.append(permit)
            self._advance()
        return permit

    def advance(self, permit: Permit) -> bool:
        """Moves the line on; whether this permit is granted."""
        with self._lock:
            self._advance()
            return permit.granted

    def _advance(self) -> None:
        now, self.again = time.monotonic(), None
        if self._window is not None and now >= self._window[1]:
            used_up = self._window[0] - self._silent - len(self._out) < 1
            self._window, self._silent, self._answered = None, 0, 0
            self._probing, self._sent = used_up, False
        for permit in [each for each in self._waiting if not each.parked]:
            running = sum(not each.parked for each in self._out)
            if permit.concurrency is not None and running >= max(1, permit.concurrency):
                return
            if self._window is not None:
                if self._window[0] - self._silent - len(self._out) < 1:
                    self.again = self._window[1]
                    return
            elif self._probing:
                if self._sent:
                    return
                self._sent = permit.probe = True
            elif running >= _UNKNOWN_IN_FLIGHT + self._answered:
                return
            self._waiting.remove(permit)
            self._out.append(permit)
            permit.granted = True
            permit.wake()

    def _changed(self) -> None:
        self._advance()
        for permit in self._waiting:
            # They learn of a time to wait for.
            permit.wake()

    def report(self, limit: Optional[int], left: Optional[int], reset_ms: Optional[int]) -> None:
        """Takes note of what an answer said."""
        with self._lock:
            self._reported = min(self._reported + 1, len(self._out))
            if left is not None:
                self._told(left, reset_ms)
            self._changed()

    def _told(self, left: int, reset_ms: Optional[int]) -> None:
        now = time.monotonic()
        window = _DEFAULT_WINDOW if reset_ms is None else min(reset_ms / 1000, _LONGEST_WINDOW)
        # Remotes cut the rest of a millisecond off.
        ends = now + window + 0.001
        known, self._probing = self._window, False
        if known is not None and now < known[1]:
            if known[0] == 0 and ends > known[1] + _SAME_WINDOW:
                # A refusal holds until the end that it named.
                self._window = (0, ends if left == 0 else known[1])
                return
            if ends <= known[1] + _SAME_WINDOW:
                # Answers overtake each other: the lowest number is the latest.
                left, ends = min(left, known[0]), max(ends, known[1]) if left == 0 else min(ends, known[1])
        self._window, self._silent = (left, ends), 0

    def returned(self, permit: Permit) -> None:
        """A permit is given back."""
        with self._lock:
            if permit in self._waiting:
                self._waiting.remove(permit)
            elif permit in self._out:
                self._out.remove(permit)
                if self._reported > 0:
                    self._reported -= 1
                elif self._window is not None:
                    self._silent += 1
                elif not self._probing:
                    self._answered += 1
                elif permit.probe:
                    self._probing = False
            self._changed()

    def park(self, permit: Permit, parked: bool) -> None:
        """See `Permit.park`."""
        with self._lock:
            permit.parked = parked
            if parked and permit.probe and self._probing:
                permit.probe, self._sent = False, False
            self._changed()


_LOCK = threading.Lock()
_BUCKETS: Dict[Tuple[str, ...], Bucket] = {}
_MANY = 1000


def bucket(connector: str, origins: List[str], name: str) -> Bucket:
    """The bucket of this name. Who says the same name shares it only with the same connector and the same grants."""
    key = (connector, name, *origins)
    with _LOCK:
        if len(_BUCKETS) >= _MANY:
            for old in [old for old, each in _BUCKETS.items() if not each._out and not each._waiting and each._window is None]:
                del _BUCKETS[old]
        return _BUCKETS.setdefault(key, Bucket())
