"""Multipart bodies (RFC 7578), already in memory and bounded."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.types import Message

from rempart.model.errors import InvalidInput

PARTS_MAX = 16


async def read_parts(request: Request, octets: bytes) -> Mapping[str, bytes]:
    """The parts of ``octets``, by name; clients send a file with or without a file name. InvalidInput when
    it is no multipart body."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidInput("multipart/form-data is meant")
    sent = False

    async def receive() -> Message:
        nonlocal sent
        body = b"" if sent else octets
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    parts: dict[str, bytes] = {}
    again = Request(request.scope, receive)
    try:
        form = again.form(max_files=PARTS_MAX, max_fields=PARTS_MAX, max_part_size=max(len(octets), 1))
        async with form as members:
            for name, value in members.multi_items():
                content = await value.read() if isinstance(value, UploadFile) else value.encode()
                parts[name] = content
    except (MultiPartException, HTTPException, UnicodeError) as error:
        raise InvalidInput("the multipart body cannot be read") from error
    return parts
