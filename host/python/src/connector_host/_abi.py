"""Values between Python and a guest's memory, by the component model's canonical ABI.

In Python a record is a dict with the WIT's names, an enum a str, flags a list of str, a variant's case its name or `(name, payload)`,
an option None or the value, a result `("ok", value)` or `("err", value)`, and a resource the host's own object. Bytes are copied
once. Every address that a guest names is checked against its memory; one that is wrong ends the call.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, List, Protocol, Sequence, Tuple

# Parameters that travel as values; more of them travel in memory.
MAX_FLAT_PARAMETERS = 16
MAX_FLAT_RESULTS = 1
I32, I64 = "i32", "i64"
_MASKS = {I32: 0xFFFF_FFFF, I64: 0xFFFF_FFFF_FFFF_FFFF}


class BadGuest(Exception):
    """The guest does not keep to the canonical ABI."""


class Guest(Protocol):
    """What passing values needs of an instance."""

    def memory(self, at: int, length: int) -> memoryview:
        """This part of the memory, if it is one."""

    def allocate(self, size: int, align: int) -> int:
        """Room in the memory, from the guest."""

    def lend(self, kind: str, handle: int) -> Any:
        """The object behind a handle that the guest keeps."""

    def take(self, kind: str, handle: int) -> Any:
        """The object behind a handle that the guest gives away."""

    def give(self, kind: str, value: Any) -> int:
        """A handle for an object that the guest gets."""


class Type:
    """A type of the component model."""

    size: int
    align: int
    flat: Tuple[str, ...]

    def load(self, guest: Guest, at: int) -> Any:
        """Reads a value from the memory."""
        raise NotImplementedError

    def store(self, guest: Guest, at: int, value: Any) -> None:
        """Writes a value to the memory."""
        raise NotImplementedError

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        """Makes a value of the core values that stand for it."""
        raise NotImplementedError

    def lower(self, guest: Guest, value: Any) -> List[int]:
        """Core values that stand for a value."""
        raise NotImplementedError


class Unsigned(Type):
    def __init__(self, size: int) -> None:
        self.size = self.align = size
        self.flat = (I64,) if size == 8 else (I32,)
        self._mask = (1 << 8 * size) - 1

    def load(self, guest: Guest, at: int) -> Any:
        return int.from_bytes(guest.memory(at, self.size), "little")

    def store(self, guest: Guest, at: int, value: Any) -> None:
        guest.memory(at, self.size)[:] = int(value).to_bytes(self.size, "little")

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        return next(flat) & self._mask

    def lower(self, guest: Guest, value: Any) -> List[int]:
        return [int(value)]


class Bool(Unsigned):
    def __init__(self) -> None:
        super().__init__(1)

    def load(self, guest: Guest, at: int) -> Any:
        return super().load(guest, at) != 0

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        return next(flat) != 0


class _Pointed(Type):
    """A value that lies elsewhere in the memory: its address and its length."""

    size, align, flat = 8, 4, (I32, I32)

    def _read(self, guest: Guest, at: int, length: int) -> Any:
        raise NotImplementedError

    def _write(self, guest: Guest, value: Any) -> Tuple[int, int]:
        raise NotImplementedError

    def load(self, guest: Guest, at: int) -> Any:
        pair = guest.memory(at, 8)
        return self._read(guest, int.from_bytes(pair[:4], "little"), int.from_bytes(pair[4:], "little"))

    def store(self, guest: Guest, at: int, value: Any) -> None:
        address, length = self._write(guest, value)
        guest.memory(at, 8)[:] = address.to_bytes(4, "little") + length.to_bytes(4, "little")

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        at = next(flat) & 0xFFFF_FFFF
        return self._read(guest, at, next(flat) & 0xFFFF_FFFF)

    def lower(self, guest: Guest, value: Any) -> List[int]:
        return list(self._write(guest, value))


class Bytes(_Pointed):
    """`list<u8>`."""

    def _read(self, guest: Guest, at: int, length: int) -> Any:
        return bytes(guest.memory(at, length))

    def _write(self, guest: Guest, value: Any) -> Tuple[int, int]:
        length = len(value)
        at = guest.allocate(length, 1) if length else 1
        if length:
            guest.memory(at, length)[:] = value
        return at, length


class Text(Bytes):
    """`string`."""

    def _read(self, guest: Guest, at: int, length: int) -> Any:
        try:
            return str(guest.memory(at, length), "utf-8")
        except UnicodeDecodeError as error:
            raise BadGuest("a text of the connector is not UTF-8") from error

    def _write(self, guest: Guest, value: Any) -> Tuple[int, int]:
        # A lone surrogate is no character, and no UTF-8 can hold it.
        return super()._write(guest, str(value).encode("utf-8", "replace"))


class ListOf(_Pointed):
    def __init__(self, element: Type) -> None:
        self.element = element

    def _read(self, guest: Guest, at: int, length: int) -> Any:
        size = self.element.size
        guest.memory(at, length * size)
        return [self.element.load(guest, at + index * size) for index in range(length)]

    def _write(self, guest: Guest, value: Any) -> Tuple[int, int]:
        size = self.element.size
        at = guest.allocate(len(value) * size, self.element.align) if value else self.element.align
        for index, item in enumerate(value):
            self.element.store(guest, at + index * size, item)
        return at, len(value)


def _aligned(at: int, align: int) -> int:
    return (at + align - 1) // align * align


class Record(Type):
    def __init__(self, fields: Sequence[Tuple[str, Type]]) -> None:
        self.fields = []
        at, self.align = 0, 1
        for name, kind in fields:
            at = _aligned(at, kind.align)
            self.fields.append((name, at, kind))
            at += kind.size
            self.align = max(self.align, kind.align)
        self.size = _aligned(at, self.align)
        self.flat = tuple(flat for _, kind in fields for flat in kind.flat)

    def load(self, guest: Guest, at: int) -> Any:
        return {name: kind.load(guest, at + offset) for name, offset, kind in self.fields}

    def store(self, guest: Guest, at: int, value: Any) -> None:
        for name, offset, kind in self.fields:
            kind.store(guest, at + offset, value[name])

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        return {name: kind.lift(guest, flat) for name, _, kind in self.fields}

    def lower(self, guest: Guest, value: Any) -> List[int]:
        return [each for name, _, kind in self.fields for each in kind.lower(guest, value[name])]


class TupleOf(Record):
    def __init__(self, *elements: Type) -> None:
        super().__init__([(str(index), kind) for index, kind in enumerate(elements)])

    def load(self, guest: Guest, at: int) -> Any:
        return tuple(super().load(guest, at).values())

    def store(self, guest: Guest, at: int, value: Any) -> None:
        super().store(guest, at, {str(index): each for index, each in enumerate(value)})

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        return tuple(super().lift(guest, flat).values())


class Flags(Type):
    def __init__(self, *names: str) -> None:
        self.names = names
        self.size = self.align = 1 if len(names) <= 8 else 2
        self.flat = (I32,)

    def _names(self, bits: int) -> List[str]:
        return [name for index, name in enumerate(self.names) if bits >> index & 1]

    def load(self, guest: Guest, at: int) -> Any:
        return self._names(int.from_bytes(guest.memory(at, self.size), "little"))

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        return self._names(next(flat))


class Variant(Type):
    def __init__(self, *cases: Tuple[str, "Type | None"]) -> None:
        self.cases = cases
        self._index = {name: index for index, (name, _) in enumerate(cases)}
        self._disc = 1 if len(cases) <= 256 else 2
        kinds = [kind for _, kind in cases if kind]
        self.align = max([self._disc, *(kind.align for kind in kinds)])
        self._at = _aligned(self._disc, max([1, *(kind.align for kind in kinds)]))
        self.size = _aligned(self._at + max([0, *(kind.size for kind in kinds)]), self.align)
        joined: List[str] = []
        for kind in kinds:
            for index, flat in enumerate(kind.flat):
                if index == len(joined):
                    joined.append(flat)
                elif joined[index] != flat:
                    joined[index] = I64
        self.flat = (I32, *joined)

    def case(self, name: str, payload: Any) -> Any:
        """How a case is written in Python."""
        return name if self.cases[self._index[name]][1] is None else (name, payload)

    def parts(self, value: Any) -> Tuple[int, Any]:
        """The index of a value's case, and its payload."""
        name, payload = value if isinstance(value, tuple) else (value, None)
        return self._index[name], payload

    def _named(self, index: int) -> Tuple[str, "Type | None"]:
        if index >= len(self.cases):
            raise BadGuest("the connector names a case that its type does not have")
        return self.cases[index]

    def load(self, guest: Guest, at: int) -> Any:
        name, kind = self._named(int.from_bytes(guest.memory(at, self._disc), "little"))
        return self.case(name, kind.load(guest, at + self._at) if kind else None)

    def store(self, guest: Guest, at: int, value: Any) -> None:
        index, payload = self.parts(value)
        guest.memory(at, self._disc)[:] = index.to_bytes(self._disc, "little")
        kind = self.cases[index][1]
        if kind:
            kind.store(guest, at + self._at, payload)

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        name, kind = self._named(next(flat) & 0xFFFF_FFFF)
        # All cases have as many core values; those that this one does not use are left over.
        payload = [next(flat) for _ in self.flat[1:]]
        values = iter([each & _MASKS[want] for each, want in zip(payload, kind.flat)] if kind else ())
        return self.case(name, kind.lift(guest, values) if kind else None)

    def lower(self, guest: Guest, value: Any) -> List[int]:
        index, payload = self.parts(value)
        kind = self.cases[index][1]
        flat = [index, *(kind.lower(guest, payload) if kind else ())]
        return flat + [0] * (len(self.flat) - len(flat))


class Enum(Variant):
    def __init__(self, *names: str) -> None:
        super().__init__(*((name, None) for name in names))


class Option(Variant):
    def __init__(self, some: Type) -> None:
        super().__init__(("none", None), ("some", some))

    def case(self, name: str, payload: Any) -> Any:
        return payload

    def parts(self, value: Any) -> Tuple[int, Any]:
        return (0, None) if value is None else (1, value)


class Result(Variant):
    def __init__(self, ok: "Type | None" = None, err: "Type | None" = None) -> None:
        super().__init__(("ok", ok), ("err", err))

    def case(self, name: str, payload: Any) -> Any:
        return name, payload


class _Handle(Type):
    size, align, flat = 4, 4, (I32,)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def _object(self, guest: Guest, handle: int) -> Any:
        raise NotImplementedError

    def load(self, guest: Guest, at: int) -> Any:
        return self._object(guest, int.from_bytes(guest.memory(at, 4), "little"))

    def store(self, guest: Guest, at: int, value: Any) -> None:
        guest.memory(at, 4)[:] = guest.give(self.kind, value).to_bytes(4, "little")

    def lift(self, guest: Guest, flat: Iterator[int]) -> Any:
        return self._object(guest, next(flat) & 0xFFFF_FFFF)

    def lower(self, guest: Guest, value: Any) -> List[int]:
        return [guest.give(self.kind, value)]


class Own(_Handle):
    def _object(self, guest: Guest, handle: int) -> Any:
        return guest.take(self.kind, handle)


class Borrow(_Handle):
    def _object(self, guest: Guest, handle: int) -> Any:
        return guest.lend(self.kind, handle)


class Signature:
    """A function's parameters and result, and the core function that stands for it."""

    def __init__(self, *parameters: Type, result: "Type | None" = None) -> None:
        self.parameters = TupleOf(*parameters)
        self.result = result
        self.in_memory = len(self.parameters.flat) > MAX_FLAT_PARAMETERS
        self.returns_in_memory = result is not None and len(result.flat) > MAX_FLAT_RESULTS

    def imported(self) -> Tuple[List[str], List[str]]:
        """Core parameters and results when a guest calls it; where the result goes is the last parameter."""
        parameters = [I32] if self.in_memory else list(self.parameters.flat)
        if self.returns_in_memory:
            return [*parameters, I32], []
        return parameters, list(self.result.flat) if self.result else []

    def serve(self, guest: Guest, function: Callable[..., Any], core: Sequence[int]) -> Any:
        """Answers a guest's call."""
        flat = iter(core)
        if self.in_memory:
            values = self.parameters.load(guest, next(flat) & 0xFFFF_FFFF)
        else:
            values = self.parameters.lift(guest, flat)
        result = function(*values)
        if self.result is None:
            return None
        if self.returns_in_memory:
            self.result.store(guest, next(flat) & 0xFFFF_FFFF, result)
            return None
        return self.result.lower(guest, result)[0]

    def call(self, guest: Guest, core: Callable[..., Any], values: Sequence[Any], done: Callable[[Any], None]) -> Any:
        """Calls a guest. `done` gets the core result once it has been read."""
        if self.in_memory:
            at = guest.allocate(self.parameters.size, self.parameters.align)
            self.parameters.store(guest, at, values)
            flat = [at]
        else:
            flat = [each for kind, value in zip(self._kinds(), values) for each in kind.lower(guest, value)]
        answer = core(*flat)
        if self.result is None:
            result = None
        elif self.returns_in_memory:
            result = self.result.load(guest, answer & 0xFFFF_FFFF)
        else:
            result = self.result.lift(guest, iter([answer]))
        done(answer)
        return result

    def _kinds(self) -> List[Type]:
        return [kind for _, _, kind in self.parameters.fields]
