"""Reads a component's binary: which core modules it holds, how they are joined, and what it imports and exports.

The `wasmtime` package can run components by itself, but turns each byte of a `list<u8>` into a Python object (0.7 s for a page of
600 KB). So a component is taken apart here, its core modules run by the package, and values cross their memory as plain bytes (see
`_abi`). Knows the parts of the format that tools for WASI 0.2 write; refuses what it does not know. Touches nothing but the bytes
it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Tuple, Union

from .errors import UnsupportedComponent

HEADER = b"\0asm\x0d\0\x01\0"
# Sorts of items, as the format numbers them.
CORE, FUNC, VALUE, TYPE, COMPONENT, INSTANCE = range(6)
CORE_FUNC, CORE_MODULE, CORE_INSTANCE = 0x00, 0x11, 0x12


@dataclass(frozen=True)
class Imported:
    """A function of an imported interface."""

    interface: str
    name: str


@dataclass(frozen=True)
class Exported:
    """An export of a core instance."""

    instance: int
    name: str


@dataclass(frozen=True)
class Options:
    """What a function needs of the guest to pass values."""

    memory: Optional[Exported] = None
    realloc: Optional[Exported] = None
    post_return: Optional[CoreItem] = None


@dataclass(frozen=True)
class Lowered:
    """An imported function, as a core function."""

    function: Imported
    options: Options


@dataclass(frozen=True)
class Dropped:
    """The core function that drops a handle."""


@dataclass(frozen=True)
class Lifted:
    """A core function, as a function of the component."""

    core: CoreItem
    options: Options


CoreItem = Union[Exported, Lowered, Dropped]
Function = Union[Imported, Lifted]
# An instance: the name of an imported interface, or what it exports.
Instance = Union[str, Mapping[str, "Item"]]
Item = Tuple[int, object]


@dataclass(frozen=True)
class Instantiated:
    """A core module with the instances that give it its imports."""

    module: int
    arguments: Mapping[str, int]


CoreInstance = Union[Instantiated, Mapping[str, CoreItem]]


@dataclass
class Layout:
    """A component, taken apart."""

    modules: List[bytes] = field(default_factory=list)
    instances: List[CoreInstance] = field(default_factory=list)
    imports: List[str] = field(default_factory=list)
    exports: Dict[str, Mapping[str, Function]] = field(default_factory=dict)


class _Reader:
    def __init__(self, data: bytes, at: int = 0, end: Optional[int] = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def byte(self) -> int:
        if self.at >= self.end:
            raise UnsupportedComponent("the file is cut off, or no component")
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise UnsupportedComponent("the file holds a number that is too long")

    def take(self, length: int) -> bytes:
        if length > self.end - self.at:
            raise UnsupportedComponent("the file is cut off, or no component")
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self) -> str:
        return self.take(self.number()).decode("utf-8")

    def extern_name(self) -> str:
        if self.byte() > 1:
            raise UnsupportedComponent("the component names an import or export in a way that is not known here")
        return self.text()

    def sort(self) -> Tuple[int, int]:
        """A sort, and the core sort below it."""
        sort = self.byte()
        return sort, self.byte() if sort == CORE else 0


class _Component:
    """Index spaces of one component; one nested in it shares the layout."""

    def __init__(self, layout: Layout, arguments: Optional[Mapping[str, Item]] = None) -> None:
        self.layout = layout
        self.arguments = arguments
        self.core_functions: List[CoreItem] = []
        # Memories, tables and globals only pass through.
        self.core_others: Dict[int, List[Exported]] = {}
        self.modules: List[int] = []
        self.core_instances: List[int] = []
        self.functions: List[Function] = []
        self.instances: List[Instance] = []
        self.components: List[bytes] = []
        self.exports: Dict[str, Item] = {}

    def read(self, data: bytes) -> None:
        if data[: len(HEADER)] != HEADER:
            raise UnsupportedComponent("the file is no WebAssembly component")
        reader = _Reader(data, len(HEADER))
        sections = {2: self._core_instance, 5: self._instance, 6: self._alias, 8: self._canon, 10: self._import, 11: self._export}
        while reader.at < reader.end:
            section, size = reader.byte(), reader.number()
            body = reader.take(size)
            if section == 1:
                self.modules.append(len(self.layout.modules))
                self.layout.modules.append(body)
            elif section == 4:
                self.components.append(body)
            elif section in sections:
                inner = _Reader(body)
                for _ in range(inner.number()):
                    sections[section](inner)
            # Types are those of the world, which `_world` has; the core modules are checked against it when they are linked.
            elif section not in (0, 3, 7):
                raise UnsupportedComponent(f"the component has a section of kind {section}, which is not known here")

    def _core_item(self, sort: int, index: int) -> CoreItem:
        return self.core_functions[index] if sort == CORE_FUNC else self.core_others[sort][index]

    def _core_instance(self, reader: _Reader) -> None:
        made: CoreInstance
        if reader.byte() == 0:
            module, arguments = self.modules[reader.number()], {}
            for _ in range(reader.number()):
                name, _sort = reader.text(), reader.byte()
                arguments[name] = self.core_instances[reader.number()]
            made = Instantiated(module, arguments)
        else:
            inline: Dict[str, CoreItem] = {}
            for _ in range(reader.number()):
                name, sort = reader.text(), reader.byte()
                inline[name] = self._core_item(sort, reader.number())
            made = inline
        self.core_instances.append(len(self.layout.instances))
        self.layout.instances.append(made)

    def _item(self, sort: int, index: int) -> Item:
        if sort == FUNC:
            return sort, self.functions[index]
        if sort == INSTANCE:
            return sort, self.instances[index]
        if sort == COMPONENT:
            return sort, self.components[index]
        return sort, None

    def _define(self, item: Item) -> None:
        sort, value = item
        if sort == FUNC and isinstance(value, (Imported, Lifted)):
            self.functions.append(value)
        elif sort == INSTANCE and isinstance(value, (str, Mapping)):
            self.instances.append(value)
        elif sort == COMPONENT and isinstance(value, bytes):
            self.components.append(value)
        elif sort != TYPE:
            raise UnsupportedComponent("the component joins its parts in a way that is not known here")

    def _instance(self, reader: _Reader) -> None:
        if reader.byte() == 0:
            data, arguments = self.components[reader.number()], {}
            for _ in range(reader.number()):
                name, (sort, _core) = reader.text(), reader.sort()
                arguments[name] = self._item(sort, reader.number())
            nested = _Component(self.layout, arguments)
            nested.read(data)
            self.instances.append(nested.exports)
            return
        exports = {}
        for _ in range(reader.number()):
            name, (sort, _core) = reader.extern_name(), reader.sort()
            exports[name] = self._item(sort, reader.number())
        self.instances.append(exports)

    def _alias(self, reader: _Reader) -> None:
        sort, core = reader.sort()
        target = reader.byte()
        if target == 0:
            instance, name = self.instances[reader.number()], reader.text()
            if isinstance(instance, str):
                if sort == INSTANCE:
                    raise UnsupportedComponent(f"the component imports instances inside of {instance}")
                self._define((sort, Imported(instance, name)))
            else:
                self._define(instance[name])
        elif target == 1:
            exported = Exported(self.core_instances[reader.number()], reader.text())
            if core == CORE_FUNC:
                self.core_functions.append(exported)
            else:
                self.core_others.setdefault(core, []).append(exported)
        else:
            reader.number(), reader.number()
            if sort != TYPE:
                raise UnsupportedComponent("a component nested in this one uses more of it than types")

    def _options(self, reader: _Reader) -> Options:
        memory = realloc = post_return = None
        for _ in range(reader.number()):
            option = reader.byte()
            if option == 3:
                memory = self.core_others[2][reader.number()]
            elif option == 4:
                realloc = self.core_functions[reader.number()]
            elif option == 5:
                post_return = self.core_functions[reader.number()]
            elif option != 0:
                raise UnsupportedComponent("the component passes texts in another form than UTF-8, or is asynchronous")
        if realloc is not None and not isinstance(realloc, Exported):
            raise UnsupportedComponent("the component allocates memory by a function of the host")
        return Options(memory, realloc, post_return)

    def _canon(self, reader: _Reader) -> None:
        kind = reader.byte()
        if kind == 0:
            reader.byte()
            core = self.core_functions[reader.number()]
            self.functions.append(Lifted(core, self._options(reader)))
            reader.number()
        elif kind == 1:
            reader.byte()
            function = self.functions[reader.number()]
            if not isinstance(function, Imported):
                raise UnsupportedComponent("the component calls functions of its own from outside")
            self.core_functions.append(Lowered(function, self._options(reader)))
        elif kind == 3:
            reader.number()
            self.core_functions.append(Dropped())
        else:
            raise UnsupportedComponent("the component uses what WASI 0.2 does not have (it may be asynchronous)")

    def _import(self, reader: _Reader) -> None:
        name, sort = reader.extern_name(), self._description(reader)
        if self.arguments is not None:
            self._define(self.arguments[name])
        elif sort == INSTANCE:
            self.instances.append(name)
            self.layout.imports.append(name)
        elif sort != TYPE:
            raise UnsupportedComponent(f"the component imports `{name}`, which is no interface")

    def _description(self, reader: _Reader) -> int:
        sort, _core = reader.sort()
        # A type is described by its bound, which may be that it is a new one.
        if sort != TYPE or reader.byte() == 0:
            reader.number()
        return sort

    def _export(self, reader: _Reader) -> None:
        name, (sort, _core) = reader.extern_name(), reader.sort()
        item = self._item(sort, reader.number())
        if reader.byte() == 1:
            self._description(reader)
        self.exports[name] = item
        self._define(item)


def read(data: bytes) -> Layout:
    """Takes a component apart. Raises `UnsupportedComponent`."""
    component = _Component(Layout())
    try:
        component.read(data)
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise UnsupportedComponent(f"the component's parts do not fit together ({error!r})") from error
    for name, (_sort, value) in component.exports.items():
        if isinstance(value, Mapping):
            functions = {key: item[1] for key, item in value.items()}
            component.layout.exports[name] = {k: f for k, f in functions.items() if isinstance(f, (Imported, Lifted))}
    return component.layout
