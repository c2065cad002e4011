"""A small DNS server on loopback whose answers a test decides: real packets over UDP."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer:
    """Answers from ``records`` ({(name, type): (ttl, [rdata])}); unknown names are NXDOMAIN.

    ``broken`` names are answered SERVFAIL, ``silent`` ones not at all.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def resolver(self) -> str:
        """As ``dns.resolvers`` names it."""
        return f"127.0.0.1@{self._socket.getsockname()[1]}"

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        # Not for a time only: on a busy machine the thread would find its socket closed under it.
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            packet, client = self._socket.recvfrom(4096)
            try:
                query = dns.message.from_wire(packet)
            except dns.exception.DNSException:
                continue  # ours to wake us, or a stray one for whoever had this port before
            reply = self._reply(query)
            if reply is not None:
                self._socket.sendto(reply.to_wire(), client)

    def _reply(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name in self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply
        self._answer(reply, name, kind)
        return reply

    def _answer(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for asked in (kind, "CNAME"):
            if (name, asked) in self.records:
                ttl, texts = self.records[name, asked]
                reply.answer.append(dns.rrset.from_text_list(name + ".", ttl, "IN", asked, texts))
                if asked == "CNAME" and kind != "CNAME":
                    self._answer(reply, texts[0].rstrip("."), kind)
                return
        if not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
