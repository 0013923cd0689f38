"""Variables of the caller: read right before each use, and only those that the settings mention."""

from __future__ import annotations

import re
from typing import Any, Callable, FrozenSet, Mapping, Optional, Set, Union

__all__ = ["Secret", "Variables"]

#: By name, or a function that looks a name up (None if there is none of it; what it raises is told without its text).
Variables = Union[Mapping[str, str], Callable[[str], Optional[str]]]

_MENTION = re.compile(r"\[([^\[\]{}]+)(?:\{([^}]*)\})?\]")
_HIDDEN = "****"


class Secret(str):
    """A value that is shown nowhere: logs and messages hold `****` in its place."""

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN!r})"


def mentioned(settings: Any) -> FrozenSet[str]:
    """The names of all variables in these settings."""
    if isinstance(settings, str):
        return frozenset(name for name, _default in _MENTION.findall(settings))
    inner = settings.values() if isinstance(settings, Mapping) else settings if isinstance(settings, (list, tuple)) else ()
    return frozenset().union(*(mentioned(each) for each in inner))


class Granted:
    """The variables of one connection."""

    def __init__(self, variables: Variables, names: FrozenSet[str]) -> None:
        self._variables, self._names = variables, names
        self._secrets: Set[str] = set()

    def get(self, name: str) -> Any:
        """As `variables.get` of the contract answers."""
        if not name or any(each in "[]{}" or ord(each) < 32 for each in name):
            return ("err", ("invalid-name", name))
        if name not in self._names:
            return ("err", ("undefined", name))
        try:
            value = self._variables(name) if callable(self._variables) else self._variables.get(name)
        except Exception as error:
            return ("err", ("provider", f"the program's own look-up failed ({type(error).__name__})"))
        if value is None:
            return ("err", ("undefined", name))
        if isinstance(value, Secret) and value:
            self._secrets.add(str.__str__(value))
        return ("ok", str.__str__(value))

    def resolved(self, text: str) -> Optional[str]:
        """The text with its variables' values; None if one has none, which is the connector's to tell."""
        missing = []

        def value(mention: "re.Match[str]") -> str:
            side, found = self.get(mention[1])
            if side == "ok":
                return str(found)
            if mention[2] is None:
                missing.append(mention[1])
            return mention[2] or ""

        text = _MENTION.sub(value, text)
        return None if missing else text

    def masked(self, text: str) -> str:
        """The text without hidden values."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text
