"""What requests tell of their failure: above all, whether a byte of them may have left."""

from __future__ import annotations

import socket
import threading
from typing import Callable, List, Optional

import pytest

from connector_host._http import Code, Exchange, Transport
from connector_host.egress import Egress, Grant, Origin, is_public

Answer = Callable[[socket.socket], object]


class Server:
    """Reads one request per connection and answers it with one function."""

    def __init__(self, answer: Answer) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = Origin("http", "127.0.0.1", self._listener.getsockname()[1])
        self.requests: List[bytes] = []
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            self.requests.append(client.recv(65536))
            self._answer(client)

    def close(self) -> None:
        self._listener.close()


def exchange(origin: Origin, answer_within: float = 10.0, largest: int = 1 << 20) -> Exchange:
    """Sends a request to an origin that is granted, and waits for what comes of it."""
    woken = threading.Event()
    made = Exchange("GET", origin, "/x?y=%5B1%5D", [("x-a", "b")], b"", 5.0, answer_within, answer_within, woken.set)
    transport = Transport(Egress([Grant(str(origin))]), None, None, in_flight=2, largest_body=largest)
    transport.send(made, False)
    while made.failure is None and made.response_body is None:
        assert woken.wait(30)
        woken.clear()
    transport.close()
    return made


def failure(answer: Answer, answer_within: float = 10.0, largest: int = 1 << 20) -> Optional[Code]:
    """The code that such an answer ends in."""
    server = Server(answer)
    code = exchange(server.origin, answer_within, largest).failure
    server.close()
    return code


def test_an_answer_comes_as_it_was_sent() -> None:
    server = Server(lambda client: client.sendall(b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 2\r\n\r\nok"))
    made = exchange(server.origin)
    assert (made.status, made.response_body, made.failure) == (302, b"ok", None)
    assert server.requests[0].startswith(b"GET /x?y=%5B1%5D HTTP/1.1\r\n") and b"user-agent" not in server.requests[0].lower()
    server.close()


def test_codes_tell_whether_a_byte_may_have_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert exchange(Origin("http", "127.0.0.1", port)).failure == "connection-refused"
    assert exchange(Origin("https", "127.0.0.1", port)).failure == "connection-refused"
    assert failure(lambda client: None) == "connection-terminated"
    release = threading.Event()
    assert failure(lambda client: release.wait(5), answer_within=0.2) == "connection-read-timeout"
    release.set()
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    assert failure(lambda client: client.sendall(cut)) == "HTTP-response-incomplete"
    assert failure(lambda client: client.sendall(b"nonsense\r\n\r\n")) == "HTTP-protocol-error"
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b"x" * 99
    assert failure(lambda client: client.sendall(large), largest=50) == ("HTTP-response-body-size", 50)


@pytest.mark.parametrize("text", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:10.0.0.1", "2002:7f00:1::"])
def test_private_addresses_are_not_public(text: str) -> None:
    assert not is_public(text)
    assert is_public("1.1.1.1") and is_public("2606:4700::1111") and is_public("64:ff9b::101:101")
