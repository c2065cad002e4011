"""Secondaries come and go in the running server, and nobody who asks it notices."""

from __future__ import annotations

import base64
import contextlib
import socket
import stat
import statistics
import threading
import time
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.tsig
import dns.xfr
import dns.zone
import pytest

from rempart.engines.knot.compile import REMOTE_IO_MS
from rempart.lab.processes import free_port
from rempart.snapshot.items import Item, SecondaryItem
from tests.engines.knot.server import ADDRESS, Server, plain_zone, rrset_item

ZONE = "example.org"


def secondary(
    id_: str = "one", *, secret: bytes = b"0123456789abcdef", name: str | None = None, address: str = ADDRESS
) -> SecondaryItem:
    return SecondaryItem(
        id=id_,
        address=address,
        port=free_port(),
        tsig_name=name or f"key-{id_}.rempart",
        tsig_algorithm="hmac-sha256",
        tsig_secret=base64.b64encode(secret).decode(),
    )


def transfer(
    server: Server, zone: str, item: SecondaryItem | None, secret: str | None = None
) -> dns.zone.Zone:
    """The zone by AXFR, signed with the secondary's key (or with another secret under its name)."""
    loaded = dns.zone.Zone(zone, relativize=False)
    query, _ = dns.xfr.make_query(loaded)
    if item is not None:
        key = dns.tsig.Key(item.tsig_name, secret or item.tsig_secret, item.tsig_algorithm)
        query.use_tsig({key.name: key}, key.name)
    dns.query.inbound_xfr(server.config.dns.listen[0], loaded, query, port=server.port, timeout=10)
    return loaded


def test_a_secondary_may_transfer_zones_and_catalog_with_its_key_and_no_other(server: Server) -> None:
    item = secondary()
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    report = server.engine.apply(server.view.put(item), server.view)
    assert (report.commands, report.refusals) == (1, ())
    assert f"www.{ZONE}." in {name.to_text() for name in transfer(server, ZONE, item).nodes}
    pointers = [
        rdata.to_text() for _, _, rdata in transfer(server, "catalog.rempart", item).iterate_rdatas("PTR")
    ]
    assert pointers == [f"{ZONE}."]
    wrong = base64.b64encode(b"another secret..").decode()
    with pytest.raises((dns.exception.DNSException, EOFError)):
        transfer(server, ZONE, item, secret=wrong)
    with pytest.raises((dns.exception.DNSException, EOFError)):
        transfer(server, ZONE, None)
    server.engine.apply(server.view.put(*plain_zone("later.example")), server.view)
    assert transfer(server, "later.example", item)["later.example."]
    assert server.engine.apply(server.view.put(item), server.view).commands == 0
    assert server.engine.reconcile(server.view).commands == 0


def test_a_removed_secondary_gets_nothing_more(server: Server) -> None:
    one, two = secondary("one"), secondary("two")
    server.engine.apply(server.view.put(*plain_zone(ZONE), one, two), server.view)
    transfer(server, ZONE, one)
    server.engine.apply(server.view.drop(one.key), server.view)
    with pytest.raises((dns.exception.DNSException, EOFError)):
        transfer(server, ZONE, one)
    transfer(server, ZONE, two)
    server.kill()
    server.start()
    transfer(server, ZONE, two)
    with pytest.raises((dns.exception.DNSException, EOFError)):
        transfer(server, ZONE, one)


def test_the_key_of_another_address_does_not_help(server: Server) -> None:
    item = secondary(address="192.0.2.53")
    server.engine.apply(server.view.put(*plain_zone(ZONE), item), server.view)
    with pytest.raises((dns.exception.DNSException, EOFError)):
        transfer(server, ZONE, item)


def test_bad_secondaries_are_refused_alone(server: Server) -> None:
    good = secondary("a")
    bad = [
        secondary("b", name=good.tsig_name, secret=b"not the same one"),
        good.model_copy(update={"id": "c", "tsig_name": 'x"\n    evil: on', "port": free_port()}),
        good.model_copy(update={"id": "d", "tsig_name": "d.rempart", "tsig_secret": "no base 64!"}),
        good.model_copy(update={"id": "e", "tsig_name": "e.rempart", "tsig_algorithm": "hmac-md5"}),
        good.model_copy(update={"id": "f", "tsig_name": "f.rempart", "address": "ns.example.net"}),
        good.model_copy(update={"id": "../g", "tsig_name": "g.rempart"}),
    ]
    report = server.engine.apply(server.view.put(*plain_zone(ZONE), good, *bad), server.view)
    assert {refusal.key for refusal in report.refusals} == {item.key for item in bad}
    transfer(server, ZONE, good)


def test_a_reload_does_not_disturb_answers(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    stop, answered, failed = threading.Event(), [0], [0]

    def ask_on() -> None:
        while not stop.is_set():
            query = dns.message.make_query(f"www.{ZONE}", "A")
            try:
                answer = dns.query.udp(query, ADDRESS, timeout=2, port=server.port)
                answered[0] += bool(answer.answer)
                failed[0] += not answer.answer
            except dns.exception.Timeout:
                failed[0] += 1

    asker = threading.Thread(target=ask_on)
    asker.start()
    try:
        for number in range(10):
            item = secondary(f"s{number}")
            assert server.engine.apply(server.view.put(item), server.view).refusals == ()
    finally:
        stop.set()
        asker.join()
    assert failed[0] == 0
    assert answered[0] > 10


def test_the_file_with_the_secrets_is_for_its_owner_alone(server: Server) -> None:
    server.engine.apply(server.view.put(secondary()), server.view)
    mode = server.config.paths.knot_config.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert sorted(path.name for path in server.config.paths.knot.iterdir()) == ["db", "knot.conf"]


def test_a_server_that_runs_with_an_old_file_is_reloaded(server: Server) -> None:
    """The file was written, and the node died before the reload."""
    item = secondary()
    server.view.put(item)
    server.engine.write_boot_files(server.view)
    assert server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view).refusals == ()
    assert server.engine.reconcile(server.view).commands == 1
    transfer(server, ZONE, item)


def test_boot_files_are_enough_to_start_from(server: Server) -> None:
    item = secondary()
    server.engine.apply(server.view.put(*plain_zone(ZONE), item), server.view)
    server.stop()
    server.config.paths.knot_config.unlink()
    server.engine.write_boot_files(server.view)
    server.start()
    transfer(server, ZONE, item)
    assert server.engine.reconcile(server.view).commands == 0


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that swallows whatever would connect to it: its queue is full, and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((ADDRESS, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(16):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect((ADDRESS, port))
            except TimeoutError:
                break
        else:
            pytest.fail("the queue takes everybody")
        yield port


@pytest.mark.slow
def test_a_secondary_that_swallows_packets_is_in_nobodys_way(server: Server) -> None:
    def seconds(zone: str, name: str, *items: Item) -> float:
        began = time.monotonic()
        server.engine.apply(server.view.put(*items), server.view)
        while not server.rdata(f"{name}.{zone}", "A"):
            time.sleep(0.002)
        return time.monotonic() - began

    with black_hole() as port:
        dead = secondary().model_copy(update={"port": port})
        server.engine.apply(server.view.put(*plain_zone(ZONE), dead), server.view)
        limit = REMOTE_IO_MS / 1000 / 2
        new = [seconds(f"n{n}.example", "www", *plain_zone(f"n{n}.example")) for n in range(9)]
        assert statistics.median(new) < limit, new
        changed = [
            seconds(ZONE, f"c{n}", rrset_item(ZONE, f"c{n}.{ZONE}", "A", "192.0.2.1")) for n in range(9)
        ]
        assert max(changed) < limit, changed
