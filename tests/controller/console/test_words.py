"""Both languages say the same things, and every text that a page asks for is there."""

from __future__ import annotations

import hashlib
import re
import string
from importlib.resources import files

import pytest

from rempart.controller.console import static
from rempart.controller.console.frame import NAVIGATION, TEMPLATES
from rempart.controller.console.static import ASSETS, HTMX_SHA256
from rempart.controller.console.words import LANGUAGES, WORDS, preferred

SAID = re.compile(r"""\bt\(\s*"([a-z0-9_.]+)"\s*([,)~])""")


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_every_text_is_there_in_every_language_with_the_same_places(code: str) -> None:
    first, other = WORDS[LANGUAGES[0]].texts, WORDS[code].texts
    assert set(other) == set(first)
    for key, text in first.items():
        assert other[key].strip(), key
        assert _places(text) == _places(other[key]), key


def test_texts_are_translated() -> None:
    english, french = WORDS["en"].texts, WORDS["fr"].texts
    long = [key for key, text in english.items() if len(text) > 25]
    assert [key for key in long if english[key] == french[key]] == []


def test_every_text_that_a_template_says_is_there() -> None:
    texts = WORDS["en"].texts
    asked = 0
    for name, template in TEMPLATES.items():
        for key, after in SAID.findall(template):
            asked += 1
            if after == "~":  # the rest is a value's name
                assert any(one.startswith(key) for one in texts), (name, key)
            else:
                assert key in texts, (name, key)
    assert asked > 20
    assert all(place.text in texts for place in NAVIGATION)


def test_no_template_lets_anything_through_unescaped_or_says_something_itself() -> None:
    for name, template in TEMPLATES.items():
        assert "|safe" not in template.replace(" ", ""), name
        assert "autoescape" not in template, name
        assert " style=" not in template, name
        assert "<style" not in template, name
        assert not re.search(r"\son[a-z]+=", template), name
        assert not re.search(r"""(?:src|href)="https?:""", template), name


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("fr", "fr"),
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("en;q=0.5, fr;q=0.6", "fr"),
        ("de, fr;q=0.1", "fr"),
        ("de, es", "en"),
        ("fr;q=0", "en"),
        ("fr;q=nonsense,,;;", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_language_that_the_browser_prefers(header: str | None, code: str) -> None:
    assert preferred(header) == code


def test_htmx_is_what_its_project_published_and_comes_with_its_licence() -> None:
    assert hashlib.sha256(ASSETS["htmx.min.js"].content).hexdigest() == HTMX_SHA256
    licence = files(static.__package__).joinpath("static", "htmx.LICENSE").read_text()
    assert licence.startswith("Zero-Clause BSD")
