"""What pydantic finds wrong, in our words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rempart.model.configuration import EdgeSection
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin
from rempart.model.validation import in_words


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (
            RecordDraft,
            {"type": "MX", "name": "x", "content": "y", "priority": 65536},
            "65535 at most is meant",
        ),
        (RecordDraft, {"type": "FOO", "name": "x"}, "one of 'A', "),
        (Origin, {"port": 80}, "is needed"),
        (Origin, {"host": "h", "port": "x"}, "a whole number is meant"),
        (Origin, {"host": "h", "port": 0}, "at least 1 is meant"),
        (Origin, {"host": 1, "port": 1}, "a text is meant"),
        (Origin, {"host": "h", "port": 1, "backup": "often"}, "true or false is meant"),
        (Origin, {"host": "h", "port": 1, "wait": 1}, "unknown, and not ignored"),
        (EdgeSection, {"listen": "::"}, "a list is meant"),
        (EdgeSection, {"listen": ["::%1"]}, "an address with a zone index cannot be used here"),
    ],
)
def test_words(model: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    said = in_words(caught.value.errors()[0])
    assert said.startswith(words)
    assert "Input should" not in said
