"""Hidden values, and the one place where they are taken out of what a connector says to people: errors, warnings, plans, titles, log
lines. Names, records and schemas are data and stay as they are."""

from __future__ import annotations

import json
import re
import threading
from typing import Any, Dict, Iterable, Tuple

_STARS = "****"
# Hidden values with fewer bytes are not looked for: they would match by accident.
_SHORTEST = 4
# Bytes of one text for people; the rest is cut.
_LONGEST = 8192
# They could rewrite an operator's terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class Redactor:
    """What one connection hides. `fixed` for ever; of what is hidden later the last `most` values: older ones have been rotated away."""

    def __init__(self, fixed: Iterable[str], most: int) -> None:
        self._fixed, self._most = tuple(fixed), most
        self._lock = threading.Lock()
        # In the order in which they were last read.
        self._read: Dict[str, None] = {}
        self._forms: Tuple[str, ...] = ()
        self._collect()

    def hide(self, value: str) -> None:
        """From now on, this value is taken out."""
        with self._lock:
            known = value in self._read
            self._read.pop(value, None)
            self._read[value] = None
            if known:
                return
            if len(self._read) > self._most:
                del self._read[next(iter(self._read))]
            self._collect()

    def _collect(self) -> None:
        values = [each for each in (*self._fixed, *self._read) if len(each.encode("utf-8", "surrogatepass")) >= _SHORTEST]
        # As they may stand in a text: plain, or within JSON.
        forms = {form for each in values for form in (each, json.dumps(each, ensure_ascii=False)[1:-1])}
        # Longest first: of two that overlap, none leaves its rest behind.
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def masked(self, text: str) -> str:
        """The text without hidden values and control characters, and not endless."""
        for form in self._forms:
            text = text.replace(form, _STARS)
        encoded = text.encode("utf-8", "surrogatepass")
        if len(encoded) > _LONGEST:
            # Hidden values are out before: none can be cut in two and leave a part behind.
            text = encoded[:_LONGEST].decode("utf-8", "ignore") + "…"
        return _CONTROL.sub(" ", text)

    def error(self, error: Dict[str, Any]) -> Dict[str, Any]:
        """A record `error` of the contract without hidden values."""
        texts = {name: error[name] for name in ("message", "code", "pointer") if error[name] is not None}
        return {**error, **{name: self.masked(text) for name, text in texts.items()}}

    def answer(self, name: str, value: Any) -> Any:
        """What the function `name` of the contract answered, without hidden values."""
        if name == "test":
            return {"account": self.masked(value["account"]), "warnings": [self.masked(each) for each in value["warnings"]]}
        if name == "explain":
            return {**value, "steps": [self.masked(each) for each in value["steps"]]}
        if name == "list-objects":
            return [{**each, "title": self.masked(each["title"])} for each in value]
        if name in ("create", "update", "delete", "resolve"):
            return [self._outcome(each) for each in value]
        return value

    def _outcome(self, outcome: Any) -> Any:
        if isinstance(outcome, tuple) and outcome[0] != "applied":
            return (outcome[0], self.error(outcome[1]))
        return outcome
