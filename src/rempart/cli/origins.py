"""Origins as the command line writes them: ``URL[,weight=N][,backup][,max-connections=N][,tls=full]``."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from rempart.model.errors import InvalidInput
from rempart.model.sites import Origin, OriginTls

EXAMPLE = "write it as http://192.0.2.10:8080 or https://origin.example.net"
_DEFAULT_PORT = {"http": 80, "https": 443}


def parse_origin(text: str, *, max_connections: int | None = None) -> Origin:
    """The origin that ``text`` names. InvalidInput with ``field`` ``--origin`` when it cannot be one.

    ``http`` is spoken in clear, ``https`` with the certificate verified (``tls=full``: not verified).
    ``max_connections`` is taken where the text gives none.
    """
    url, *words = text.split(",")
    parts = _url(url)
    settings: dict[str, object] = {}
    if max_connections is not None:
        settings["max_connections"] = _number("max-connections", str(max_connections), 1, 100_000)
    tls = OriginTls.STRICT if parts.scheme == "https" else OriginTls.OFF
    for word in words:
        name, has_value, value = word.strip().partition("=")
        match name, bool(has_value):
            case "weight", True:
                settings["weight"] = _number(name, value, 0, 256)
            case "backup", False:
                settings["backup"] = True
            case "max-connections", True:
                settings["max_connections"] = _number(name, value, 1, 100_000)
            case "tls", True if value in ("full", "strict") and parts.scheme == "https":
                tls = OriginTls(value)
            case _:
                raise _wrong(
                    f"{word.strip()!r} is not understood",
                    "after a comma stand weight=0…256, backup, max-connections=N or (https) tls=full",
                )
    return Origin.model_validate(
        {"host": parts.hostname, "port": parts.port or _DEFAULT_PORT[parts.scheme], "tls": tls, **settings}
    )


def show_origin(origin: Origin) -> str:
    """The origin as `parse_origin` reads it, with everything that is not usual."""
    scheme = "http" if origin.tls is OriginTls.OFF else "https"
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    port = "" if origin.port == _DEFAULT_PORT[scheme] else f":{origin.port}"
    words = [f"{scheme}://{host}{port}"]
    usual = Origin(host=origin.host, port=origin.port)
    if origin.tls is OriginTls.FULL:
        words.append("tls=full")
    if origin.weight != usual.weight:
        words.append(f"weight={origin.weight}")
    if origin.backup:
        words.append("backup")
    if origin.max_connections != usual.max_connections:
        words.append(f"max-connections={origin.max_connections}")
    return ",".join(words)


def _url(text: str) -> SplitResult:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        port = "Port" in str(error) or "port" in str(error)
        why = "its port is no number from 1 to 65535" if port else "its address is none"
        raise _wrong(f"{text!r} is no URL: {why}", EXAMPLE) from error
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname or port == 0:
        raise _wrong(f"{text!r} is no http:// or https:// URL", EXAMPLE)
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise _wrong(
            f"{text!r} names more than a server",
            "give scheme, host and port only; visitors' paths are passed on as they are",
        )
    if "[" in parts.netloc:
        try:
            ipaddress.IPv6Address(parts.hostname)
        except ValueError as error:
            raise _wrong(f"{text!r} names no IPv6 address", EXAMPLE) from error
    return parts


def _number(name: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise _wrong(f"{name}={text}: a number from {least} to {most} is meant")
    return number


def _wrong(message: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(message, field="--origin", hint=hint)
