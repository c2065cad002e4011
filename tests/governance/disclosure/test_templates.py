"""Tables of Implementing Regulation (EU) 2024/2835 that say what the report says, as the page does."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest

from rempart.governance.disclosure.counting import TransparencyReport
from rempart.governance.disclosure.files import JSON, digests_of, files_of
from rempart.governance.disclosure.page import duration, page
from rempart.governance.disclosure.templates import tables
from rempart.governance.disclosure.words import LANGUAGES, WORDS
from rempart.governance.dsa_categories import OF_CASES, TABLE
from rempart.governance.log.step import Step
from rempart.governance.statements import DECISIONS
from rempart.model.cases import Category, Source
from rempart.model.cases_remedies import RUNGS, Remedy
from tests.governance.cast import NOW
from tests.governance.disclosure.ledger import Plot
from tests.governance.disclosure.test_counting import counted

SIZES = {
    "1_report_identification.csv": (4, 5),
    "2_categories_names.csv": (4, 1 + 15 + 82 + 2),
    "3_member_states_orders.csv": (20, 28 * (1 + 14 + 75 + 1)),
    "4_notices.csv": (25, 1 + 14 + 75 + 1),
    "5_own_initiative_illegal.csv": (37, 1 + 14 + 75),
    "6_own_initiative_TC.csv": (37, 1 + 15 + 82),
    "7_appeals_and_recidivism.csv": (8, 47),
    "8_automated_means.csv": (8, 20),
    "11_qualitative.csv": (5, 6),
}
"""Columns and rows of the Commission's files, as far as they are not for very large platforms only."""


@pytest.fixture(scope="module")
def made() -> TransparencyReport:
    return counted(
        Plot("in effect", source=Source.ORDER, country="DE", gap=7_200),
        Plot("waiting", source=Source.ORDER, country="US"),
        Plot("in effect", trusted=True, urls=2),
        Plot("dismissed", category=Category.COPYRIGHT),
        Plot("dismissed", category=Category.TRADEMARK),
        Plot("waiting", category=Category.GENERAL),
        Plot("in effect", source=Source.OWN, law=True),
        Plot("reversed"),
    )


def rows(made: TransparencyReport, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables(made)[name])))


@pytest.mark.parametrize("name", SIZES)
def test_every_row_of_the_template_is_there(made: TransparencyReport, name: str) -> None:
    content = list(csv.reader(io.StringIO(tables(made)[name])))
    columns, number = SIZES[name]
    assert {len(row) for row in content} == {columns}
    assert len(content) == number + 1
    assert "\r\n" in tables(made)[name]


def test_orders(made: TransparencyReport) -> None:
    category = "Category of illegal content"
    found = {(row[category], row["Scope"]): row for row in rows(made, "3_member_states_orders.csv")}
    total = found["TOTAL", "TOTAL"]
    received = "Number of orders to act against illegal content received"
    assert (total[received], found["TOTAL", "DE"][received], found["TOTAL", "FR"][received]) == (
        "1",
        "1",
        "0",
    )
    assert (
        "1 more"
        in total["Contextual information on number of orders to act against illegal content received"]
    )
    effect = "Median time to give effect to the order to act against illegal content"
    assert found["KEYWORD_INCITEMENT_VIOLENCE_HATRED", "DE"][effect] == "5.00"
    assert found["TOTAL", "FR"][effect] == ""
    assert total["Number of orders to provide information"] == ""


def test_notices(made: TransparencyReport) -> None:
    found = {row["Category of illegal content"]: row for row in rows(made, "4_notices.csv")}
    received = "Number of notices received "
    assert found["TOTAL"][received] == "5"
    assert found["STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS"][received] == "2"
    assert found["KEYWORD_COPYRIGHT_INFRINGEMENT"][received] == "1"
    assert found["STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE"][received] == "1"
    assert found["TOTAL"]["Number of notices received from Trusted flaggers"] == "1"
    assert (
        found["TOTAL"]["Number of actions taken on the basis of the terms and conditions of the service"]
        == "2"
    )
    assert found["TOTAL"]["Median time to take action"] == "121.00"


def test_own_initiative(made: TransparencyReport) -> None:
    found = {row["Category of illegal content"]: row for row in rows(made, "5_own_initiative_illegal.csv")}
    measures = "Number of measures taken at the provider's own initiative "
    assert found["TOTAL"][measures] == "1"
    assert found["STATEMENT_CATEGORY_VIOLENCE"]["Provision of the service Suspension"] == "1"
    assert found["TOTAL"]["Number of measures taken after detection with solely automated means "] == "0"
    terms = rows(made, "6_own_initiative_TC.csv")
    assert terms[0][measures] == "0"


def test_complaints(made: TransparencyReport) -> None:
    found = {
        (row["Indicator"], row["Scope"]): row["Value"] for row in rows(made, "7_appeals_and_recidivism.csv")
    }
    whole = "Number of complaints submitted to the internal-complaints mechanism"
    assert found[whole, "Total number"] == found[whole, "Decisions reversed"] == "1"
    service = "Complaint regarding a decision to suspend or terminate the provision of the service"
    assert found[service, "Total number"] == "1"
    assert found[service, "Median time"] == "1.00"


def test_no_automated_means(made: TransparencyReport) -> None:
    found = {(row["Indicator"], row["Scope"]): row["Value"] for row in rows(made, "8_automated_means.csv")}
    assert found["Number of measures solely taken by automated means ", "Total number"] == "0"
    assert found["Number of measures not taken by automated means", "Total number"] == "4"
    assert found["Number of notices not processed by automated means", "NAM Total"] == "5"


class Reader(HTMLParser):
    """Tags that are open, and what a page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}, "nothing comes from elsewhere"
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_one_whole_file(made: TransparencyReport, language: str) -> None:
    named = made.model_copy(update={"provider": "<b>Rempart & Co</b>"})
    text = page(named, language)  # type: ignore[arg-type]
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert "script" not in reader.seen
    assert reader.seen.count("table") == reader.seen.count("caption") == 5
    assert "&lt;b&gt;Rempart &amp; Co" in text
    assert WORDS[language].no_automation in text  # type: ignore[index]


def test_words_of_both_languages_fit_the_tables() -> None:
    english, french = WORDS["en"], WORDS["fr"]
    for name, value in english:
        other = getattr(french, name)
        if isinstance(value, tuple):
            assert len(value) == len(other), name
    assert duration(None, english) == "–"
    assert duration(5_400, english) == "1.5 h"
    assert duration(3 * 86_400, french) == "3.0 jours"


def test_every_category_and_remedy_has_its_place() -> None:
    assert set(OF_CASES) == set(Category)
    for category, keyword in OF_CASES.values():
        assert keyword in TABLE[category]
    assert set(DECISIONS) == set(RUNGS) - {Remedy.FORWARD}


def test_the_same_report_is_the_same_files(made: TransparencyReport) -> None:
    again = TransparencyReport.model_validate_json(json.dumps(made.model_dump(mode="json")))
    assert again == made
    assert digests_of(files_of(again)) == digests_of(files_of(made))
    assert TransparencyReport.model_validate_json(files_of(made)[JSON]) == made


def test_it_fits_into_an_entry_of_the_log(made: TransparencyReport) -> None:
    public = {"report": made.model_dump(mode="json"), "files": digests_of(files_of(made))}
    assert len(Step(id="report/2026/1", kind="transparency-report", at=NOW, public=public).encode()) < 20_000
