"""The packet shield under ``rempart up``, in a namespace of its own: real packets, the real program."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import psutil
import pytest

from rempart.engines.shield import loader, tables
from rempart.engines.shield.layout import Flag
from rempart.lab.instance import Instance, Ports
from rempart.lab.network.inside import inside
from rempart.node.parts import read_part
from rempart.node.shield.kernel import program_bytes
from rempart.node.shield.state import ShieldState, read_state
from rempart.node.state_folders import read_cookie_key
from tests.node.conftest import eventually
from tests.node.shield.ground import FAR_V4, HERE_V4, HERE_V6, INTERFACE, Ground, ground

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
PORTS = Ports(address=HERE_V4, http=80, https=443, dns=53, admin=9180, api=9181)
CLIENT_COOKIE = bytes(range(8))
ALSO = 2222
"""A port that this machine serves beside Rempart."""


def made(place: Ground, **shield: Any) -> Instance:
    """An instance with the shield on, in the namespace."""
    listen = [HERE_V4, HERE_V6]
    settings = {
        "edge": {"listen": listen, "addresses": listen},
        "dns": {"listen": listen},
        "shield": {"enabled": True, "mode": "native", "also_serves": [f"tcp/{ALSO}"], **shield},
    }
    return Instance(PORTS, settings, place=place.here)


@pytest.fixture(scope="module")
def place() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.fixture(scope="module")
def instance(place: Ground) -> Iterator[Instance]:
    """One for all, since a start takes seconds. Each test leaves its lists empty."""
    with made(place) as found:
        yield found.start(seconds=60)


def state_of(instance: Instance) -> ShieldState:
    found = read_state(instance.configuration.paths)
    assert found is not None
    return found


def program_on(place: Ground) -> int | None:
    """The id of the XDP program on the guarded interface, as the kernel says."""
    (link,) = json.loads(place.ip("-j", "-d", "link", "show", "dev", INTERFACE))
    found = link.get("xdp", {}).get("prog", {}).get("id")
    return int(found) if found is not None else None


def reaches(place: Ground, port: int, address: str = HERE_V4) -> bool:
    """Whether the far end can connect."""

    def connect() -> bool:
        try:
            with socket.create_connection((address, port), timeout=1.5):
                return True
        except OSError:
            return False

    return inside(place.far.namespace, connect)


def shield_log(instance: Instance) -> list[dict[str, Any]]:
    lines = (instance.state / "log" / "shield.log").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def sysctl(place: Ground, name: str) -> str:
    return inside(place.here.namespace, lambda: Path(f"/proc/sys/net/ipv4/{name}").read_text().strip())


def test_it_is_on_from_the_start_and_every_place_says_so(place: Ground, instance: Instance) -> None:
    eventually(lambda: '"ready"' in instance.up_log(), seconds=30)
    ready = next(json.loads(line) for line in instance.up_log().splitlines() if '"ready"' in line)
    assert ready["shield"].startswith(f"on ({INTERFACE} native)")
    assert "packet shield" not in ready["off"]
    assert program_on(place) is not None
    assert sysctl(place, "tcp_timestamps") == "2"

    # What is served is reached, what is not is not, and is counted.
    assert reaches(place, PORTS.http)
    assert reaches(place, PORTS.https, HERE_V6)
    assert reaches(place, PORTS.dns)
    assert not reaches(place, 9999)
    eventually(lambda: any(one.reason == "DROP_NOT_SERVED" for one in state_of(instance).counts))
    status = instance.cli("status", "--json")
    assert json.loads(status.stdout)["shield"]["on"] is True
    metrics = inside(place.here.namespace, _metrics)
    assert 'rempart_shield_up{reason=""} 1.0' in metrics
    assert f'rempart_shield_attached{{interface="{INTERFACE}",mode="native"}} 1.0' in metrics
    assert 'rempart_shield_packets_total{reason="drop_not_served",verdict="dropped"}' in metrics


def test_its_process_has_a_user_of_its_own_and_two_capabilities(instance: Instance) -> None:
    process = psutil.Process(instance.pid("shield"))
    assert process.username() == instance.configuration.users.shield
    fields = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert fields["NoNewPrivs"] == "1"
    assert {fields[name] for name in ("CapPrm", "CapEff")} == {"0000008000001000"}
    assert {int(fields[name], 16) for name in ("CapInh", "CapAmb", "CapBnd")} == {0}


def _metrics() -> str:
    with socket.create_connection(("127.0.0.1", PORTS.admin), timeout=5) as asking:
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        parts = []
        while part := asking.recv(65_536):
            parts.append(part)
    return b"".join(parts).decode()


def test_taken_off_from_outside_it_is_back_and_said(place: Ground, instance: Instance) -> None:
    before = program_on(place)
    inside(place.here.namespace, lambda: _opened(instance).detach(INTERFACE))
    assert program_on(place) is None
    assert eventually(lambda: program_on(place), seconds=20) == before
    alarms = [one for one in shield_log(instance) if one["event"] == "packet shield: lost"]
    assert [(one["interface"], one["level"]) for one in alarms] == [(INTERFACE, "error")]
    eventually(lambda: state_of(instance).interfaces[0].lost == 1)
    assert state_of(instance).on


def test_killed_it_stays_attached_and_the_next_process_takes_it_over(
    place: Ground, instance: Instance
) -> None:
    program, since = program_on(place), state_of(instance).interfaces[0].since
    instance.cli("shield", "block", "203.0.113.7")
    pid = instance.pid("shield")
    os.kill(pid, signal.SIGKILL)
    assert program_on(place) == program

    def restarted() -> bool:
        record = read_part(instance.configuration.paths, "shield")
        return record is not None and record.pid not in (None, pid) and state_of(instance).on

    eventually(restarted, seconds=30)
    assert program_on(place) == program, "adopted, not loaded anew"
    assert state_of(instance).interfaces[0].since == since
    assert instance.json("shield", "list")[0]["prefix"] == "203.0.113.7/32"

    # The whole node killed: it goes on filtering, and the command line goes on working.
    instance.kill_supervisor()
    instance.kill_all()
    assert program_on(place) == program
    assert not reaches(place, 9999)
    words = instance.cli("shield", "status", check=False)
    assert f"{INTERFACE}: native" in words.stdout
    assert "nobody watches over it" in words.stdout
    instance.cli("shield", "block", FAR_V4)
    assert FAR_V4 in instance.cli("shield", "list").stdout
    instance.cli("shield", "unblock", FAR_V4)

    # The next supervisor takes it over; what was blocked is.
    instance.start(seconds=60)
    assert program_on(place) == program
    assert instance.json("shield", "list")[0]["prefix"] == "203.0.113.7/32"
    instance.cli("shield", "unblock", "203.0.113.7")


def test_blocked_at_once_and_let_in_again_at_once(place: Ground, instance: Instance) -> None:
    assert reaches(place, PORTS.http)
    assert f"{FAR_V4}/32 is blocked" in instance.cli("shield", "block", FAR_V4, "--reason", "a test").stdout
    assert not reaches(place, PORTS.http)
    (entry,) = instance.json("shield", "list")
    assert (entry["prefix"], entry["reason"], entry["until"]) == (f"{FAR_V4}/32", "a test", None)
    assert entry["packets"] > 0
    done = instance.cli("shield", "unblock", FAR_V4)
    assert "no longer blocked" in done.stdout
    assert reaches(place, PORTS.http)

    # A shorter prefix that covers it is named, and the answer is no.
    instance.cli("shield", "block", "198.18.5.0/30", "--yes-really")
    instance.cli("shield", "block", FAR_V4, "--for", "1h")
    done = instance.cli("shield", "unblock", FAR_V4, check=False)
    assert done.returncode == 1
    assert "still blocked, by 198.18.5.0/30" in done.stderr
    assert not reaches(place, PORTS.http)

    # The allow list comes first.
    instance.cli("shield", "allow", FAR_V4)
    assert reaches(place, PORTS.http)
    instance.cli("shield", "disallow", FAR_V4)
    assert not reaches(place, PORTS.http)
    instance.cli("shield", "unblock", "198.18.5.0/30")


def test_dangerous_things_are_refused_and_change_nothing(place: Ground, instance: Instance) -> None:
    for prefix, words in (
        (HERE_V4, "an address of this machine"),
        ("198.18.0.0/15", "an address of this machine"),
        ("0.0.0.0/0", "very broad"),
        ("2000::/3", "very broad"),
        ("198.18.5.1/24", "the prefix is 198.18.5.0/24"),
        ("nobody", "no address and no prefix"),
    ):
        refused = instance.cli("shield", "block", prefix, check=False)
        assert refused.returncode == 2, refused
        assert words in refused.stderr
    instance.cli("shield", "allow", "203.0.113.0/24")
    refused = instance.cli("shield", "block", "203.0.113.9", check=False)
    assert refused.returncode == 1
    assert "on the allow list (as 203.0.113.0/24)" in refused.stderr
    assert instance.json("shield", "list") == []
    instance.cli("shield", "disallow", "203.0.113.0/24")


def no_web(instance: Instance) -> Path:
    """A rule file whose only rule drops what the far end sends to the web port; loaded."""
    file = instance.folder / "good.toml"
    file.write_text(
        f'[[rule]]\nid = 7\nnote = "no web"\naction = "drop"\nprotocol = "tcp"\n'
        f'destination_ports = {PORTS.http}\nsource = "{FAR_V4}"\n'
    )
    instance.cli("shield", "rules", "load", str(file))
    return file


def test_rules_are_checked_as_a_whole(place: Ground, instance: Instance) -> None:
    good = no_web(instance)
    assert not reaches(place, PORTS.http)
    assert reaches(place, PORTS.https)
    bad = instance.folder / "bad.toml"
    bad.write_text(good.read_text() + '[[rule]]\nid = 8\naction = "drop"\nsource_ports = 53\n')
    refused = instance.cli("shield", "rules", "load", str(bad), check=False)
    assert refused.returncode == 2
    assert "rule 2" in refused.stderr
    (rule,) = instance.json("shield", "rules", "list")
    assert (rule["id"], rule["action"], rule["note"]) == (7, "drop", "no web")
    assert rule["packets"] > 0
    top = instance.json("shield", "top")
    assert [one["id"] for one in top["rules"]] == [7]
    assert any(one["reason"] == "DROP_RULE" for one in top["reasons"])
    instance.cli("shield", "rules", "clear")


def test_lists_and_rules_hold_after_an_orderly_stop_and_a_start(place: Ground, instance: Instance) -> None:
    no_web(instance)
    lines = ["# a list", *(f"100.{n // 256}.{n % 256}.9" for n in range(3_000)), "2a00::/32 ; a remark"]
    file = instance.folder / "list.txt"
    file.write_text("\n".join(lines))
    instance.cli("shield", "block", "--file", str(file), "--reason", "bots")
    assert instance.json("shield", "status")["lists"]["blocked"] == 3_001
    instance.cli("shield", "block", "203.0.113.7", "--for", "2s")
    assert instance.stop() == 0
    assert program_on(place) is None, "an orderly stop detaches"
    assert sysctl(place, "tcp_timestamps") == "1", "and puts back what was"
    assert "detached" in [one["event"] for one in shield_log(instance)]
    stored = instance.cli("shield", "block", "203.0.113.8")
    assert "holds from the next start" in stored.stderr
    time.sleep(2)
    instance.start(seconds=60)
    found = {one["prefix"]: one["reason"] for one in instance.json("shield", "list")}
    assert len(found) == 3_002
    assert found["100.0.0.9/32"] == found["2a00::/32"] == "bots"
    assert "203.0.113.8/32" in found
    assert "203.0.113.7/32" not in found, "its time was over"
    eventually(lambda: not reaches(place, PORTS.http), seconds=60)  # the rule
    instance.cli("shield", "rules", "clear")
    assert reaches(place, PORTS.http)
    taken = instance.json("shield", "unblock", "--file", str(file))
    assert taken["removed"] == 3_001
    assert {one["prefix"] for one in instance.json("shield", "list")} == {"203.0.113.8/32"}
    instance.cli("shield", "unblock", "203.0.113.8")


def test_a_damaged_list_is_moved_aside_and_the_rest_protects(place: Ground, instance: Instance) -> None:
    instance.cli("shield", "block", "203.0.113.9")
    instance.cli("shield", "allow", "203.0.113.10")
    assert instance.stop() == 0
    folder = instance.configuration.paths.shield
    (journal,) = folder.glob("block*.journal")
    damaged = bytearray(journal.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    journal.write_bytes(damaged)
    instance.launch()
    found = eventually(lambda: _said(instance, "moved to"), seconds=60)
    assert found is not None
    assert not found.on, "a fault, which rempart status ends with 1 for"
    eventually(lambda: program_on(place) is not None, seconds=30)
    assert [one["prefix"] for one in instance.json("shield", "list", "allowed")] == ["203.0.113.10/32"]
    (said,) = [one for one in shield_log(instance) if one["event"] == "packet shield: lists are not complete"]
    assert "moved to" in said["reason"]
    assert not instance.json("shield", "list")
    instance.cli("shield", "block", "203.0.113.9")
    assert instance.json("shield", "list")[0]["prefix"] == "203.0.113.9/32"
    instance.cli("shield", "unblock", "203.0.113.9")
    instance.cli("shield", "disallow", "203.0.113.10")
    # What was wrong is said until the part has started without it.
    assert instance.cli("status", check=False).returncode == 1
    assert instance.stop() == 0
    instance.start(seconds=60)
    assert state_of(instance).on


def test_a_capture_holds_what_was_dropped_and_why(place: Ground, instance: Instance) -> None:
    file = instance.folder / "dropped.pcapng"
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(
            instance.cli, "shield", "capture", "--write", str(file), "--seconds", "6", "--dropped", "--json"
        )
        eventually(lambda: file.exists() and file.stat().st_size > 0)
        for port in range(9000, 9005):
            _knock(place, port)
        done = json.loads(running.result().stdout)
    assert done["packets"] >= 5
    written = file.read_bytes()
    assert written[:4] == b"\x0a\x0d\x0d\x0a"
    assert written.count(b"DROP_NOT_SERVED: ") == done["packets"]
    assert not tables.flags(_opened(instance)) & Flag.CAPTURING


def _knock(place: Ground, port: int) -> None:
    """One datagram to a port of the guarded machine."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"knock", (HERE_V4, port))

    inside(place.far.namespace, send)


def _opened(instance: Instance) -> loader.Shield:
    return loader.adopt(instance.configuration.shield_pins)


def test_an_address_that_comes_is_guarded_too(place: Ground, instance: Instance) -> None:
    place.ip("address", "add", "198.18.5.77/24", "dev", INTERFACE)
    try:
        eventually(lambda: not _answers_reset(place, "198.18.5.77"), seconds=20)
    finally:
        place.ip("address", "del", "198.18.5.77/24", "dev", INTERFACE)


def test_a_local_prefix_that_is_too_large_is_said_everywhere(place: Ground, instance: Instance) -> None:
    place.ip("route", "add", "local", "198.51.0.0/16", "dev", "lo")
    try:
        found = eventually(lambda: state_of(instance).unfiltered, seconds=60)
        assert found[0].startswith("198.51.0.0/16 (65,536 addresses")
        assert f"NOT filtered: {found[0]}" in instance.cli("shield", "status").stdout
        assert f"NOT for {found[0]}" in instance.cli("status", check=False).stdout
        assert any("of ours passes" in one["event"] for one in shield_log(instance))
    finally:
        place.ip("route", "del", "local", "198.51.0.0/16", "dev", "lo")
    eventually(lambda: not state_of(instance).unfiltered, seconds=60)


def _answers_reset(place: Ground, address: str) -> bool:
    """Whether a port on which nothing listens is answered by the kernel: it is when the shield lets it
    through."""

    def connect() -> bool:
        try:
            with socket.create_connection((address, 9999), timeout=1):
                return True
        except ConnectionRefusedError:
            return True
        except OSError:
            return False

    return inside(place.far.namespace, connect)


def test_new_settings_hold_from_the_next_start_without_a_gap(place: Ground, instance: Instance) -> None:
    program, pid, text = program_on(place), instance.pid("shield"), instance.config_file.read_text()
    assert not _answers_reset(place, HERE_V4)
    instance.config_file.write_text(text.replace(f'"tcp/{ALSO}"', f'"tcp/{ALSO}", "tcp/9999"'))
    instance.kill_supervisor()  # as at an upgrade: all parts go on
    instance.start(seconds=60)
    eventually(lambda: instance.pid("shield") != pid and state_of(instance).on, seconds=30)
    assert program_on(place) == program
    events = [one["event"] for one in shield_log(instance)]
    assert "left attached" in events
    assert "detached" not in events[events.index("left attached") :]
    assert _answers_reset(place, HERE_V4)


def test_switched_off_it_is_gone_and_every_place_says_so(place: Ground, instance: Instance) -> None:
    instance.kill_supervisor()  # as at an upgrade: all parts go on
    text = instance.config_file.read_text().replace("enabled = true", "enabled = false")
    instance.config_file.write_text(text)
    instance.start(seconds=60)
    assert program_on(place) is None
    assert sysctl(place, "tcp_timestamps") == "1"
    # The controller is adopted, too, and may not answer yet.
    words = "packet shield: off — switched off by shield.enabled = false"
    eventually(lambda: words in instance.cli("status", check=False).stdout, seconds=30)
    metrics = inside(place.here.namespace, _metrics)
    assert 'rempart_shield_up{reason="switched off by shield.enabled = false"} 0.0' in metrics
    assert instance.cli("shield", "status", check=False).returncode == 1
    assert instance.stop() == 0


def test_what_somebody_else_has_attached_is_not_touched_and_is_a_fault_that_is_named(place: Ground) -> None:
    other = inside(place.here.namespace, _attached)
    try:
        with made(place, syn_cookies="always", mode="auto") as instance:
            instance.launch()
            found = eventually(lambda: _said(instance, "has an XDP program already"), seconds=90)
            assert found is not None
            assert not found.on
            status = instance.cli("status", check=False)
            assert status.returncode == 1
            assert f"packet shield: {INTERFACE}: " in status.stderr
            assert program_on(place) == other.program.id
            # Once it is gone ours comes by itself.
            inside(place.here.namespace, other.close)
            eventually(lambda: state_of(instance).on, seconds=90)

            # Generic by itself: over veth a native program's answers arrive only where the other end has one.
            assert state_of(instance).interfaces[0].mode == "generic"
            # With it come the cookies: connections are made by them, and the kernel is set right for that.
            instance.wait_until_up(seconds=60)
            assert sysctl(place, "tcp_syncookies") == "2"
            assert reaches(place, PORTS.http)
            assert reaches(place, PORTS.https, HERE_V6)
            counts = {one["reason"]: one["packets"] for one in instance.json("shield", "status")["counts"]}
            assert counts["TX_SYN_COOKIE"] >= 2
            assert counts["PASS_PROVEN"] >= 2
            assert instance.stop() == 0
            assert sysctl(place, "tcp_syncookies") == "1"
    finally:
        other.close()


def test_a_resolver_with_a_cookie_of_the_name_server_is_spared_what_strangers_meet(place: Ground) -> None:
    # Generic: over veth a native program's answers arrive only where the other end has one.
    measures = {"dns_challenge": "above", "dns_threshold": 100, "hold_seconds": 120}
    with made(place, mode="generic", **measures) as instance:
        instance.start(seconds=60)
        eventually(lambda: state_of(instance).on, seconds=60)
        assert json.loads(instance.cli("shield", "status", "--json").stdout)["dns_cookies"] is True
        cookies = {here: _cookie(place, here) for here in (HERE_V4, HERE_V6)}
        for here, cookie in cookies.items():
            # A stranger's flood begins the measure: from then on he is sent to TCP …
            deadline = time.monotonic() + 60
            while not _asked(place, here, at_once=50).flags & dns.flags.TC:
                assert time.monotonic() < deadline
            # … and who shows the cookie is answered by the name server, which has no such zone.
            spared = _asked(place, here, cookie)
            assert not spared.flags & dns.flags.TC
            assert spared.rcode() == dns.rcode.REFUSED
            other = bytes([cookie[0] ^ 1]) + cookie[1:]
            assert _asked(place, here, other).flags & dns.flags.TC
        key = read_cookie_key(instance.configuration.paths)
        assert key is not None
        for log in (instance.state / "log").iterdir():
            assert key.hex() not in log.read_text().lower()
        assert instance.stop() == 0


def _cookie(place: Ground, address: str) -> bytes:
    """What the name server gives whoever asks with a client's cookie."""
    (option,) = _asked(place, address, CLIENT_COOKIE).options
    cookie = bytes(option.to_wire() or b"")
    assert len(cookie) == 24
    return cookie


def _asked(
    place: Ground, address: str, cookie: bytes | None = None, *, at_once: int = 1
) -> dns.message.Message:
    """The last answer to the far end's questions over UDP."""
    options: list[dns.edns.Option] = []
    if cookie is not None:
        options.append(dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie))
    query = dns.message.make_query("www.example.org", "A", use_edns=0, options=options)

    def ask() -> dns.message.Message:
        with socket.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM
        ) as sender:
            for _ in range(at_once - 1):
                sender.sendto(query.to_wire(), (address, PORTS.dns))
        return dns.query.udp(query, address, port=PORTS.dns, timeout=10)

    return inside(place.far.namespace, ask)


def _attached() -> loader.Shield:
    """Another tool's program on the interface."""
    held = loader.load(program_bytes(), None)
    held.attach(INTERFACE)
    return held


def _said(instance: Instance, words: str) -> ShieldState | None:
    found = read_state(instance.configuration.paths)
    return found if found is not None and words in found.reason else None
