"""What is decided about abuse reports: pure, so tried with everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.governance.reports import proof
from rempart.governance.reports.answering import answering
from rempart.governance.reports.duplicates import (
    STILL_THE_SAME,
    Fingerprint,
    Kind,
    Known,
    likeness,
)
from rempart.governance.reports.floods import (
    HARD,
    HOUR_S,
    KEYS_MAX,
    AskProof,
    Attempt,
    Floods,
    Limits,
    Refuse,
    Take,
    admit,
    source_of,
)
from rempart.governance.reports.forwarding import Happened, Recipient, forwarding
from rempart.governance.reports.identity import without_identity
from rempart.governance.reports.outcomes import Stage, told
from rempart.model.abuse_reports import (
    HANDLING,
    Contact,
    Denial,
    Evidence,
    Handling,
    Notice,
    Report,
    Standing,
    Way,
)
from rempart.model.cases import Category

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REPORT = Report(
    id="r1",
    category=Category.PHISHING,
    host="forum.example.org",
    site="forum.example.org",
    zone="example.org",
    account_id="a",
    urls=("https://forum.example.org/x",),
    way=Way.FORM,
    language="en",
    received_at=NOW,
    anonymous=True,
    host_anonymous=True,
    held=False,
)


def fingerprint(*urls: str, words: str = "w", reporter: str | None = "jane") -> Fingerprint:
    return Fingerprint(
        category=Category.PHISHING,
        host="forum.example.org",
        urls=frozenset(urls),
        words=words,
        reporter=reporter,
    )


def known(id_: str, print_: Fingerprint, **fields: object) -> Known:
    return Known.model_validate(
        {"id": id_, "fingerprint": print_, "received_at": NOW, "decided_at": None, **fields}
    )


class TestDuplicates:
    def test_the_same_reporter_about_the_same_repeats(self) -> None:
        there = known("r1", fingerprint("/a", "/b"))
        assert likeness(fingerprint("/a", words="other"), [there], NOW).kind is Kind.REPEAT

    def test_the_same_words_again_repeat_whoever_sends_them(self) -> None:
        there = known("r1", fingerprint("/a"))
        assert likeness(fingerprint("/a", reporter=None), [there], NOW).kind is Kind.REPEAT

    def test_another_reporter_adds_and_a_new_url_is_new(self) -> None:
        there = known("r1", fingerprint("/a", "/b"))
        other = fingerprint("/a", words="mine", reporter="joe")
        found = likeness(other, [there], NOW)
        assert (found.kind, found.to) == (Kind.ADDS, "r1")
        more = fingerprint("/a", "/c", words="mine", reporter="joe")
        assert likeness(more, [there], NOW).kind is Kind.NEW

    def test_nobody_is_silenced_by_a_bad_report_that_came_first(self) -> None:
        bad = known("r1", fingerprint("/a", words="bad", reporter="x"), refused=True, decided_at=NOW)
        assert likeness(fingerprint("/a"), [bad], NOW).kind is Kind.NEW

    def test_what_is_like_an_addition_is_like_what_that_adds_to(self) -> None:
        first = known("r1", fingerprint("/a", reporter="joe", words="1"))
        added = known("r2", fingerprint("/a", words="2"), same_as="r1", received_at=NOW + timedelta(1))
        assert likeness(fingerprint("/a", words="3"), [added, first], NOW).to == "r1"

    def test_long_after_it_was_decided_it_is_new(self) -> None:
        old = known("r1", fingerprint("/a"), decided_at=NOW - STILL_THE_SAME - timedelta(seconds=1))
        assert likeness(fingerprint("/a"), [old], NOW).kind is Kind.NEW
        assert likeness(fingerprint("/a"), [known("r1", fingerprint("/a"))], NOW).kind is Kind.REPEAT


LIMITS = Limits(per_source=3, per_target=4, in_all=6)
ATTEMPTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans(), st.floats(0, 900)), max_size=60
)


class TestFloods:
    @given(ATTEMPTS)
    def test_no_source_and_no_hour_takes_more_than_its_limit(
        self, attempts: list[tuple[str, str, bool, float]]
    ) -> None:
        state, now, taken = Floods(), 0.0, []
        for source, target, proven, pause in attempts:
            now += pause
            state, said = admit(state, LIMITS, Attempt(source, target, proven), now)
            if isinstance(said, Take):
                taken.append((source, target, proven, said.hold, now))
            elif isinstance(said, Refuse):
                assert said.retry_after_s > 0
        for source in "abc":
            times = [at for one, *_, at in taken if one == source]
            _bounded(times, LIMITS.per_source)
        _bounded([at for *_, at in taken], LIMITS.in_all * HARD)
        _bounded([at for _, _, proven, _, at in taken if not proven], LIMITS.in_all)
        for target in "xy":
            _bounded([at for _, one, _, hold, at in taken if one == target and not hold], LIMITS.per_target)

    def test_a_flood_about_one_site_silences_nobody(self) -> None:
        state = Floods()
        for number in range(LIMITS.per_target):
            state, said = admit(state, LIMITS, Attempt(f"s{number}", "x"), 0)
            assert said == Take(hold=False)
        state, said = admit(state, LIMITS, Attempt("victim", "x"), 0)
        assert said == Take(hold=True), "taken, and a person looks before it is passed on"

    def test_in_a_flood_strangers_show_that_they_mean_it_and_others_need_not(self) -> None:
        state = Floods()
        for number in range(LIMITS.in_all):
            state, _ = admit(state, LIMITS, Attempt(f"s{number}", f"t{number}"), 0)
        assert admit(state, LIMITS, Attempt("new", "t"), 0)[1] == AskProof()
        assert isinstance(admit(state, LIMITS, Attempt("new", "t", proven=True), 0)[1], Take)
        assert isinstance(admit(state, LIMITS, Attempt(None, "t"), 0)[1], Take)

    def test_memory_is_bounded(self) -> None:
        limits, state = Limits(3, 3, 10**6), Floods()
        for number in range(KEYS_MAX + 50):
            state, _ = admit(state, limits, Attempt(f"s{number}", f"t{number}"), 0)
        assert max(len(state.sources), len(state.targets)) <= KEYS_MAX + 1
        state, said = admit(state, limits, Attempt("late", "t"), 2 * HOUR_S)
        assert isinstance(said, Take)
        assert len(state.sources) < 10

    @pytest.mark.parametrize(
        ("address", "source"),
        [
            ("192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("fe80::1%eth0", "fe80::/56"),
            ("testclient", ""),
            (None, None),
        ],
    )
    def test_a_source_is_a_network_not_a_person(self, address: str | None, source: str | None) -> None:
        assert source_of(address) == source


def _bounded(times: list[float], limit: int) -> None:
    """GCRA: in any stretch no more than the limit, and what an hour's share of the stretch adds."""
    for first in range(len(times)):
        for last in range(first, len(times)):
            span = times[last] - times[first]
            assert last - first + 1 <= limit + limit * span / HOUR_S + 1e-6


class TestProof:
    KEY = b"k" * 32

    def test_a_ticket_is_ours_for_its_lifetime(self) -> None:
        text = proof.ticket(self.KEY, b"r" * 16, 100.0)
        assert proof.age(self.KEY, text, 130.0) == 30.0
        assert proof.age(b"x" * 32, text, 130.0) is None
        assert proof.age(self.KEY, text.replace("7", "8"), 130.0) is None
        assert proof.age(self.KEY, text, 99.0) is None
        assert proof.age(self.KEY, text, 101 + proof.LIFETIME_S) is None

    def test_work(self) -> None:
        text = proof.ticket(self.KEY, b"r" * 16, 100.0)
        answer = next(f"{n:x}" for n in range(10**6) if proof.is_work(text, f"{n:x}", bits=10))
        assert not proof.is_work(text, "z" + answer, bits=10)
        assert sum(proof.is_work(text, f"{n:x}", bits=10) for n in range(3_000)) < 20


class TestForwarding:
    def test_to_the_owner_at_once_and_to_the_host_where_that_is_the_policy(self) -> None:
        said = forwarding(REPORT, Handling(to_host=True), Happened.RECEIVED)
        assert [one.to for one in said] == [Recipient.OWNER, Recipient.HOST]
        assert [one.to for one in forwarding(REPORT, Handling(), Happened.RECEIVED)] == [Recipient.OWNER]

    def test_what_is_held_waits_for_a_person(self) -> None:
        held = REPORT.model_copy(update={"held": True})
        assert forwarding(held, Handling(), Happened.RECEIVED) == ()
        assert len(forwarding(held, Handling(), Happened.RELEASED)) == 1
        assert len(forwarding(held, Handling(), Happened.TAKEN_UP)) == 1

    @pytest.mark.parametrize(
        "update",
        [{"forwarded_at": NOW}, {"same_as": "r0"}, {"standing": Standing.REFUSED}],
    )
    def test_nothing_is_passed_on_twice(self, update: dict[str, object]) -> None:
        assert forwarding(REPORT.model_copy(update=update), Handling(), Happened.RELEASED) == ()

    def test_where_it_must_be_it_is_anonymous_whatever_was_chosen(self) -> None:
        named = REPORT.model_copy(update={"anonymous": False, "host_anonymous": False})
        handling = Handling(anonymous=True, to_host=True)
        assert all(one.anonymous for one in forwarding(named, handling, Happened.RECEIVED))
        assert not any(one.anonymous for one in forwarding(named, Handling(to_host=True), Happened.RECEIVED))


GIVEN = {
    "category": "phishing",
    "urls": ["https://forum.example.org/x"],
    "explanation": "It asks for the password of my bank.",
    "good_faith": True,
}


class TestNotices:
    def test_name_and_address_are_needed_but_not_where_they_endanger(self) -> None:
        with pytest.raises(ValueError, match="name and e-mail"):
            Notice.model_validate(GIVEN)
        for category, handling in HANDLING.items():
            if handling.nameless:
                assert Notice.model_validate({**GIVEN, "category": category}).is_anonymous

    def test_good_faith_is_needed(self) -> None:
        with pytest.raises(ValueError, match="good_faith"):
            Notice.model_validate({**GIVEN, "category": "hate", "good_faith": False})

    def test_images_of_crimes_are_not_taken(self) -> None:
        file = Evidence(name="x.png", media_type="image/png", content=b"x")
        with pytest.raises(ValueError, match="exact URLs"):
            Notice.model_validate({**GIVEN, "category": "child_abuse", "evidence": [file]})

    def test_anonymity_is_forced_where_it_must_be(self) -> None:
        jane = {"name": "Jane", "email": "jane@example.net"}
        chosen = {**GIVEN, "contact": jane, "anonymous": False}
        assert not Notice.model_validate(chosen).is_anonymous
        assert Notice.model_validate({**chosen, "category": "threats"}).is_anonymous

    def test_no_traceback_and_no_log_line_can_show_who_it_was(self) -> None:
        jane = {"name": "Jane Q.", "email": "jane@example.net", "telephone": "12345"}
        made = Notice.model_validate({**GIVEN, "contact": jane})
        assert "ane" not in f"{made!r} {made} {made.contact!r} {made.contact}"
        assert "bank" not in repr(made)

    @pytest.mark.parametrize("email", ["x", "x@y", "a b@example.org", "a@example.org\nBcc: b@c.d", "<a@b.c>"])
    def test_addresses_for_mail(self, email: str) -> None:
        with pytest.raises(ValueError, match="email"):
            Contact(email=email)


class TestIdentity:
    JANE = Contact(
        name="Jane Quimby", email="jane.q@example.net", telephone="+33 6 12 34 56 78", company="ACME"
    )

    @pytest.mark.parametrize(
        "text",
        [
            "I am Jane Quimby.",
            "signed, jane  QUIMBY",
            "mail JANE.Q@example.NET",
            "my handle is jane.q there",
            "call 06.12.34.56.78 or 0612345678",
            "Quimby works for Acme",
        ],
    )
    def test_it_is_left_out(self, text: str) -> None:
        without = without_identity(text, self.JANE).lower()
        assert not any(one in without for one in ("jane", "quimby", "345", "acme"))

    def test_other_words_stay(self) -> None:
        text = "Janet pays 12 dollars at acmeville.example."
        assert without_identity(text, self.JANE) == text
        assert without_identity("x" * 20_000 + " " * 20_000, self.JANE)


class TestOutcomes:
    def test_stages(self) -> None:
        assert told(REPORT, None).stage is Stage.RECEIVED
        assert told(REPORT.model_copy(update={"forwarded_at": NOW}), None).stage is Stage.FORWARDED
        refused = {
            "standing": Standing.REFUSED,
            "denial": Denial.NO_ABUSE,
            "reason": "Satire.",
            "decided_at": NOW,
        }
        said = told(REPORT.model_copy(update=refused), None)
        assert (said.stage, said.denial, said.redress) == (Stage.REFUSED, Denial.NO_ABUSE, True)
        in_case = REPORT.model_copy(update={"standing": Standing.CASE, "case_id": "c"})
        assert told(in_case, None).stage is Stage.EXAMINED
        held = REPORT.model_copy(update={"held": True})
        assert told(held, None) == told(REPORT, None), "that it waits is not told"


def test_how_a_site_answers() -> None:
    hour = timedelta(hours=1)
    pairs = [
        (NOW - 50 * hour, NOW - 48 * hour),
        (NOW - 50 * hour, NOW - 20 * hour),
        (NOW - 30 * hour, None),
        (NOW - hour, None),
    ]
    found = answering(pairs, NOW)
    assert (found.forwarded, found.answered, found.in_time, found.overdue) == (4, 2, 1, 1)
    assert found.median_s == 16 * 3_600
    assert found.oldest_open_at == NOW - 30 * hour
    assert answering([], NOW).median_s is None
