"""Leaves out of a text who wrote it, as far as that can be seen: for what is passed on without the name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rempart.model.abuse_reports import Contact

REMOVED = "[…]"
_SHORTEST = 3
"""Characters: a shorter name is part of too many words."""


def without_identity(text: str, contact: Contact) -> str:
    """``text`` without name, addresses and telephone number of ``contact``, wherever they stand in it.

    Whole names, and each part of them that is a word of its own. What else would give a person away (what
    only they can know) nobody can find by looking: the form says so.
    """
    for pattern in _patterns(contact):
        text = pattern.sub(REMOVED, text)
    return text


def _patterns(contact: Contact) -> Iterator[re.Pattern[str]]:
    if contact.email:
        yield _pattern(contact.email)
        local = contact.email.partition("@")[0]
        if len(local) >= _SHORTEST:
            yield _pattern(local, whole_words=True)
    for whole in (contact.name, contact.company, *contact.address.split("\n")):
        if len(whole) >= _SHORTEST:
            yield _pattern(whole, whole_words=True)
    digits = [one for one in contact.telephone if one.isdigit()]
    if len(digits) >= 6:
        # However it is written: the last digits are the same with and without the country's prefix.
        yield re.compile(r"\+?[\d\s().-]{0,20}" + r"[\s().-]*".join(digits[-6:]))
    for part in re.split(r"[\s,]+", contact.name):
        if len(part) >= _SHORTEST:
            yield _pattern(part, whole_words=True)


def _pattern(words: str, *, whole_words: bool = False) -> re.Pattern[str]:
    """``words``, whatever their case and however they are spaced."""
    inner = r"\s+".join(re.escape(one) for one in words.split())
    return re.compile(rf"(?<!\w){inner}(?!\w)" if whole_words else inner, re.IGNORECASE)
