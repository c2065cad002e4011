"""Every answer's form: ``{result, success, errors, messages, result_info}``, and how times are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from fastapi.responses import JSONResponse

from rempart.controller.cloudflare_v4.faults import Fault, Refusal
from rempart.controller.intents.context import Page


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Of lists by page. Clients stop when ``count`` falls below ``per_page``, or at an empty page."""

    page: int
    per_page: int
    count: int
    total: int

    @classmethod
    def of(cls, page: Page[Any]) -> PageInfo:
        return cls(page.page, page.per_page, len(page.items), page.total)

    @classmethod
    def single(cls, count: int) -> PageInfo:
        """A list that is always whole."""
        return cls(1, max(count, 1), count, count)

    def as_json(self) -> dict[str, int]:
        return {
            "page": self.page,
            "per_page": self.per_page,
            "count": self.count,
            "total_count": self.total,
            "total_pages": -(-self.total // self.per_page),
        }


def success(
    result: Any,
    info: PageInfo | None = None,
    messages: Iterable[str] = (),
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> JSONResponse:
    """A request carried out. Each of ``messages`` is something the caller should know."""
    body: dict[str, Any] = {
        **beside,
        "result": result,
        "success": True,
        "errors": [],
        "messages": [{"code": 10000, "message": text} for text in messages],
    }
    if info is not None:
        body["result_info"] = info.as_json()
    return JSONResponse(body)


def failure(refusal: Refusal) -> JSONResponse:
    """A request refused."""
    body = {
        "result": None,
        "success": False,
        "errors": [_fault(one) for one in refusal.faults],
        "messages": [],
    }
    return JSONResponse(body, status_code=refusal.status, headers=dict(refusal.headers))


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with microseconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _fault(fault: Fault) -> Mapping[str, Any]:
    body: dict[str, Any] = {"code": int(fault.code), "message": fault.message}
    if fault.pointer is not None:
        body["source"] = {"pointer": fault.pointer}
    if fault.chain:
        body["error_chain"] = [_fault(one) for one in fault.chain]
    return body
