"""Statements of reasons: everything that Art. 17(3) asks, and what the EU's database takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from rempart.governance.dsa_schema import KEYWORDS, DsaStatement
from rempart.governance.statements import application_of, text_of
from rempart.model.cases import Act, Category, Ground, GroundKind, MotionKind, Source
from rempart.model.cases_events import Scrutinised
from rempart.model.cases_remedies import RUNGS, Aim, Measure, Remedy, Target
from rempart.model.errors import Conflict
from tests.governance.cast import HOST, POLICY, Play, opened
from tests.governance.test_cases import order

GIVEN: dict[str, Any] = {
    "decision_provision": "DECISION_PROVISION_PARTIAL_SUSPENSION",
    "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
    "illegal_content_legal_ground": "StGB 111",
    "illegal_content_explanation": "It calls for killings.",
    "content_type": ("CONTENT_TYPE_TEXT",),
    "category": "STATEMENT_CATEGORY_VIOLENCE",
    "content_date": "2026-01-01",
    "application_date": "2026-01-02",
    "decision_facts": "What was seen.",
    "source_type": "SOURCE_ARTICLE_16",
    "automated_detection": "No",
    "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
    "puid": "2026-1",
}


def test_the_database_is_told_what_was_decided() -> None:
    play = Play().open().to_effect()
    assert application_of(play.case) == {
        "decision_provision": "DECISION_PROVISION_PARTIAL_SUSPENSION",
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": "Incitement to violence",
        "incompatible_content_explanation": "It calls for killings.",
        "incompatible_content_illegal": "No",
        "content_type": ["CONTENT_TYPE_OTHER"],
        "content_type_other": "website",
        "category": "STATEMENT_CATEGORY_VIOLENCE",
        "category_specification": ["KEYWORD_INCITEMENT_VIOLENCE_HATRED"],
        "content_date": "2026-01-01",
        "application_date": "2026-01-06",
        "decision_facts": "What was seen.",
        "source_type": "SOURCE_ARTICLE_16",
        "automated_detection": "No",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        "puid": "c1-decision",
    }


@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize(
    "remedy", [one for one in Remedy if not RUNGS[one].missing and one is not Remedy.FORWARD]
)
def test_every_category_and_remedy_makes_a_statement_that_is_taken(
    category: Category, remedy: Remedy
) -> None:
    aim = RUNGS[remedy].aims[0]
    target = Target(host=HOST, path="/a" if aim is Aim.URL else None, whole_zone=aim is Aim.ZONE)
    policy = POLICY.model_copy(
        update={"rules": tuple(one.model_copy(update={"most": remedy}) for one in POLICY.rules)}
    )
    event = opened(Source.OWN).model_copy(update={"category": category, "targets": (target,)})
    play = Play(policy=policy).open(event).to_notified().clock(days=3)
    measure = Measure(remedy=remedy, target=target, days=30)
    ground = Ground(kind=GroundKind.ILLEGAL, basis="StGB 111", explanation="It calls for killings.")
    play.moves("ada", measure=measure, ground=ground).says(Act.APPROVE, "ben", "cleo")
    made = application_of(play.case)
    assert made is not None
    assert DsaStatement.model_validate(made).model_dump(mode="json", exclude_none=True) == made
    assert made["source_type"] == "SOURCE_VOLUNTARY"
    assert [value for name, value in made.items() if name.startswith("end_date")] == ["2026-02-03"]


def test_none_is_due_for_an_order_or_before_a_decision() -> None:
    play = Play().open(opened(Source.ORDER, order=order()))
    with pytest.raises(Conflict, match="nothing is decided"):
        text_of(play.case)
    play(Scrutinised(complete=True, findings="x", by="ada")).moves("ada", MotionKind.ORDER)
    play.says(Act.APPROVE, "ben")
    assert application_of(play.case) is None
    assert "Order: BKA, 7/26, under 2021/784 Art. 3." in text_of(play.case)


def test_the_owner_reads_everything_that_article_17_asks() -> None:
    text = text_of(Play().open().to_effect().case)
    for words in (
        f"What: {HOST}: the edge no longer stands before it",  # (a) restriction, territory, duration
        "From 2026-01-06 00:00 UTC, until it is ended; everywhere.",
        "What was seen.",  # (b) facts, and that it was a notice, not whose
        "A notice (DSA Art. 16) brought it up. Who sent it is not told.",
        "Automation: none.",  # (c)
        "Ground: Policy v1: Incitement to violence",  # (e)
        "the report is passed on, nothing else: It would go on.",
        "every visitor is challenged once: It would go on.",
        "Decided by ada, ben, cleo.",
        "You may appeal until 2026-07-05",  # (f) redress
        "out-of-court settlement body (DSA Art. 21)",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"decision_provision": None}, "at least one decision"),
        ({"decision_visibility": ("DECISION_VISIBILITY_OTHER",)}, "visibility_other"),
        ({"decision_visibility_other": "x"}, "visibility_other"),
        ({"illegal_content_explanation": None}, "ground and explanation"),
        ({"incompatible_content_ground": "x"}, "ground and explanation"),
        ({"content_type": ("CONTENT_TYPE_OTHER",)}, "content_type_other"),
        ({"category_specification": ("KEYWORD_NOTHING",)}, "no such keyword"),
        ({"territorial_scope": ("DE", "US")}, "not in the EEA: US"),
        ({"source_type": "SOURCE_VOLUNTARY", "source_identity": "x"}, "no source identity"),
        ({"decision_facts": "x" * 5_001}, "5000"),
        ({"puid": "a b"}, "puid"),
        ({"application_date": "1.2.2026"}, "application_date"),
        ({"category": "STATEMENT_CATEGORY_OTHER"}, "category"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_the_database_would_refuse_is_refused_here(fields: dict[str, Any], wrong: str) -> None:
    DsaStatement.model_validate(GIVEN)
    with pytest.raises(ValidationError, match=re.escape(wrong)):
        DsaStatement.model_validate({**GIVEN, **fields})


def test_the_keywords_are_those_of_the_database() -> None:
    assert len(KEYWORDS) == 69
    assert "KEYWORD_TERRORIST_CONTENT" in KEYWORDS
