"""From our errors to Cloudflare's: HTTP status, numeric code, chain.

There is no official list of codes; these are the ones that clients and their issue trackers agree on, and a
few of our own where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import Conflict, InvalidInput, NeedsConfirmation, NotFound, RempartError, TooMany

DNS_VALIDATION = frozenset(
    {CloudflareCode.RECORD_INVALID, CloudflareCode.TTL_INVALID, CloudflareCode.PROXIED_INVALID}
)
"""Codes that stand in the chain of a 1004."""


class ApiCode(IntEnum):
    """Codes that the API itself gives."""

    TOKEN_INVALID = 1000  # of tokens/verify
    INVALID = 1001
    DNS_INVALID = 1004
    NOT_A_DOMAIN = 1049
    HEADERS = 6003
    AUTHORIZATION_FORMAT = 6111
    MALFORMED_JSON = 6007
    NO_ROUTE = 7000
    METHOD = 7001
    NOT_ROUTED = 7003
    GLOBAL_KEY = 9103
    NO_CREDENTIALS = 9106
    UNAUTHORIZED = 9109
    NOT_PERMITTED = 10000
    RATE_LIMITED = 10013
    RECORD_UNKNOWN = 81044
    UNEXPECTED = 15000  # ours
    NEEDS_CONFIRMATION = 15001  # ours: the message holds the digest
    TOO_LARGE = 15002  # ours


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of ``errors``."""

    code: int
    message: str
    pointer: str | None = None
    """JSON pointer (RFC 6901) to the member it is about."""
    chain: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not carried out."""

    status: int
    faults: tuple[Fault, ...]
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, code: int, message: str, **headers: str) -> Refusal:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, (Fault(code, message),), named)


def not_routed(path: str) -> Refusal:
    """What is not there, or not to be known of: the same in both cases."""
    return Refusal(
        404,
        (
            Fault(
                ApiCode.NOT_ROUTED,
                f"Could not route to {path}, perhaps your object identifier is invalid?",
            ),
            Fault(ApiCode.NO_ROUTE, "No route for that URI"),
        ),
    )


def refusal_of(error: RempartError, path: str) -> Refusal:
    """How ``error``, raised while ``path`` was served, is answered."""
    match error:
        case NeedsConfirmation():
            return Refusal(
                400,
                (
                    Fault(
                        ApiCode.NEEDS_CONFIRMATION,
                        f"This needs confirmation: {error.message}. Nothing was changed. To carry out this "
                        f"very plan, repeat the request with the header X-Rempart-Confirm: {error.digest}",
                        chain=tuple(
                            Fault(ApiCode.NEEDS_CONFIRMATION, line) for line in error.summary.splitlines()
                        ),
                    ),
                ),
                {"x-rempart-plan": error.digest},
            )
        case NotFound(code=ApiCode.RECORD_UNKNOWN):
            return Refusal.of(404, ApiCode.RECORD_UNKNOWN, "Record does not exist.")
        case NotFound():
            return not_routed(path)
        case InvalidInput() | Conflict():
            return Refusal(400, (_fault_of(error),))
        case TooMany():
            wait = str(max(1, math.ceil(error.retry_after_s)))
            return Refusal.of(429, ApiCode.RATE_LIMITED, str(error), retry_after=wait)
        case _:
            return Refusal.of(error.http_status, error.code or ApiCode.UNEXPECTED, str(error))


def _fault_of(error: RempartError) -> Fault:
    message = error.message + (f" ({error.hint})" if error.hint else "")
    pointer = None if error.field is None else "/" + error.field.replace(".", "/")
    if error.code in DNS_VALIDATION:
        detail = f"{error.field}: {message}" if error.field else message
        chain = (Fault(int(error.code or 0), message),)
        return Fault(ApiCode.DNS_INVALID, f"DNS Validation Error: {detail}", pointer, chain)
    shown = message if error.code or error.field is None else f"{error.field}: {message}"
    return Fault(error.code or ApiCode.INVALID, shown, pointer)
