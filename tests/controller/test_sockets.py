"""What the controller listens on."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from fastapi import FastAPI

from rempart.controller.sockets import listening_at, server
from rempart.lab.processes import free_port
from rempart.model.errors import EnvironmentLacks


def test_an_answer_in_two_parts_does_not_wait_for_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nagle's algorithm is off on what is accepted: with it, 40 ms pass between the parts."""
    seen: list[int] = []
    real = socket.socket.accept

    def accepting(self: socket.socket) -> tuple[socket.socket, object]:
        accepted, address = real(self)
        asked.append(accepted)
        return accepted, address

    asked: list[socket.socket] = []
    app = FastAPI()

    @app.get("/")
    async def nodelay() -> int:
        seen.append(asked[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return seen[-1]

    monkeypatch.setattr(socket.socket, "accept", accepting)
    port = free_port()
    with listening_at("127.0.0.1", port) as listener:
        running = server(app)
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])))
        thread.start()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                while client.recv(4096):
                    pass
        finally:
            running.should_exit = True
            thread.join(60)
    assert seen == [1]


def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    with (
        listening_at("127.0.0.1", port),
        pytest.raises(EnvironmentLacks, match=f"port {port} cannot be listened on"),
        listening_at("127.0.0.1", port),
    ):
        pass
