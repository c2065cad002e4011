"""The errors of Rempart: few types, with fields instead of sentences to be parsed.

Each carries what is wrong, where (``field``), and what to do (``hint``); the command line turns
``exit_status`` into its own, the API turns ``http_status`` into its answer.
"""

from __future__ import annotations

from typing import ClassVar


class RempartError(Exception):
    """Base of all errors a caller is expected to show to a person."""

    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    slug: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, field: str | None = None, hint: str | None = None, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        self.code = code
        """The code under which Cloudflare's API reports the same fault (see error_codes), if any."""

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        what_to_do = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{what_to_do}"


class InvalidInput(RempartError):
    """What was given cannot be right; nothing was changed."""

    exit_status = 2
    http_status = 400
    slug = "invalid-input"


class NotFound(RempartError):
    """The thing named does not exist."""

    http_status = 404
    slug = "not-found"


class Conflict(RempartError):
    """What was asked contradicts something that exists; nothing was changed."""

    http_status = 409
    slug = "conflict"


class AccountClosed(RempartError):
    """The decision of a case has closed the account: its tokens read, and change nothing."""

    http_status = 403
    slug = "account-closed"

    def __init__(self, case: str) -> None:
        super().__init__(
            f"the account is closed by the decision in case {case}: its tokens read, and change nothing",
            field="account",
            hint="what it holds can be fetched as before; the owner can appeal",
        )
        self.case = case


class TooMany(RempartError):
    """More of it than is taken now; nothing was changed. ``retry_after_s``: when to come again.

    With a ``ticket``, whoever answers it with work is taken at once (``governance.reports.proof``)."""

    http_status = 429
    slug = "too-many"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float,
        ticket: str | None = None,
        bits: int = 0,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        self.ticket = ticket
        self.bits = bits


class NeedsConfirmation(RempartError):
    """A plan crossed a safety threshold: it must be confirmed by its digest before it is carried out."""

    http_status = 428
    slug = "needs-confirmation"

    def __init__(self, message: str, *, digest: str, reasons: tuple[str, ...], summary: str) -> None:
        super().__init__(message, hint=f"look at the plan; to carry it out, repeat with --confirm {digest}")
        self.digest = digest
        self.reasons = reasons
        self.summary = summary


class EngineRefused(RempartError):
    """An engine (Knot, HAProxy) did not take what it was given; it keeps what it had."""

    slug = "engine-refused"

    def __init__(self, engine: str, message: str, *, item: str | None = None) -> None:
        super().__init__(message, field=item)
        self.engine = engine


class EnvironmentLacks(RempartError):
    """A package, port, user or permission is missing; ``what`` names it."""

    exit_status = 3
    http_status = 503
    slug = "environment-lacks"

    def __init__(self, what: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.what = what
