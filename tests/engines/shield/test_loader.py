"""Loading, attaching, taking over: against the real kernel, with the real program."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rempart.engines.shield import layout, lists, loader, nets4, tables
from rempart.engines.shield.layout import Reason, Verdict
from rempart.engines.shield.libbpf import Map, MapType, Mode, Program, attached
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.pinning import hold
from rempart.engines.shield.refusals import BpfFailed, BrokenObject, VerifierRefused
from rempart.model.errors import Conflict, NotFound
from rempart.model.shield import ShieldOrders
from tests.engines.shield.conftest import Wire
from tests.engines.shield.frames import ethernet, ipv4, raw, udp
from tests.engines.shield.objects import SHIELD, binary

pytestmark = pytest.mark.root

BLOCKED = "198.51.100.7"
OTHER = "203.0.113.9"
OPEN = ShieldOrders(drop_martians=False, only_served=False)


def frame(source: str, number: int = 0) -> bytes:
    payload = udp(4_000, 4_000, number.to_bytes(4, "big"))
    return ethernet(ipv4(raw(source)[-4:], raw("192.0.2.1")[-4:], 17, payload))


def started(pins: Path, data: bytes | None = None) -> Shield:
    """Loaded and told to block one address."""
    shield = loader.load(data or loader.compiled(), pins)
    tables.configure(shield, OPEN)
    lists.blocked(shield).put(BLOCKED)
    return shield


def test_a_packet_of_a_blocked_source_is_dropped_and_counted(shield: Shield) -> None:
    tables.configure(shield, OPEN)
    lists.blocked(shield).put(BLOCKED)
    assert shield.program.run(frame(BLOCKED)).verdict == Verdict.DROP
    assert shield.program.run(frame(OTHER)).verdict == Verdict.PASS
    counted = tables.counters(shield)
    assert counted[Reason.DROP_BLOCKED] == (1, len(frame(BLOCKED)))
    assert counted[Reason.PASS_NOT_OURS].packets == 1


def test_an_attached_program_sees_the_wire(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    attachment = wire.inside(lambda: shield.attach("guarded0"))
    assert (attachment.mode, attachment.adopted, attachment.words) == (Mode.NATIVE, False, "")
    with wire.sender() as sender, wire.listener() as listener:
        sender.send(frame(BLOCKED))
        sender.send(frame(OTHER))
        assert _received(listener, 1) == [frame(OTHER)]
    assert tables.counters(shield)[Reason.DROP_BLOCKED].packets == 1
    assert wire.inside(shield.attachments) == (attachment._replace(adopted=True),)


@pytest.mark.parametrize("mode", [None, Mode.NATIVE, Mode.GENERIC])
def test_a_mode_can_be_demanded(wire: Wire, pins: Path, mode: Mode | None) -> None:
    shield = started(pins)
    assert wire.inside(lambda: shield.attach("guarded0", mode)).mode == (mode or Mode.NATIVE)


def test_where_the_driver_cannot_it_is_generic_and_said(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    subprocess.run(["ip", "-n", wire.near, "link", "set", "lo", "up"], check=True)
    with pytest.raises(BpfFailed, match="this driver or kernel cannot do it"):
        wire.inside(lambda: shield.attach("lo", Mode.NATIVE))
    attachment = wire.inside(lambda: shield.attach("lo"))
    assert attachment.mode == Mode.GENERIC
    assert "the driver of lo cannot do it natively" in attachment.words


def test_frames_too_large_for_the_driver_make_it_generic(wire: Wire, pins: Path) -> None:
    subprocess.run(["ip", "-n", wire.far, "link", "set", "sender0", "mtu", "9000"], check=True)
    shield = started(pins)
    attachment = wire.inside(lambda: shield.attach("guarded0"))
    assert attachment.mode == Mode.GENERIC
    assert attachment.words


def test_a_mode_can_be_changed(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    wire.inside(lambda: shield.attach("guarded0", Mode.GENERIC))
    assert wire.inside(lambda: shield.attach("guarded0", None)).mode == Mode.GENERIC
    assert wire.inside(lambda: shield.attach("guarded0", Mode.NATIVE)).mode == Mode.NATIVE


def test_interfaces_with_dots_are_pinned_too(wire: Wire, pins: Path) -> None:
    subprocess.run(
        ["ip", "-n", wire.near, "link", "add", "guarded0.7", "type", "veth", "peer", "name", "other7"],
        check=True,
    )
    shield = started(pins)
    wire.inside(lambda: shield.attach("guarded0.7"))
    assert [one.interface for one in wire.inside(lambda: loader.adopt(pins).attachments())] == ["guarded0.7"]
    assert wire.inside(lambda: shield.detach("guarded0.7"))
    assert not wire.inside(lambda: shield.detach("guarded0.7"))


def test_there_is_no_such_interface(shield: Shield) -> None:
    with pytest.raises(NotFound, match="no interface nowhere0"):
        shield.attach("nowhere0")


def test_something_else_is_attached(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    other = loader.load(loader.compiled(), None)
    wire.inside(lambda: other.attach("guarded0"))
    with pytest.raises(Conflict, match="guarded0 has an XDP program already: 'shield'"):
        wire.inside(lambda: shield.attach("guarded0"))
    other.close()
    assert not wire.inside(lambda: shield.attach("guarded0")).adopted


def test_what_is_not_pinned_ends_with_its_process(wire: Wire) -> None:
    shield = loader.load(loader.compiled(), None)
    number = shield.program.id
    wire.inside(lambda: shield.attach("guarded0"))
    shield.close()
    assert wire.inside(lambda: attached(loader.index_of("guarded0"))).program_id == 0
    # The kernel frees it when the last packet that is in it has left.
    assert _until(lambda: _is_gone(number))


def test_the_same_object_is_adopted(wire: Wire, pins: Path) -> None:
    first = started(pins)
    wire.inside(lambda: first.attach("guarded0"))
    first.program.run(frame(BLOCKED))
    second = loader.load(loader.compiled(), pins)
    assert second.loaded.adopted
    assert second.program.id == first.program.id
    assert wire.inside(lambda: second.attach("guarded0")).adopted
    assert tables.counters(second)[Reason.DROP_BLOCKED].packets == 1
    assert second.program.run(frame(BLOCKED)).verdict == Verdict.DROP


def test_another_object_takes_over_with_everything(wire: Wire, pins: Path) -> None:
    first = started(pins)
    wire.inside(lambda: first.attach("guarded0"))
    first.program.run(frame(BLOCKED))
    second = loader.load(binary(SHIELD + "int another_version;"), pins)
    assert not second.loaded.adopted
    assert second.loaded.notes == ()
    assert set(second.loaded.kept) == set(second.maps)
    assert wire.inside(lambda: attached(loader.index_of("guarded0"))).program_id == second.program.id
    assert wire.inside(lambda: second.attach("guarded0")).adopted
    assert tables.counters(second)[Reason.DROP_BLOCKED].packets == 1
    assert second.program.run(frame(BLOCKED)).verdict == Verdict.DROP
    first.close()
    assert not [one for one in pins.iterdir() if one.name.startswith("next-")]


def test_a_larger_list_is_filled_from_the_smaller(pins: Path) -> None:
    first = started(pins)
    lists.blocked(first).put("198.51.0.0/16")
    larger = binary(
        SHIELD,
        ("#define BLOCKED_PREFIXES 2000000", "#define BLOCKED_PREFIXES 3000000"),
        ("#define BLOCKED_HOSTS 2000000", "#define BLOCKED_HOSTS 3000000"),
    )
    second = loader.load(larger, pins)
    assert "blocked4: its size has changed, 1 entries were moved" in second.loaded.notes
    assert "blocked4_hosts: its size has changed, 1 entries were moved" in second.loaded.notes
    assert second.maps["blocked4"].max_entries == 3_000_000
    assert lists.blocked(second).remove(BLOCKED).covered_by[0].network == ip_network("198.51.0.0/16")
    assert {one.name for one in pins.iterdir()} == {*second.maps, "program", "loader"}


IN_THE_TRIE = ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.128/25", "198.18.0.0/15")


def older(pins: Path) -> Shield:
    """What a loader of before ``blocked4_nets`` has left: a program that always asks the trie, /24s in there,
    and neither of the new maps."""
    first = started(pins, binary(SHIELD, ("where = where4(key.bytes);", "where = WHERE_ANY;")))
    for number, one in enumerate(IN_THE_TRIE):
        network = ip_network(one)
        entry = np.zeros(1, layout.LISTED)
        entry["length"], entry["tag"], entry["packets"] = network.prefixlen, number, 40 + number
        first.maps["blocked4"].update(layout.prefix_key(network), entry.tobytes())
    tables.set_flags(first, layout.Flag.HAS_BLOCKED4)
    for name in ("blocked4_nets", "blocked4_where"):
        (pins / name).unlink()
    return first


def test_networks_in_the_trie_of_an_older_shield_move_into_their_table(pins: Path) -> None:
    older(pins)
    with pytest.raises(Conflict, match="is of an older version"):
        lists.blocked(loader.adopt(pins))
    second = loader.load(binary(SHIELD + "int another_version;"), pins)
    assert "blocked4_nets: 2 entries were moved from blocked4" in second.loaded.notes
    blocked = lists.blocked(second)
    assert {(str(one.network), one.tag, one.packets) for one in blocked.entries()} == {
        (f"{BLOCKED}/32", 0, 0),
        *((one, number, 40 + number) for number, one in enumerate(IN_THE_TRIE)),
    }
    for source in (BLOCKED, "198.51.100.8", OTHER, "192.0.2.200", "198.19.255.1"):
        assert second.program.run(frame(source)).verdict == Verdict.DROP, source
    for source in ("192.0.2.1", "198.51.101.1", "198.20.0.1"):
        assert second.program.run(frame(source)).verdict == Verdict.PASS, source
    assert blocked.remove("198.51.100.0/24").is_free
    assert second.program.run(frame("198.51.100.8")).verdict == Verdict.PASS
    third = loader.load(binary(SHIELD + "int yet_another_version;"), pins)
    assert third.loaded.notes == ()
    assert lists.blocked(third).size() == len(IN_THE_TRIE)


@pytest.mark.parametrize("step", ["take_over", "forget"])
def test_a_take_over_that_is_cut_off_loses_nothing(
    pins: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    older(pins)

    def cut_off(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(nets4, step, cut_off)
        with pytest.raises(KeyboardInterrupt):
            loader.load(binary(SHIELD + "int another_version;"), pins)
    assert loader.adopt(pins).program.run(frame("198.51.100.8")).verdict == Verdict.DROP
    blocked = lists.blocked(loader.load(binary(SHIELD + "int another_version;"), pins))
    assert sorted(str(one.network) for one in blocked.entries()) == sorted((*IN_THE_TRIE, f"{BLOCKED}/32"))


def test_nothing_is_written_to_maps_that_nobody_reads_any_more(pins: Path) -> None:
    first, second = started(pins), loader.adopt(pins)
    lists.blocked(second).put("203.0.113.0/24")
    third = loader.load(
        binary(SHIELD, ("#define BLOCKED_HOSTS 2000000", "#define BLOCKED_HOSTS 3000000")), pins
    )
    for old in (first, second):
        with pytest.raises(Conflict, match="another program was loaded"):
            lists.blocked(old).put("192.0.2.7")
    lists.blocked(third).put("192.0.2.7")
    lists.blocked(loader.adopt(pins)).put("192.0.2.8")
    assert lists.blocked(third).size() == 4
    fourth = loader.adopt(pins)
    third.remove()
    with pytest.raises(NotFound, match="any more"):
        lists.blocked(fourth).put("192.0.2.9")


def test_counters_move_with_their_sums(pins: Path) -> None:
    first = started(pins)
    first.program.run(frame(BLOCKED))
    second = loader.load(binary(SHIELD, ("REASONS = 64", "REASONS = 128")), pins)
    assert _cpu_sums(second.maps["counters"])[Reason.DROP_BLOCKED] == 1


def test_other_fields_in_the_same_place_begin_anew(pins: Path) -> None:
    first = started(pins)
    first.program.run(frame(BLOCKED))
    swapped = (
        "	u64 packets;\n	u64 bytes;                 /* of the whole frame */",
        "	u64 bytes;\n	u64 packets;",
    )
    second = loader.load(binary(SHIELD, swapped), pins)
    assert "counters: its layout has changed, it begins empty" in second.loaded.notes
    assert "blocked4" in second.loaded.kept
    assert _cpu_sums(second.maps["counters"]).sum() == 0


def test_a_broken_object_changes_nothing(wire: Wire, pins: Path) -> None:
    first = started(pins)
    wire.inside(lambda: first.attach("guarded0"))
    for data in (b"", b"no object at all", loader.compiled()[:5_000], binary("int nothing;")):
        with pytest.raises(BrokenObject, match="the packet program is damaged"):
            loader.load(data, pins)
    assert wire.inside(lambda: attached(loader.index_of("guarded0"))).program_id == first.program.id
    assert loader.adopt(pins).program.id == first.program.id


def test_what_the_verifier_refuses_changes_nothing(pins: Path) -> None:
    first = started(pins)
    source = """
    #include "kernel.h"
    SEC("xdp") int shield(struct xdp_md *ctx) { return *(volatile u8 *)(long)ctx->data; }
    char _license[] SEC("license") = "GPL";
    """
    with pytest.raises(VerifierRefused, match="invalid access to packet") as caught:
        loader.load(binary(source), pins)
    assert "R1" in caught.value.log
    assert len(caught.value.message.splitlines()) < 20
    assert loader.adopt(pins).program.id == first.program.id


def test_nothing_is_there_to_adopt(pins: Path) -> None:
    with pytest.raises(NotFound, match="no packet shield runs"):
        loader.adopt(pins)
    assert not loader.remove(pins)


def test_removing_leaves_nothing(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    wire.inside(lambda: shield.attach("guarded0"))
    shield.remove()
    assert not pins.exists()
    assert wire.inside(lambda: attached(loader.index_of("guarded0"))).program_id == 0


def test_the_lock_has_one_holder(pins: Path) -> None:
    started(pins).close()
    with hold(pins), pytest.raises(Conflict, match="another process"), hold(pins, 0.01):
        pass


def test_an_interface_that_went_and_came_is_attached_anew(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    wire.inside(lambda: shield.attach("guarded0"))
    subprocess.run(["ip", "-n", wire.near, "link", "delete", "guarded0"], check=True)
    subprocess.run(
        ["ip", "-n", wire.near, "link", "add", "guarded0", "type", "veth", "peer", "name", "other0"],
        check=True,
    )
    assert wire.inside(shield.attachments) == ()
    assert not wire.inside(lambda: shield.attach("guarded0")).adopted
    assert len(wire.inside(shield.attachments)) == 1


def test_an_interface_that_gets_another_name_stays_guarded(wire: Wire, pins: Path) -> None:
    first = started(pins)
    wire.inside(lambda: first.attach("guarded0"))
    subprocess.run(["ip", "-n", wire.near, "link", "set", "guarded0", "name", "renamed0"], check=True)
    assert [one.interface for one in wire.inside(first.attachments)] == ["renamed0"]
    second = loader.adopt(pins)
    assert wire.inside(lambda: second.attach("renamed0")).adopted
    _add_link(wire.near, "guarded0", "other0")
    assert not wire.inside(lambda: second.attach("guarded0")).adopted
    for shield in (second, loader.adopt(pins)):
        guarded = {one.interface for one in wire.inside(shield.attachments)}
        assert guarded == {"guarded0", "renamed0"}


def test_two_interfaces_that_change_names_both_stay_guarded(wire: Wire, pins: Path) -> None:
    _add_link(wire.near, "guarded1", "other1")
    first = started(pins)
    for name in ("guarded0", "guarded1"):
        wire.inside(lambda: first.attach(name))  # noqa: B023 - called at once
    for before, after in (("guarded0", "between"), ("guarded1", "guarded0"), ("between", "guarded1")):
        subprocess.run(["ip", "-n", wire.near, "link", "set", before, "name", after], check=True)
    second = loader.adopt(pins)
    for name in ("guarded0", "guarded1"):
        assert wire.inside(lambda: second.attach(name)).adopted  # noqa: B023
    assert len(wire.inside(loader.adopt(pins).attachments)) == 2


def test_an_interface_of_another_namespace_is_not_taken_for_ours(wire: Wire, pins: Path) -> None:
    shield = started(pins)
    index = wire.inside(lambda: shield.attach("guarded0")).ifindex
    elsewhere = Wire(wire.far, wire.near)
    try:
        name = elsewhere.inside(lambda: socket.if_indextoname(index))
    except OSError:
        name = "same0"
        veth = ("type", "veth", "peer", "name", "other0")
        subprocess.run(["ip", "-n", wire.far, "link", "add", name, "index", str(index), *veth], check=True)
    with pytest.raises(Conflict, match="of another network namespace"):
        elsewhere.inside(lambda: loader.adopt(pins).attach(name))
    assert elsewhere.inside(loader.adopt(pins).attachments) == ()
    assert len(wire.inside(loader.adopt(pins).attachments)) == 1


LOADER = """
import sys, time
from pathlib import Path
from rempart.engines.shield import loader
shield = loader.load(Path(sys.argv[2]).read_bytes(), Path(sys.argv[1]))
print("adopted" if shield.attach("guarded0").adopted else "attached", flush=True)
time.sleep(600)
"""


def test_a_loader_that_is_killed_under_traffic_leaves_protection_and_the_next_takes_over(
    wire: Wire, pins: Path, tmp_path: Path
) -> None:
    objects = [loader.compiled(), loader.compiled(), binary(SHIELD + "int another_version;")]
    first = started(pins)
    stop, sent = threading.Event(), 0
    with wire.sender() as sender, wire.listener() as listener:

        def send() -> None:
            nonlocal sent
            while not stop.is_set():
                sender.send(frame(BLOCKED, sent))
                sent += 1

        traffic = threading.Thread(target=send)
        for index, data in enumerate(objects):
            path = tmp_path / f"{index}.o"
            path.write_bytes(data)
            process = subprocess.Popen(
                wire.command(sys.executable, "-c", LOADER, str(pins), str(path)),
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            assert process.stdout.readline().strip() == ("adopted" if index else "attached")
            if not traffic.is_alive():
                traffic.start()
            before = _dropped(first)
            assert _until(lambda: _dropped(first) > before + 1_000)  # noqa: B023 - called at once
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            before = _dropped(first)
            assert _until(lambda: _dropped(first) > before + 1_000)  # noqa: B023
        stop.set()
        traffic.join()
        assert _until(lambda: _dropped(first) == sent)
        assert _received(listener, 1, seconds=0.2) == []
    assert loader.adopt(pins).program.id != first.program.id
    assert lists.blocked(loader.adopt(pins)).size() == 1


CHANGING = """
import sys
from pathlib import Path
from rempart.engines.shield import loader
print("begun", flush=True)
while True:
    for path in sys.argv[2:]:
        loader.load(Path(path).read_bytes(), Path(sys.argv[1])).close()
"""


@pytest.mark.slow
def test_a_loader_that_is_killed_while_it_changes_the_program_leaves_protection(
    wire: Wire, pins: Path, tmp_path: Path
) -> None:
    """Of two programs whose lists have other sizes, wherever it is killed."""
    larger = binary(SHIELD, ("#define BLOCKED_HOSTS 2000000", "#define BLOCKED_HOSTS 3000000"))
    paths = [tmp_path / "one.o", tmp_path / "two.o"]
    for path, data in zip(paths, (loader.compiled(), larger), strict=True):
        path.write_bytes(data)
    started(pins).close()
    wire.inside(lambda: loader.adopt(pins).attach("guarded0"))
    with wire.sender() as sender, wire.listener() as listener:
        for turn in range(12):
            process = subprocess.Popen(
                wire.command(sys.executable, "-c", CHANGING, str(pins), *map(str, paths)),
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            assert process.stdout.readline()
            time.sleep(0.03 * turn)
            process.kill()
            process.wait()
            process.stdout.close()
            sender.send(frame(BLOCKED))
            assert lists.blocked(loader.adopt(pins)).covering(BLOCKED)
        shield = loader.load(loader.compiled(), pins)
        assert wire.inside(lambda: shield.attach("guarded0")).adopted
        assert lists.blocked(shield).covering(BLOCKED)
        sender.send(frame(OTHER))
        assert _received(listener, 1) == [frame(OTHER)]


def _add_link(namespace: str, name: str, peer: str) -> None:
    subprocess.run(
        ["ip", "-n", namespace, "link", "add", name, "type", "veth", "peer", "name", peer], check=True
    )


def _dropped(shield: Shield) -> int:
    return tables.counters(shield)[Reason.DROP_BLOCKED].packets


def _received(listener: socket.socket, count: int, seconds: float = 5.0) -> list[bytes]:
    found: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        try:
            found.append(listener.recv(2_000))
        except BlockingIOError:
            time.sleep(0.01)
    return found


def _until(is_so: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.02)
    return False


def _is_gone(number: int) -> bool:
    try:
        Program.by_id(number).close()
    except BpfFailed as error:
        return error.errno == errno.ENOENT
    return False


def _cpu_sums(table: Map) -> Any:
    assert table.type == MapType.PERCPU_ARRAY
    return table.lookup_all_cpus(np.dtype([("first", "u8"), ("second", "u8")]))["first"].sum(axis=1)
