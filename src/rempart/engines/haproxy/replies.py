"""How HAProxy is told to answer by itself: one of our pages, from memory. Pure."""

from __future__ import annotations

from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.pages import CONTENT_TYPE, PAGES, Page, render


def page_files(places: Places, receipt_url: str | None = None) -> dict[str, str]:
    """Path of every page, and its text; ``receipt_url``: see ``pages.render``."""
    return {_path(page, places): render(page, places, receipt_url) for page in PAGES}


def page_of(status: int, places: Places) -> str:
    """The arguments of ``http-request deny status`` that answer with the page of ``status``."""
    return reply(next(page for page in PAGES if page.status == status), places)


def reply(page: Page, places: Places) -> str:
    """Status, headers and file of one page, as ``http-error status`` and ``deny status`` take them."""
    retry = f" hdr Retry-After {page.retry_after_s}" if page.retry_after_s else ""
    return (
        f"{page.status} content-type {quoted(CONTENT_TYPE)} lf-file {_path(page, places)}"
        f" hdr Cache-Control no-store{retry}"
    )


def quoted(text: str) -> str:
    """In HAProxy's strong quotes, inside which nothing is special (configuration manual, section 2.2)."""
    # A single quote of the text's own leaves them for a moment.
    return "'" + text.replace("'", "'\\''") + "'"


def _path(page: Page, places: Places) -> str:
    return f"{places.pages}/{page.name}.html"
