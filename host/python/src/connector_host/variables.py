"""Variables of the caller: read right before each use, and only those that the settings mention."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple, Union

from ._redactor import Redactor

__all__ = ["Public", "Secret", "Variables"]

#: By name, or a function that looks a name up (None if there is none of it; what it raises is told without its text).
#: Values are hidden: logs and messages hold `****` in their place. What is a `Public` is not.
Variables = Union[Mapping[str, str], Callable[[str], Optional[str]]]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# `[[`, or `[name]`, or `[name{default}]`.
_MENTION = re.compile(r"\[(?:\[|([A-Za-z_][A-Za-z0-9_.-]*)(?:\]|\{(.*?)\}\]))", re.DOTALL)
# Hidden values that are remembered, besides one for each name.
_REMEMBERED = 64


class Secret(str):
    """A value that does not show itself when it is printed with `repr`, as part of a list or a traceback."""

    def __repr__(self) -> str:
        return "Secret('****')"


class Public(str):
    """A value that logs and messages may show (a store's name, an address)."""


def _texts(value: Any, path: Tuple[str, ...] = ()) -> Iterator[Tuple[Tuple[str, ...], str]]:
    """Every text in settings, with the names on the way to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (Mapping, list, tuple)):
        for name, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _texts(each, (*path, str(name)))


def secret_settings(schema: str) -> FrozenSet[str]:
    """The settings that a JSON Schema calls secret (`writeOnly`), wherever in it. Raises `ValueError` for what is no JSON object."""
    found: Set[str] = set()

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            properties = part.get("properties")
            for name, each in properties.items() if isinstance(properties, dict) else ():
                if isinstance(each, dict) and each.get("writeOnly") is True:
                    found.add(name)
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            collect(each)

    whole = json.loads(schema)
    if not isinstance(whole, dict):
        raise ValueError("not a JSON object")
    collect(whole)
    return frozenset(found)


class Granted:
    """The variables of one connection: those that its settings mention."""

    def __init__(self, variables: Variables, settings: Mapping[str, Any], secrets: FrozenSet[str]) -> None:
        self._variables = variables
        self._names: Set[str] = set()
        # Hidden, whatever type they have: a secret setting mentions them.
        self._secret: Set[str] = set()
        literals: List[str] = []
        for path, text in _texts(settings):
            mentions = [each for each in _MENTION.finditer(text) if each[1] is not None]
            self._names.update(each[1] for each in mentions)
            if secrets.intersection(path):
                self._secret.update(each[1] for each in mentions)
                literals += [each[2] for each in mentions if each[2] is not None] if mentions else [text.replace("[[", "[")]
        #: Knows what is hidden.
        self.redactor = Redactor(literals, _REMEMBERED + len(self._names))

    def get(self, name: str) -> Any:
        """As `variables.get` of the contract answers."""
        if not _NAME.fullmatch(name):
            return ("err", ("invalid-name", name))
        if name not in self._names:
            return ("err", ("undefined", name))
        try:
            value = self._variables(name) if callable(self._variables) else self._variables.get(name)
        except Exception as error:
            return ("err", ("provider", f"the program's own look-up failed ({type(error).__name__})"))
        if value is None:
            return ("err", ("undefined", name))
        if not isinstance(value, str):
            # Not every caller's types are checked.
            return ("err", ("provider", "its value is no text"))
        plain = str.__str__(value)
        if name in self._secret or not isinstance(value, Public):
            self.redactor.hide(plain)
        return ("ok", plain)

    def resolved(self, text: str) -> Optional[str]:
        """The text with its variables' values; None if one has none, which is the connector's to tell."""
        missing = []

        def value(mention: "re.Match[str]") -> str:
            if mention[1] is None:
                return "["
            side, found = self.get(mention[1])
            if side == "ok":
                return str(found)
            if mention[2] is None:
                missing.append(mention[1])
            return mention[2] or ""

        text = _MENTION.sub(value, text)
        return None if missing else text
