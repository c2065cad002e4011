"""The page of a receipt and what may be said on it, as plays."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.gate.receipts import box as boxes
from rempart.gate.receipts.box import KEPT_MOST, OF_A_NETWORK, OF_A_RECEIPT, OF_ALL, Messages, Outcome
from rempart.gate.receipts.replies import Answered, answered
from rempart.gate.receipts.words import LANGUAGES, conditions, words
from rempart.gate.replies import Request
from rempart.model.attacks import Term
from rempart.model.errors import InvalidInput
from rempart.model.gate import GateKey, GateKeys
from rempart.model.receipts import (
    Condition,
    Message,
    Notice,
    Notices,
    Refusal,
    Released,
    issue,
    read,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYS = GateKeys(keys=(GateKey(kid="one", secret="11" * 32, created=0),), receipts="22" * 32)
NOTICE = Notice(
    number=17,
    subject="shop.test",
    action="drop",
    conditions=(Condition(field="method", value="GET"), Condition(field="tls", missing=True)),
    since=NOW - timedelta(minutes=5),
    until=NOW + timedelta(minutes=1),
)


def made(**fields: Any) -> str:
    plain = {"host": "shop.test", "status": 403, "at": int(NOW.timestamp()), "network": "198.51.100.0/24"}
    refusal = Refusal.model_validate({**plain, **fields})
    return issue(refusal, KEYS.receipt_key_base64, KEYS.receipt_key)


DROPPED = made(why="defence", mitigation=17)


def ask(
    receipt: str,
    query: str = "",
    *,
    method: str = "GET",
    body: str = "",
    client: str = "198.51.100.7",
    known: Notices | None = None,
    box: Messages = (),
    now: datetime = NOW,
    **headers: str,
) -> Answered:
    fields = {"x-forwarded-for": client, **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = Request(method, f"/receipt/{receipt}", query, fields, body)
    return answered(request, KEYS, known or Notices(at=NOW, mitigations=(NOTICE,)), box, now)


def token(receipt: str, **fields: Any) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', ask(receipt, **fields).reply.body)
    assert found is not None
    return found[1]


def send(receipt: str, guard: str, text: str = "I only read.", **fields: Any) -> Answered:
    body = urlencode({"text": text, "contact": fields.pop("contact", ""), "token": guard})
    return ask(receipt, method="POST", body=body, **fields)


@given(
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,98}", fullmatch=True),
    st.integers(100, 599),
    st.sampled_from(["", "defence", "client-rate", "challenge"]),
    st.none() | st.integers(1, 2**31),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["192.0.2.0/24", "2001:db8:7::/48", "10.0.0.0/24", "::/48"]),
)
def test_what_is_written_is_read(
    host: str, status: int, why: str, number: int | None, at: int, network: str
) -> None:
    refusal = Refusal(host=host, status=status, why=why, mitigation=number, at=at, network=network)
    text = issue(refusal, KEYS.receipt_key_base64, KEYS.receipt_key)
    assert read(text, KEYS.receipt_key) == refusal
    with pytest.raises(InvalidInput):
        read(text, b"another key")


def test_the_rule_is_said_in_words_in_both_languages() -> None:
    english = ask(DROPPED, accept_language="de, en;q=0.5").reply
    for said in ("it used the method GET", "it came without encryption", "Such requests are refused."):
        assert said in english.body
    assert "21 November 2026, 11:55:00 UTC" in english.body
    assert "21 November 2026, 12:01:00 UTC, later if the attack goes on" in english.body
    french = ask(DROPPED, accept_language="fr-CA, en;q=0.5").reply
    assert "elle utilisait la méthode GET" in french.body
    assert '<html lang="fr">' in french.body
    assert "it used the method" in ask(DROPPED, "lang=en", accept_language="fr").reply.body, "a choice"
    assert dict(english.headers)["Cache-Control"] == "no-store"


def test_what_became_of_it_is_said() -> None:
    over = replace_notice(ended=True, until=NOW - timedelta(minutes=1))
    assert "no longer stands: please try again" in ask(DROPPED, known=over).reply.body
    revoked = replace_notice(ended=True, revoked=True)
    assert "A person has called this rule wrong" in ask(DROPPED, known=revoked).reply.body
    forgotten = Notices(at=NOW)
    assert "The details are no longer kept" in ask(DROPPED, known=forgotten).reply.body
    limited = made(status=429, why="client-rate")
    let = Notices(at=NOW, released=(Released(receipt=limited, until=NOW + timedelta(hours=3)),))
    assert "let your address through until 21 November 2026, 15:00:00" in ask(limited, known=let).reply.body


def replace_notice(**fields: Any) -> Notices:
    return Notices(at=NOW, mitigations=(NOTICE.model_copy(update=fields),))


def test_every_answer_of_the_edge_has_words_in_both_languages() -> None:
    for code in LANGUAGES:
        for status in (400, 403, 405, 408, 413, 421, 429, 500, 502, 503, 504, 451):
            for why in ("", "client-rate", "site-rate", "client-concurrency", "challenge", "something-new"):
                page = ask(made(status=status, why=why), f"lang={code}").reply
                assert page.status == 200
                assert "{" not in page.body.replace(":root{", "").partition("</style>")[2]
    english, french = (words(code) for code in LANGUAGES)
    assert english.texts.keys() == french.texts.keys()
    for name, table in english.tables.items():
        assert table.keys() == french.tables[name].keys()
        for key, text in table.items():
            assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", french.tables[name][key])


def test_headers_are_named() -> None:
    only = Condition(field="headers", present=("accept", "user-agent"), absent=("cookie",), exactly=True)
    assert conditions((only,), words("en")) == ["of the usual headers it had only accept, user-agent"]
    some = only.model_copy(update={"exactly": False})
    assert len(conditions((some,), words("fr"))) == 2
    assert "it was a request to this website" in conditions((), words("en"))[0]


def test_a_message_arrives_once_its_form_was_shown() -> None:
    taken = send(DROPPED, token(DROPPED), "I only\r\nread.\u202e\x1b[2J", contact="me\n@x")
    assert taken.reply.status == 303
    (message,) = taken.box
    assert (message.text, message.contact) == ("I only\nread.[2J", "me@x"), "nothing that steers a terminal"
    assert (message.address, message.network) == ("198.51.100.7", "198.51.100.0/24")
    page = ask(DROPPED, "sent=1", box=taken.box).reply.body
    assert "Thank you" in page
    assert "<form" not in page
    # Who writes from elsewhere about it is heard, but it is not their address that would be released.
    elsewhere = "2001:db8:9:8::7"
    (other,) = send(DROPPED, token(DROPPED, client=elsewhere), client=elsewhere).box
    assert (other.address, other.network) == ("", "2001:db8:9::/48")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"guard": "0" * 32}, 403),
        ({"guard": ""}, 403),
        ({"client": "198.51.100.8"}, 403),
        ({"now": NOW + timedelta(hours=4)}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"text": "  \n "}, 400),
        ({"text": "x" * 1_001}, 400),
        ({"contact": "x" * 121}, 400),
    ],
)
def test_what_is_not_taken_is_not_lost(fields: dict[str, Any], status: int) -> None:
    guard = fields.pop("guard", token(DROPPED))
    text = fields.pop("text", 'I <only> "read".')
    refused = send(DROPPED, guard, text, **fields)
    assert (refused.reply.status, refused.box) == (status, ())
    assert 'role="alert"' in refused.reply.body
    if text.startswith("I "):
        assert "I &lt;only&gt; &quot;read&quot;." in refused.reply.body


def test_after_thirty_days_it_takes_no_message() -> None:
    late = NOW + timedelta(days=31)
    assert "more than 30 days old" in ask(DROPPED, now=late).reply.body
    assert "<form" not in ask(DROPPED, now=late).reply.body
    assert send(DROPPED, "0" * 32, now=late).reply.status == 410


def test_what_is_no_receipt() -> None:
    for wrong in ("nonsense", DROPPED.replace("-17.", "-18."), DROPPED + "0", "%00", "x" * 5_000):
        page = ask(wrong).reply
        assert page.status == 404
        assert "This is no receipt" in page.body
    assert "<script>" not in ask("<script>").reply.body
    assert (
        ask("", f"id=https://x.test/receipt/{DROPPED}").reply.headers[0][1] == f"/receipt/{DROPPED}?lang=en"
    )
    assert ask("", "id=//evil.test").reply.headers[0][1].startswith("/receipt/evil.test")
    assert ask("", "&".join(f"a{n}=1" for n in range(20))).reply.status == 400
    assert ask(DROPPED, method="DELETE").reply.status == 405


def message(receipt: str = "r", network: str = "192.0.2.0/24", at: datetime = NOW) -> Message:
    return Message(receipt=receipt, network=network, at=at, text="t")


def fill(number: int, **fields: Any) -> Messages:
    """Messages of as many networks, an hour and more ago."""
    return tuple(
        message(f"r{n}", f"10.{n // 256}.{n % 256}.0/24", NOW - timedelta(hours=2), **fields)
        for n in range(number)
    )


def test_how_much_may_be_said() -> None:
    box: Messages = ()
    for _ in range(OF_A_RECEIPT):
        box, outcome = boxes.put(box, message(), NOW)
        assert outcome is Outcome.TAKEN
    assert boxes.put(box, message(), NOW) == (box, Outcome.RECEIPT_FULL)
    for n in range(OF_A_NETWORK - OF_A_RECEIPT):
        box, outcome = boxes.put(box, message(f"other {n}"), NOW)
        assert outcome is Outcome.TAKEN
    assert boxes.put(box, message("another"), NOW)[1] is Outcome.NETWORK_FULL
    assert boxes.put(box, message("another"), NOW + timedelta(days=2))[1] is Outcome.TAKEN
    busy = tuple(replace_at(one, NOW) for one in fill(OF_ALL))
    assert boxes.put(busy, message(), NOW)[1] is Outcome.BUSY
    assert boxes.put(busy, message(), NOW + timedelta(days=91)) == (
        (message(),),
        Outcome.TAKEN,
    )


def replace_at(one: Message, at: datetime) -> Message:
    return one.model_copy(update={"at": at})


def test_who_says_most_makes_room_for_the_others() -> None:
    loud = tuple(message(f"l{n}", "10.200.0.0/24", NOW - timedelta(hours=30 + n)) for n in range(50))
    full = (*loud, *fill(KEPT_MOST - 50))
    box, outcome = boxes.put(full, message(), NOW)
    assert (outcome, len(box)) == (Outcome.TAKEN, KEPT_MOST)
    assert loud[0] not in box
    assert set(full[50:]) <= set(box)


def test_what_the_loop_names_becomes_words() -> None:
    from rempart.node.requests.notices import condition

    terms = (
        Term(field="method", first=1, last=1),
        Term(field="version", first=20, last=20),
        Term(field="headers", first=0b1001, last=0b1001),
        Term(field="headers", first=0b0001, last=0b0001, mask=0b0011),
        Term(field="network", first=0xC6336400, last=0xC6336400),
        Term(field="source", first=0xC6336407, last=0xC6336407),
        Term(field="agent"),
        Term(field="path_shape", first=5, last=5),
        Term(field="news", first=5, last=5),
    )
    found = tuple(condition(one) for one in terms)
    assert "198.51.100.7" not in str(found), "nobody's address"
    for code in LANGUAGES:
        said = conditions(found, words(code))
        assert len(said) == len(terms) + 1
        assert all(said)
