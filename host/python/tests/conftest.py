"""The emulated store, the compiled connectors, and the folder of the project that holds both."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from connector_host import Connection, Connector, Secret

ROOT = Path(os.environ.get("CONNECTOR_ROOT", Path(__file__).parents[3]))


class Emulator:
    """One running store."""

    def __init__(self, *options: str) -> None:
        program = ROOT / "target/debug/bigcommerce-emulator"
        self.process = subprocess.Popen([program, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.hello: Dict[str, Any] = json.loads(self.process.stdout.readline())
        self.url: str = self.hello["url"]

    def seen(self, what: str) -> Any:
        """`state`, `journal` or `violations`."""
        with urllib.request.urlopen(f"{self.url}/_emulator/{what}", timeout=30) as answer:
            return json.load(answer)

    def connect(self, connector: Connector, settings: Dict[str, Any] = {}, **options: Any) -> Connection:
        """A connection to this store."""
        given = {"store_hash": "emu1ated", "access_token": "[token]", "base_url": self.url, **settings}
        options.setdefault("variables", {"token": Secret("emulated-token")})
        options.setdefault("grant", [self.url])
        return connector.connect(given, **options)

    def stop(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def emulator() -> Iterator[Callable[..., Emulator]]:
    """Starts emulators with the options given."""
    started: List[Emulator] = []

    def start(*options: str) -> Emulator:
        started.append(Emulator(*options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def bigcommerce() -> Connector:
    """The connector for the emulated store."""
    return Connector.load(ROOT / "target/components/bigcommerce.wasm")


@pytest.fixture(scope="session")
def fixed() -> Connector:
    """The connector with fixed data and no network."""
    return Connector.load(ROOT / "target/components/fixed.wasm")
