"""What a transparency report is published as: file name → text. The same report, the same octets. Pure."""

from __future__ import annotations

import json
from hashlib import sha256

from rempart.governance.disclosure.counting import TransparencyReport
from rempart.governance.disclosure.page import page
from rempart.governance.disclosure.templates import tables
from rempart.governance.disclosure.words import LANGUAGES

JSON = "report.json"


def files_of(report: TransparencyReport) -> dict[str, str]:
    """JSON, the pages, the tables of the templates."""
    pages = {f"report.{language}.html": page(report, language) for language in LANGUAGES}
    return {JSON: json_of(report), **pages, **tables(report)}


def json_of(report: TransparencyReport) -> str:
    """As JSON, its fields in their order."""
    return json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def digests_of(files: dict[str, str]) -> dict[str, str]:
    """SHA-256 in hexadecimal of each file, as UTF-8."""
    return {name: sha256(text.encode()).hexdigest() for name, text in files.items()}
