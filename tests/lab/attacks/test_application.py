"""Attacks over HTTP: each says what it should, and what it says it sent is what a site has read."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from pathlib import Path

import hpack
import pytest

from rempart.lab.attacks import (
    browser_copy,
    cache_busting_flood,
    challenge_bots,
    cookie_bots,
    http2_continuation,
    http2_rapid_reset,
    http_get_flood,
    post_flood,
)
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Target
from rempart.lab.attacks.http2_frames import frame, header_block
from rempart.lab.attacks.reporting import Tally, read_sent
from rempart.lab.attacks.sessions import next_path
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.contract import Metric
from rempart.lab.drills.measures import Phases
from rempart.lab.drills.starting import order_of, parameters_of
from rempart.lab.network.world import WorldShape, world
from rempart.lab.visitors.contract import Kind
from tests.lab.attacks.loopback import HOST, Request, Site, ordered, page, site

TARGET = Target(
    host=HOST, zone="shop.example", v4="192.0.2.1", v6="2001:db8::1", pages=("/", "/a?b=1"),
    costly_pages=("/search?q={}",), form_page="/comment", large_page="/large",
)  # fmt: skip
RATE = 60.0
TOLERANCE = 0.05


def decoded(block: bytes, decoder: hpack.Decoder) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in decoder.decode(block)]


def close_to(told: int, wanted: float) -> bool:
    return abs(told - wanted) <= max(2.0, TOLERANCE * wanted)


def kept(units: int, rate: float) -> bool:
    """A rate is never passed; a busy machine may fall behind it."""
    return 0.3 * rate <= units <= rate + 2


def test_every_attack_has_a_drill_of_its_name_and_every_wave_an_attack() -> None:
    assert set(ATTACKS) <= set(DRILLS)
    for drill in DRILLS.values():
        for wave in drill.waves:
            attack = ATTACKS[wave.attack]
            assert float(parameters_of(attack.defaults, wave.parameters)["rate"]) > 0
            assert 0 <= wave.begins < wave.ends <= 1
        if drill.waves:
            assert {bar.metric for bar in drill.bars} >= {Metric.TIME_TO_MITIGATE, Metric.GOODPUT}


def test_a_mixture_is_several_attacks_that_overlap() -> None:
    waves = DRILLS["mixture"].waves
    assert len({wave.attack for wave in waves}) >= 3
    assert max(wave.begins for wave in waves) < min(wave.ends for wave in waves)
    plan = world(WorldShape(), seed=1, run="x", cores=2)
    phases = Phases(begin=0, calm=2, attack=10, attack_end=30, end=33)
    orders = [
        order_of(DRILLS["mixture"], number, 5, plan, TARGET, phases, "02:00:00:00:00:01", Path())
        for number in range(len(waves))
    ]
    assert [order.begin_at for order in orders] == [10, 14, 18, 22]
    assert [order.begin_at + order.seconds for order in orders] == [30, 30, 30, 30]
    assert [order.parameters["rate"] for order in orders] == [wave.parameters["rate"] for wave in waves]
    assert len({order.seed for order in orders}) == len(orders)


def test_no_two_cache_busting_requests_are_the_same() -> None:
    chosen = random.Random(1)
    paths = [cache_busting_flood.request(TARGET, chosen).split(b" ")[1].decode() for _ in range(500)]
    assert len(set(paths)) == 500
    assert all(re.fullmatch(r"/\?\w+=\w+|/a\?b=1&\w+=\w+", path) for path in paths)


def test_a_posted_form_is_as_long_as_it_says_and_never_the_same() -> None:
    chosen = random.Random(1)
    forms = [post_flood.request(TARGET, 200, chosen).partition(b"\r\n\r\n") for _ in range(50)]
    assert all(b"Content-Length: 200" in head and len(body) == 200 for head, _, body in forms)
    assert all(body.startswith(b"text=") for _, _, body in forms)
    assert len({body for _, _, body in forms}) == 50


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 300, 20_000])
def test_header_blocks_are_what_a_decoder_reads(length: int) -> None:
    lines = [(":method", "GET"), (":path", "/" + "x" * length)]
    decoder = hpack.Decoder(max_header_list_size=1 << 20)
    # Twice: no table remembers the first.
    assert decoded(header_block(lines), decoder) == decoded(header_block(lines), decoder) == lines


def test_a_frame_is_laid_out_as_the_rfc_has_it() -> None:
    assert frame(3, 0, 5, b"\0\0\0\x08") == bytes.fromhex("000004 03 00 00000005 00000008")


def test_streams_of_a_connection_go_on_where_they_were() -> None:
    chosen = random.Random(1)
    octets = http2_rapid_reset.units(TARGET, 0, 3, chosen) + http2_rapid_reset.units(TARGET, 3, 2, chosen)
    streams = []
    while octets:
        length = int.from_bytes(octets[:3], "big")
        streams.append((octets[3], octets[4], int.from_bytes(octets[5:9], "big")))
        octets = octets[9 + length :]
    assert streams == [one for stream in (1, 3, 5, 7, 9) for one in ((1, 5, stream), (3, 0, stream))]


def test_continuations_are_as_long_as_ordered_and_never_end_the_headers() -> None:
    for length in (4, 5, 130):
        octets = http2_continuation.fragment(length)
        assert (octets[3], octets[4], int.from_bytes(octets[:3], "big")) == (9, 0, length)
        assert decoded(octets[9:], hpack.Decoder()) == [("x", "y" * (length - 4))]


def test_a_visit_begins_at_an_ordinary_page() -> None:
    chosen = random.Random(1)
    assert {next_path(TARGET, True, 1.0, chosen) for _ in range(50)} == set(TARGET.pages)
    assert all(next_path(TARGET, False, 1.0, chosen).startswith("/search?q=") for _ in range(50))
    share = sum(next_path(TARGET, False, 0.3, chosen).startswith("/search") for _ in range(2_000)) / 2_000
    assert 0.25 < share < 0.35


def sent_to(seen: Site, folder: Path, attack: str, module: object, **changed: object) -> tuple[int, int]:
    """(units, answered) of one second of an attack against the site."""
    order = ordered(attack, folder, seen.port, {"rate": RATE, **changed})
    tally = Tally(folder)
    try:
        module.carry_out(order, tally)  # type: ignore[attr-defined]
    finally:
        tally.close()
    total = read_sent(folder).total
    assert total is not None
    assert total.answered is not None
    return total.units, total.answered


@pytest.mark.parametrize(
    ("attack", "module"),
    [
        ("http-get-flood", http_get_flood),
        ("cache-busting-flood", cache_busting_flood),
        ("post-flood", post_flood),
        ("cookie-bots", cookie_bots),
        ("challenge-bots", challenge_bots),
        ("browser-copy", browser_copy),
    ],
)
def test_what_is_said_to_be_sent_is_what_a_site_has_read(tmp_path: Path, attack: str, module: object) -> None:
    with site(tmp_path) as seen:
        units, answered = sent_to(seen, tmp_path, attack, module, source_count=100)
    assert kept(units, RATE)
    assert close_to(units, len(seen.requests))
    # The last ones leave before their answer.
    assert 0.5 * units <= answered <= units
    assert len({request.source for request in seen.requests}) > 10
    assert all(request.source.startswith("127.0.9.") for request in seen.requests)


def test_a_pulse_wave_is_silent_in_its_pauses(tmp_path: Path) -> None:
    with site(tmp_path) as seen:
        units, _ = sent_to(seen, tmp_path, "pulse-wave", http_get_flood, on_s=0.3, off_s=5.0)
    assert 0 < units <= 0.3 * RATE + 2
    assert close_to(units, len(seen.requests))


def test_bots_with_cookies_look_like_a_session(tmp_path: Path) -> None:
    changed = {"source_count": 3, "requests_per_second_each": 50.0}
    with site(tmp_path) as seen:
        sent_to(seen, tmp_path, "cookie-bots", cookie_bots, **changed)
    by_bot: dict[str, list[Request]] = {}
    for request in seen.requests:
        by_bot.setdefault(request.source, []).append(request)
    assert len(by_bot) == 3
    for requests in by_bot.values():
        lines = [dict(request.lines) for request in requests]
        assert requests[0].path in ("/", "/product/1")
        assert "Cookie" not in lines[0]
        assert "Referer" not in lines[0]
        assert all(line["Cookie"] == "session=abc" for line in lines[1:])
        assert len({line["User-Agent"] for line in lines}) == 1
        for before, line in zip(requests, lines[1:], strict=False):
            # A referer is the page before; a visit that has just begun has none.
            assert line.get("Referer", f"https://{HOST}{before.path}") == f"https://{HOST}{before.path}"


GATE = b"""<div id="gate" data-nonce="00aa" data-proof="1.proof.x" data-bits="8"></div>
<noscript><form action="/.rempart/gate/pass" method="get"><input name="c" value="1.wait.x">
<input name="to" value="/"></form></noscript>"""


def gate(request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
    """A gate that lets nobody through but with the clearance, which only a right answer gets."""
    cookies = dict(request.lines).get("Cookie", "")
    if request.path == "/.rempart/gate/pass" and request.method == "POST":
        number = int(request.body.partition(b"&p=")[2])
        proved = hashlib.sha256(f"00aa:{number}".encode()).digest()[0] == 0
        return (204 if proved else 403), [("set-cookie", "clearance=proof")] if proved else [], b""
    if request.path.startswith("/.rempart/gate/pass?c=1.wait.x"):
        return 302, [("set-cookie", "clearance=wait"), ("location", "/")], b""
    if "clearance=" not in cookies:
        return 503, [("content-type", "text/html"), ("retry-after", "0")], GATE
    return page(request)


@pytest.mark.parametrize(("waiting", "way"), [(0.0, "clearance=proof"), (1.0, "clearance=wait")])
def test_bots_pass_the_challenge_and_flood_with_the_clearance(
    tmp_path: Path, waiting: float, way: str
) -> None:
    with site(tmp_path, reply=gate) as seen:
        units, answered = sent_to(
            seen, tmp_path, "challenge-bots", challenge_bots, waiting_share=waiting, source_count=5,
            requests_per_second_each=20.0,
        )  # fmt: skip
    assert close_to(units, len(seen.requests))
    cleared = [one for one in seen.requests if way in dict(one.lines).get("Cookie", "")]
    passed = [one for one in seen.requests if one.path.startswith("/.rempart/gate/pass")]
    assert len(passed) == 5
    assert len(cleared) > 20
    assert abs(answered - len(cleared)) <= 2


def test_bots_know_which_way_they_take() -> None:
    assert challenge_bots.kind_of(0.2, 0.5) is Kind.NO_JAVASCRIPT
    assert challenge_bots.kind_of(0.7, 0.5) is Kind.BROWSER


def test_a_copied_browser_sends_headers_in_its_order(tmp_path: Path) -> None:
    with site(tmp_path) as seen:
        sent_to(seen, tmp_path, "browser-copy", browser_copy, source_count=3)
    first = seen.requests[0]
    assert [name for name, _ in first.lines] == [
        ":method", ":authority", ":scheme", ":path",
        "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "upgrade-insecure-requests", "user-agent",
        "accept", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-user", "sec-fetch-dest",
        "accept-encoding", "accept-language", "priority",
    ]  # fmt: skip
    later = next(one for one in seen.requests if "referer" in dict(one.lines))
    assert [name for name, _ in later.lines[-6:]] == [
        "sec-fetch-dest", "referer", "accept-encoding", "accept-language", "cookie", "priority",
    ]  # fmt: skip
    assert dict(later.lines)["cookie"] == "session=abc"


def test_a_copied_browser_opens_its_connection_as_chrome_does(tmp_path: Path) -> None:
    with site(tmp_path, frames_only=3) as seen:
        sent_to(seen, tmp_path, "browser-copy", browser_copy, rate=2.0)
    settings, window, first = seen.frames[:3]
    assert settings[0] == 4
    assert settings[2].hex() == "000100010000" + "000200000000" + "000400600000" + "000600040000"
    assert window[0] == 8
    assert int.from_bytes(window[2], "big") == 15_663_105
    # HEADERS that end the request, with a priority: exclusive, on stream 0, weight 256 (written as 255).
    assert (first[0], first[1]) == (1, 0x25)
    assert first[2][:5].hex() == "80000000ff"


def test_every_reset_request_was_read_as_one(tmp_path: Path) -> None:
    with site(tmp_path) as seen:
        units, _ = sent_to(
            seen, tmp_path, "http2-rapid-reset", http2_rapid_reset, rate=400.0, connections=4,
            units_per_connection=50,
        )  # fmt: skip
    assert kept(units, 400)
    assert close_to(units, len(seen.requests))
    assert close_to(units, seen.resets)
    assert seen.connections >= units // 50
    assert all(request.path.startswith("/search?q=") for request in seen.requests)


@pytest.mark.parametrize(("most", "again"), [(0, 0.5), (200, 0.0)])
def test_every_continuation_was_read_as_one(tmp_path: Path, most: int, again: float) -> None:
    """Also when the site ends connections: then it has read a little less than was written."""
    with site(tmp_path, frames_only=most) as seen:
        units, _ = sent_to(
            seen, tmp_path, "http2-continuation", http2_continuation, rate=1_000.0, connections=4,
            again_after_s=again,
        )  # fmt: skip
    kinds = Counter((kind, flags) for kind, flags, _ in seen.frames)
    assert kept(units, 1_000)
    assert kinds[1, 1] == seen.connections
    if most:
        assert seen.connections > 4
        assert 0 < kinds[9, 0] <= units
    else:
        assert seen.connections == 4
        assert close_to(units, kinds[9, 0])
