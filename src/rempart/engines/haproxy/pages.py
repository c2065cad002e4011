"""The pages that HAProxy itself shows a visitor whom it cannot serve: short, plain, with a receipt. Pure.

An origin's own error pages never pass here. Each page is a HAProxy log-format text with a receipt in it (see
``receipts``); a percent sign of the page's own is doubled.
"""

from __future__ import annotations

from html import escape
from string import Template

from rempart.engines.haproxy import receipts
from rempart.engines.haproxy.names import Places
from rempart.model.base import Value

CONTENT_TYPE = "text/html; charset=utf-8"


class Page(Value):
    """One page: what happened and what the visitor can do about it."""

    name: str
    status: int
    title: str
    happened: str
    advice: str
    retry_after_s: int | None = None


PAGES = (
    Page(
        name="400",
        status=400,
        title="The request was not understood",
        happened="Your browser sent something that is not a valid request.",
        advice="Reload the page. If that does not help, clear this site's cookies.",
    ),
    Page(
        name="403",
        status=403,
        title="Not allowed",
        happened="This request was refused before it reached the site.",
        advice="If you think that is a mistake, say so: nobody else may have noticed.",
    ),
    Page(
        name="405",
        status=405,
        title="Method not allowed",
        happened="This kind of request is not served here.",
        advice="Go back and follow a link of the site.",
    ),
    Page(
        name="408",
        status=408,
        title="The request took too long",
        happened="The request did not arrive completely in time.",
        advice="Check your connection and try again.",
    ),
    Page(
        name="413",
        status=413,
        title="The request is too large",
        happened="What your browser sent is larger than this site takes.",
        advice="Send less at once.",
    ),
    Page(
        name="421",
        status=421,
        title="No such site here",
        happened="This server does not serve the name your browser asked for.",
        advice="Check the address. If it is right, the site's owner has not set it up here (yet).",
    ),
    Page(
        name="429",
        status=429,
        title="Too many requests",
        happened="There were more requests from your network, or to this site, than its owner allows.",
        advice="Wait ten seconds, then reload the page. Nothing you sent was passed on.",
        retry_after_s=10,
    ),
    Page(
        name="500",
        status=500,
        title="Something went wrong here",
        happened="The server in front of this site met an error of its own.",
        advice="Try again in a moment.",
    ),
    Page(
        name="502",
        status=502,
        title="The site gave no valid answer",
        happened="The server behind this site answered with something that is not a valid page.",
        advice="Try again in a moment. Your own connection is fine.",
    ),
    Page(
        name="503",
        status=503,
        title="The site cannot be reached right now",
        happened="The server behind this site is down, or has more visitors than it can bear.",
        advice="Try again in a few seconds. Your own connection is fine.",
        retry_after_s=5,
    ),
    Page(
        name="504",
        status=504,
        title="The site took too long to answer",
        happened="The server behind this site did not answer in time.",
        advice="Try again in a moment. Your own connection is fine.",
    ),
)

_HTML = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;
font:1.125rem/1.6 system-ui,sans-serif;background:#fff;color:#1a1a1a}
main{max-width:36rem;padding:2rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}
p{margin:0 0 1rem}
.receipt{border-top:1px solid #767676;padding-top:1rem;margin-top:2rem;font-size:.95rem}
code{font-family:ui-monospace,monospace;display:inline-block;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{background:#121212;color:#ededed}}
@media (max-width:30rem){main{padding:1.25rem}}
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$happened</p>
<p>$advice</p>
<p class="receipt">Status $status. Receipt: <code>$id</code><br>$ask</p>
</main>
</body>
</html>
""")


ASK_OWNER = "Whom to ask: the site's owner, with this receipt."
ASK_HERE = "Who stopped this request, until when, and what to do about it"
_FIRST, _AGAIN, _REQUEST = "FIRST-RECEIPT", "SAME-RECEIPT", "REQUEST-ID"
FAULTS_FROM = 500
"""From this status on the page has the request's id, too: it is what the origin's own log has."""


def render(page: Page, places: Places, receipt_url: str | None = None) -> str:
    """The page as a log-format text, to be read by HAProxy with ``lf-file``.

    ``receipt_url`` is what a receipt is put behind to be looked at; None: there is no such page.
    """
    ask = f'<a href="{escape(receipt_url)}{_AGAIN}">{ASK_HERE}</a>' if receipt_url else ASK_OWNER
    html = _HTML.substitute(
        title=escape(page.title),
        happened=escape(page.happened),
        advice=escape(page.advice),
        status=page.status,
        id=_FIRST,
        ask=ask + (f"<br>Request id: <code>{_REQUEST}</code>" if page.status >= FAULTS_FROM else ""),
    )
    html = html.replace("%", "%%").replace(_REQUEST, "%[unique-id]")
    return html.replace(_FIRST, receipts.first(page.status, places)).replace(_AGAIN, receipts.again())
