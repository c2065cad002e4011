"""Who calls: from the request's headers to a token, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rempart.controller.cloudflare_v4.faults import ApiCode, Fault, Refusal
from rempart.controller.intents.tokens import TokenIntents
from rempart.model.accounts import ApiToken, TokenState

_WORDS = {
    TokenState.EXPIRED: "The token has expired",
    TokenState.DISABLED: "The token is disabled",
    TokenState.EARLY: "The token is not valid yet",
}


def bearer_text(headers: Mapping[str, str]) -> str | Refusal:
    """The token's text in ``Authorization: Bearer …`` (RFC 6750 section 2.1)."""
    given = headers.get("authorization")
    if given is None:
        if "x-auth-key" in headers or "x-auth-email" in headers or "x-auth-user-service-key" in headers:
            return Refusal.of(
                403,
                ApiCode.GLOBAL_KEY,
                "Unknown X-Auth-Key or X-Auth-Email: there are no global keys here, use an API token",
            )
        return Refusal.of(
            400, ApiCode.NO_CREDENTIALS, "Missing Authorization header", www_authenticate="Bearer"
        )
    scheme, _, text = given.partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text or not text.isascii() or len(text) > 200:
        return Refusal(
            400,
            (
                Fault(
                    ApiCode.HEADERS,
                    "Invalid request headers",
                    chain=(
                        Fault(
                            ApiCode.AUTHORIZATION_FORMAT,
                            "Invalid format for Authorization header: Bearer TOKEN",
                        ),
                    ),
                ),
            ),
        )
    return text


def authenticated(tokens: TokenIntents, text: str, now: datetime) -> ApiToken | Refusal:
    """The token with this text, if it is taken now."""
    token = tokens.find(text)
    if token is None:
        return invalid_token()
    state = token.state(now)
    if state is TokenState.ACTIVE:
        return token
    return invalid_token(_WORDS.get(state))


def invalid_token(why: str | None = None) -> Refusal:
    """``why`` only for those who have the token's text."""
    chain = () if why is None else (Fault(ApiCode.UNAUTHORIZED, why),)
    message = "Invalid access token" if why is None else f"Invalid access token: {why}"
    return Refusal(403, (Fault(ApiCode.UNAUTHORIZED, message, chain=chain),))
