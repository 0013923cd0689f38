"""Runs a component: compiles its core modules once, and joins them anew for each instance. Bounds what an instance takes: memory,
handles, and the time that it computes without a pause.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from wasmtime import Config, Engine, Func, FuncType, Instance as CoreInstance, Memory, Module, Store, Trap, ValType, WasmtimeError

from . import _binary
from ._abi import BadGuest, Signature
from ._world import EXPORTS, IMPORTS
from .errors import CallFailed, HostError, UnsupportedComponent

#: Functions of the host, by interface and name.
Host = Mapping[str, Mapping[str, Callable[..., Any]]]

#: Seconds between two steps of the engine's epoch.
_TICK = 0.05
# The package's table of the functions that guests call is made for one thread.
_TABLE = threading.Lock()
_CORE_TYPES = {"i32": ValType.i32, "i64": ValType.i64}


class _Clock:
    """Moves the engine's epoch on while calls are under way, so that none computes without an end."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._running, self._changed = engine, 0, threading.Condition()
        threading.Thread(target=self._tick, name="connector-epochs", daemon=True).start()

    def _tick(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running > 0)
            time.sleep(_TICK)
            self._engine.increment_epoch()

    def __enter__(self) -> None:
        with self._changed:
            self._running += 1
            self._changed.notify()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._running -= 1


@functools.lru_cache(maxsize=None)
def _engine() -> Tuple[Engine, _Clock]:
    config = Config()
    config.epoch_interruption = True
    # Views of a memory stay valid while it grows.
    config.memory_may_move = False
    try:
        # Compiled code is kept in the user's cache folder, by the module's digest and the runtime's version.
        config.cache = True
    except WasmtimeError:
        # No home folder: every process compiles.
        pass
    engine = Engine(config)
    return engine, _Clock(engine)


def _without_patch(name: str) -> str:
    """`wasi:io/poll@0.2.0` as `wasi:io/poll@0.2`."""
    interface, _, version = name.partition("@")
    return f"{interface}@{'.'.join(version.split('.')[:2])}"


class Program:
    """A compiled connector."""

    def __init__(self, component: bytes) -> None:
        self.layout = _binary.read(component)
        self.engine, self.clock = _engine()
        for name in self.layout.imports:
            if _without_patch(name) not in IMPORTS:
                raise UnsupportedComponent(f"the component needs `{name}`, which this host does not have")
        for instance in self.layout.instances:
            for item in () if isinstance(instance, _binary.Instantiated) else instance.values():
                if isinstance(item, _binary.Lowered):
                    self.signature(item.function)
        offered = {_without_patch(name): functions for name, functions in self.layout.exports.items()}
        self.exports: Dict[str, _binary.Lifted] = {}
        for interface, signatures in EXPORTS.items():
            for name in signatures:
                function = offered.get(interface, {}).get(name)
                if not isinstance(function, _binary.Lifted):
                    found = ", ".join(sorted(self.layout.exports)) or "nothing"
                    raise UnsupportedComponent(f"the component is no connector: it has no `{name}` of {interface} (it exports {found})")
                self.exports[name] = function
        try:
            self.modules = [Module(self.engine, code) for code in self.layout.modules]
        except WasmtimeError as error:
            raise UnsupportedComponent(f"the component cannot be compiled: {error}") from error

    @staticmethod
    def signature(function: _binary.Imported) -> Signature:
        """Of an imported function."""
        signature = IMPORTS.get(_without_patch(function.interface), {}).get(function.name)
        if signature is None:
            raise UnsupportedComponent(
                f"the component needs `{function.name}` of `{function.interface}`, which this host does not have"
            )
        return signature


class _Handles:
    """The objects of the host that a guest holds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._objects: Dict[int, Tuple[str, Any]] = {}
        self._next = 1
        self._free: List[int] = []

    def give(self, kind: str, value: Any) -> int:
        if len(self._objects) >= self._most:
            raise BadGuest(f"the connector holds {self._most} resources at once, which is the limit `resources`")
        if self._free:
            handle = self._free.pop()
        else:
            handle, self._next = self._next, self._next + 1
        self._objects[handle] = (kind, value)
        return handle

    def lend(self, kind: str, handle: int) -> Any:
        found, value = self._objects.get(handle, (None, None))
        if found != kind:
            raise BadGuest(f"the connector names a {kind} that it does not have")
        return value

    def take(self, kind: str, handle: int) -> Any:
        value = self.lend(kind, handle)
        del self._objects[handle]
        self._free.append(handle)
        return value

    def drop(self, handle: int) -> None:
        kind, _ = self._objects.get(handle, ("resource", None))
        _dropped(self.take(kind, handle))

    def of_kind(self, kind: str) -> List[Any]:
        return [value for found, value in self._objects.values() if found == kind]

    def clear(self) -> None:
        objects, self._objects = self._objects, {}
        for _, value in objects.values():
            _dropped(value)


def _dropped(value: Any) -> None:
    drop = getattr(value, "drop", None)
    if drop is not None:
        drop()


class _Guest:
    """A memory of an instance, with the function that makes room in it. See `_abi.Guest`."""

    def __init__(self, instance: Instance, options: _binary.Options) -> None:
        self._instance, self._options = instance, options
        self._view = memoryview(b"")
        self._realloc: Optional[Func] = None
        self.give, self.take, self.lend = instance.handles.give, instance.handles.take, instance.handles.lend

    def memory(self, at: int, length: int) -> memoryview:
        end = at + length
        if end > len(self._view):
            self._look(end)
        return self._view[at:end]

    def _look(self, end: int) -> None:
        memory = self._options.memory and self._instance.core(self._options.memory)
        if not isinstance(memory, Memory):
            raise BadGuest("the connector passes addresses and has no memory")
        store = self._instance.store
        length, base = memory.data_len(store), ctypes.addressof(memory.data_ptr(store).contents)
        if end > length:
            raise BadGuest("the connector names an address outside of its memory")
        self._view = memoryview((ctypes.c_ubyte * length).from_address(base)).cast("B")

    def allocate(self, size: int, align: int) -> int:
        if self._realloc is None:
            realloc = self._options.realloc and self._instance.core(self._options.realloc)
            if not isinstance(realloc, Func):
                raise BadGuest("the connector takes values and gives no room for them")
            self._realloc = realloc
        at: int = self._realloc(self._instance.store, 0, 0, align, size) & 0xFFFF_FFFF
        if at % align:
            raise BadGuest("the connector gives room at an address that is not aligned")
        return at


class Instance:
    """One instance. One thread uses it at a time."""

    def __init__(self, program: Program, host: Host, *, memory: int, resources: int, compute: float) -> None:
        self._program, self._host = program, host
        self._ticks = max(1, int(compute / _TICK))
        self._compute = compute
        self.handles = _Handles(resources)
        self.store = Store(program.engine)
        self.store.set_limits(memory_size=memory, table_elements=100_000)
        self._guests: Dict[_binary.Options, _Guest] = {}
        self._cores: List[Any] = []
        self._failure: Optional[BaseException] = None
        self._calls: Dict[str, Tuple[Signature, _Guest, Callable[..., Any], Callable[[Any], None]]] = {}
        with program.clock:
            self.rest()
            self._guarded("started", self._join)

    def rest(self) -> None:
        """The guest has waited: it may compute for the whole time again."""
        self.store.set_epoch_deadline(self._ticks)

    def core(self, item: _binary.Exported) -> Any:
        """An export of a core instance."""
        instance = self._cores[item.instance]
        if isinstance(instance, CoreInstance):
            return instance.exports(self.store)[item.name]
        return self._core_item(instance[item.name])

    def _join(self) -> None:
        for plan in self._program.layout.instances:
            if not isinstance(plan, _binary.Instantiated):
                self._cores.append({name: self._core_item(item) for name, item in plan.items()})
                continue
            module = self._program.modules[plan.module]
            imports = []
            for wanted in module.imports:
                source = plan.arguments.get(wanted.module)
                if source is None or wanted.name is None:
                    raise UnsupportedComponent(f"nothing gives the component's module its import `{wanted.module}`")
                imports.append(self.core(_binary.Exported(source, wanted.name)))
            self._cores.append(CoreInstance(self.store, module, imports))

    def _core_item(self, item: Any) -> Any:
        if isinstance(item, _binary.Exported):
            return self.core(item)
        if isinstance(item, _binary.Dropped):
            return self._function(["i32"], [], lambda handle: self.handles.drop(handle & 0xFFFF_FFFF))
        if not isinstance(item, _binary.Lowered):
            return item
        signature = self._program.signature(item.function)
        served = self._host[_without_patch(item.function.interface)][item.function.name]
        guest = self._guest(item.options)
        return self._function(*signature.imported(), lambda *core: signature.serve(guest, served, core))

    def _function(self, parameters: Sequence[str], results: Sequence[str], body: Callable[..., Any]) -> Func:
        def guarded(*core: int) -> Any:
            try:
                return body(*core)
            except BaseException as error:
                # The package keeps the last exception for the whole process; this one is told to the thread that made the call.
                self._failure = error
                raise

        kind = FuncType([_CORE_TYPES[each]() for each in parameters], [_CORE_TYPES[each]() for each in results])
        with _TABLE:
            return Func(self.store, kind, guarded)

    def _guest(self, options: _binary.Options) -> _Guest:
        key = _binary.Options(options.memory, options.realloc)
        if key not in self._guests:
            self._guests[key] = _Guest(self, key)
        return self._guests[key]

    def _guarded(self, what: str, action: Callable[[], Any]) -> Any:
        self._failure = None
        try:
            return action()
        except HostError:
            raise
        except BaseException as error:
            cause = self._failure or error
        if isinstance(cause, (BadGuest, WasmtimeError, Trap)):
            # The runtime's text names the guest's functions, line by line.
            lines = str(cause).strip().splitlines() or ["no reason given"]
            reason = f"it computed for {self._compute:.0f} s without a pause" if "interrupt" in str(cause) else lines[-1].strip()
            raise CallFailed(f"the connector could not be {what}: {reason}") from cause
        raise cause

    def call(self, name: str, *values: Any) -> Any:
        """Calls an exported function. Raises `CallFailed`; the instance must then be closed."""
        if name not in self._calls:
            self._calls[name] = self._resolve(name)
        signature, guest, core, done = self._calls[name]
        with self._program.clock:
            self.rest()
            return self._guarded(f"asked (`{name}`)", lambda: signature.call(guest, core, values, done))

    def _resolve(self, name: str) -> Tuple[Signature, _Guest, Callable[..., Any], Callable[[Any], None]]:
        lifted = self._program.exports[name]
        signature = next(signatures[name] for signatures in EXPORTS.values() if name in signatures)
        function = self._core_item(lifted.core)
        after = lifted.options.post_return
        post = self._core_item(after) if after else None

        def done(answer: Any) -> None:
            if post is not None:
                post(self.store, *([] if answer is None else [answer]))

        return signature, self._guest(lifted.options), lambda *core: function(self.store, *core), done

    def close(self) -> None:
        """Drops everything that the guest holds."""
        self.handles.clear()
        self._guests.clear()
        self._calls.clear()
        self._cores.clear()
        with _TABLE:
            self.store.close()
