"""The API described in OpenAPI 3.1, from the table of endpoints with the models of queries and bodies."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import rempart
from rempart.controller.cloudflare_v4.calls import Access, Endpoint, Upload
from rempart.controller.cloudflare_v4.endpoints import ENDPOINTS, PREFIX
from rempart.model.permissions import Permission

_REFERENCES = "#/components/schemas/{model}"
_ENVELOPE = {
    "type": "object",
    "required": ["result", "success", "errors", "messages"],
    "properties": {
        "result": {},
        "success": {"type": "boolean"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
        "messages": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
        "result_info": {"type": "object"},
    },
}
_MESSAGE = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "source": {"type": "object", "properties": {"pointer": {"type": "string"}}},
        "error_chain": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
    },
}

_MEDIA = {"export": "text/plain", "bundle": "application/zip"}
"""Last steps of paths that are not answered with an envelope."""


def description() -> dict[str, Any]:
    """The document."""
    bodies = {one.body for one in ENDPOINTS if one.body is not None and one.body is not Upload}
    models = sorted((one for one in bodies if issubclass(one, BaseModel)), key=lambda one: one.__name__)
    _, definitions = models_json_schema([(one, "validation") for one in models], ref_template=_REFERENCES)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rempart: Cloudflare's v4 API, first tier",
            "version": rempart.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Envelope": _ENVELOPE, "Message": _MESSAGE},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    ok: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Envelope"}}
    media = _MEDIA.get(endpoint.path.rpartition("/")[2], "application/json")
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": _operation_id(endpoint),
        "tags": [endpoint.path.split("/")[1]],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": {
            "200": {
                "description": "Carried out.",
                "content": {media: ok if media == "application/json" else {}},
            },
            "4XX": {"description": "Refused; nothing was changed.", "content": {"application/json": ok}},
        },
    }
    match endpoint.needs:
        case Permission():
            operation["x-permission"] = endpoint.needs.value
        case Access.LISTED if endpoint.listed is not None:
            operation["x-permission"] = endpoint.listed.value
        case Access.OPEN:
            operation["security"] = []
        case _:
            pass
    if endpoint.body is Upload:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}}
    elif endpoint.body is not None:
        schema = {"$ref": _REFERENCES.format(model=endpoint.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "description": "A zone file (RFC 1035 section 5)."},
        "proxied": {"type": "string", "enum": ["true", "false"]},
    },
}


def _operation_id(endpoint: Endpoint) -> str:
    return f"{endpoint.method.lower()}{re.sub(r'[^a-z0-9]+', '_', endpoint.path)}".rstrip("_")


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}
            if name.endswith("_id")
            else {"type": "string"},
        }
        for name in re.findall(r"\{(\w+)\}", endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = endpoint.query.model_json_schema(by_alias=True)
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(member)}
        for name, member in schema.get("properties", {}).items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not given is absent, never null."""
    plain = {name: value for name, value in schema.items() if name not in ("title", "default", "anyOf")}
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return {**plain, **kinds[0]} if kinds else plain
