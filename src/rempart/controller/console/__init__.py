"""The console: pages for the public, for arbiters and for owners; the frame that every later room stands in.

Server-rendered (Jinja2, autoescape, StrictUndefined), in English and French, without outside resources; every
page works without JavaScript, and htmx only spares reloads.

How to add a room:

1. ``mine.py`` with ``router(frame: Frame) -> APIRouter``; put it into ``ROOMS`` of ``application.py``.
   Handlers are plain ``def`` (they run in threads) and end with
   ``frame.page(request, "mine/list.html", things=…)``.
   Raise `RempartError` for what is wrong: it becomes an error page with the right status.
2. ``templates/mine/list.html`` begins with ``{% extends "base.html" %}`` and fills the blocks ``title`` and
   ``main``. ``{% import "forms.html" as forms with context %}`` has labelled fields, hints, errors and
   ``{{ forms.guard_field() }}``, which every form with ``method=post`` holds.
3. ``languages/en/mine.toml`` and ``languages/fr/mine.toml`` with the same keys; ``t("mine.title")`` says
   them, ``t("mine.found", number=3)`` fills ``{number}``. Files are joined by name, so a room's texts never
   meet another's. A test compares the languages, and another looks for every key that a template says.
4. A place in the navigation: ``NAVIGATION`` in ``frame.py``.

What a template has besides its own values: ``t``, ``language``, ``moment(datetime)``, ``day(datetime)``,
``left(datetime)``,
``words(room, enum)`` (the text ``cases.<room>.<value>``), ``static(name)``, ``seat`` (who is signed in, or
None), ``here`` (path), ``base_url``, ``navigation``.

Forms: ``frame.check_form(request, guard)`` compares the hidden field with the session; `Guard` refuses every
POST from another site before that, and bodies above its bounds (``BODY_MAX`` in ``guard.py``; a room that
takes files adds its path there). Signed in: ``frame.arbiter(request)`` and ``frame.owner(request)`` return
who it is, or raise `SignInNeeded`, which leads to the sign-in and back. Session cookies are HttpOnly, Secure,
SameSite=Strict; sessions live in this process and end with it.

The operator's host (``operator_host``) is routed here by the edge as a whole, but for what another part
claims by path before (``/receipt/``).
"""
