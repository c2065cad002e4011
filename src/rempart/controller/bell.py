"""Wakes tasks that wait for something to happen, from whatever thread it happens in.

Commits happen in worker threads while nodes' long polls wait in the event loop: between looking and
waiting nothing may be lost, so a waiter takes its ticket first, looks, and only then waits.
"""

from __future__ import annotations

import asyncio
import threading


class Bell:
    """One bell; everyone who holds a ticket hears the next ring, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake all who hold a ticket. From any thread, never blocks."""
        with self._lock:
            tickets, self._tickets = self._tickets, set()
        for ticket in tickets:
            try:
                ticket.get_loop().call_soon_threadsafe(_wake, ticket)
            except RuntimeError:
                continue  # that loop has ended, and its waiter with it

    def ticket(self) -> asyncio.Future[None]:
        """Done at the next ring. To be handed to `heard` (or cancelled) in any case."""
        ticket = asyncio.get_running_loop().create_future()
        with self._lock:
            self._tickets.add(ticket)
        return ticket

    async def heard(self, ticket: asyncio.Future[None], seconds: float) -> bool:
        """Wait until the bell rang since the ticket was taken; False when ``seconds`` passed instead."""
        try:
            await asyncio.wait((ticket,), timeout=max(0.0, seconds))
            return ticket.done() and not ticket.cancelled()
        finally:
            self.drop(ticket)

    def drop(self, ticket: asyncio.Future[None]) -> None:
        """Give the ticket back unheard."""
        with self._lock:
            self._tickets.discard(ticket)
        ticket.cancel()

    @property
    def waiting(self) -> int:
        """How many hold a ticket now."""
        with self._lock:
            return len(self._tickets)


def _wake(ticket: asyncio.Future[None]) -> None:
    if not ticket.done():
        ticket.set_result(None)
