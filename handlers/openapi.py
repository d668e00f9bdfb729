"""The API as an OpenAPI 3.1 document, made from its routes and the request's schema. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from handlers import request
from handlers.contract import Json
from handlers.routes import ROUTES, STATUSES, Route

SECURITY: dict[str, Json] = {
    "AWS_IAM": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
    "JWT": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}

TIME = {"type": "string", "format": "date-time"}
COUNT = {"type": "integer", "minimum": 0}
ANSWER: Json = {
    "type": "object",
    "required": ["responder", "status"],
    "properties": {
        "responder": {"type": "string"},
        "status": {"enum": ["QUOTED", "DECLINED", "FAILED", "TIMED_OUT"]},
        "amount": {"type": "string", "description": "A decimal"},
        "currency": {"type": "string"},
        "details": {"type": "object"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"type": "string"},
                "message": {"type": "string"},
                "at": {"type": "string", "description": "The line of the responder's own code that raised: acme.py:12"},
            },
        },
        "latencyMs": COUNT,
        "respondedAt": TIME,
    },
}
RESULT: Json = {
    "type": "object",
    "required": [
        "requestId",
        "variant",
        "status",
        "completedBy",
        "expected",
        "received",
        "declined",
        "failed",
        "late",
        "spared",
        "best",
        "top",
        "missing",
        "answers",
        "createdAt",
        "completedAt",
    ],
    "properties": {
        "requestId": {"type": "string"},
        "variant": {"type": "string"},
        "status": {"enum": list(STATUSES)},
        "completedBy": {"enum": ["ALL", "CONDITION", "QUORUM", "DEADLINE", None]},
        "expected": COUNT,
        "received": COUNT,
        "declined": COUNT,
        "failed": COUNT,
        "late": COUNT,
        "spared": {**COUNT, "description": "Who had not begun when the request closed early, and so never did"},
        "best": {"anyOf": [{"$ref": "#/components/schemas/Answer"}, {"type": "null"}]},
        "top": {"type": "array", "items": {"type": "string"}, "description": "The responders of the best quotes, best first"},
        "missing": {"type": "array", "items": {"type": "string"}, "description": "Who was asked and has given no answer of its own"},
        "reasons": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "By responder, what the stack's own selection says of its quote",
        },
        "answers": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
        "createdAt": TIME,
        "completedAt": {"type": ["string", "null"], "format": "date-time"},
        "selectionError": {
            "description": "Why nobody is the best, where the stack's own selection failed",
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
    },
}
STORED: Json = {
    "allOf": [{"$ref": "#/components/schemas/Result"}],
    "type": "object",
    "required": ["request", "recipients", "deadlineAt", "lateAnswers"],
    "properties": {
        "lateAnswers": {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}, "description": "What came too late to count"},
        "request": {"$ref": "#/components/schemas/Request"},
        "recipients": {"type": "array", "items": {"type": "string"}},
        "deadlineAt": TIME,
    },
}
LISTED: Json = {
    "type": "object",
    "required": ["requestId", "variant", "status", "completedBy", "expected", "received", "late", "best", "createdAt", "completedAt"],
    "properties": {
        **{
            key: RESULT["properties"][key]
            for key in ("requestId", "variant", "status", "completedBy", "expected", "received", "late", "createdAt", "completedAt")
        },
        "best": {
            "type": ["object", "null"],
            "required": ["responder", "amount", "currency"],
            "properties": {key: ANSWER["properties"][key] for key in ("responder", "amount", "currency")},
        },
    },
}
PAGE: Json = {
    "type": "object",
    "required": ["requests", "next"],
    "properties": {
        "requests": {"type": "array", "items": LISTED, "description": "Newest first; with a next page there may be fewer than the limit"},
        "next": {"type": ["string", "null"], "description": "The `before` of the next page; null: there is none"},
    },
}
TAKEN: Json = {
    "type": "object",
    "required": ["requestId", "variant", "status", "href"],
    "properties": {
        "requestId": {"type": "string"},
        "variant": {"type": "string"},
        "status": RESULT["properties"]["status"],
        "href": {"type": "string", "description": "The request's own path, after the API's address"},
    },
}
ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"type": "string"},
                "message": {"type": "string"},
                "requestId": {"type": "string", "description": "With 429 and 500: repeat the request with it, and it is the same one"},
            },
        },
    },
}
BODIES = {("send", 200): "Result", ("send", 202): "Taken", ("read", 200): "StoredRequest", ("list", 200): "Page"}
"""The schema of each operation's success. An error has the schema Error."""


def document(variants: Sequence[str], auth: str, sample: Json | None = None) -> Json:
    """The document. variants: those deployed; auth: AWS_IAM, JWT or NONE; sample: a request that this stack can answer."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, variants, sample)
    schemas = {
        "Request": {key: value for key, value in request.SCHEMA.items() if key != "$schema"},
        "Answer": ANSWER,
        "Result": RESULT,
        "StoredRequest": STORED,
        "Page": PAGE,
        "Taken": TAKEN,
        "Error": ERROR,
    }
    described: Json = {
        "openapi": "3.1.0",
        "info": {"title": "Scatter-gather", "version": "1", "description": "Send one request to many responders, read one result."},
        # The address is relative to this document, so it is right on any domain and stage.
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if auth in SECURITY:
        described["components"]["securitySchemes"] = {auth: SECURITY[auth]}
        described["security"] = [{auth: []}]
    return described


def completed_event() -> Json:
    """The JSON Schema of the detail of the event that announces a closed request. A new field keeps the schemaVersion; any other change
    needs a new one."""
    properties = {**RESULT["properties"], "status": {"enum": ["COMPLETE", "PARTIAL", "FAILED"]}, "completedAt": TIME}
    return json.loads(
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Request Completed, detail",
                **RESULT,
                "required": ["schemaVersion", *RESULT["required"]],
                "properties": {
                    "schemaVersion": {"const": 1},
                    **properties,
                    "answersOmitted": {
                        **COUNT,
                        "description": "So many answers made the event too large, and answers is []; the record has them",
                    },
                },
                "$defs": {"Answer": ANSWER},
            }
        ).replace("#/components/schemas/", "#/$defs/")
    )


def _operation(route: Route, variants: Sequence[str], sample: Json | None) -> Json:
    operation: Json = {
        "operationId": route.operation,
        "summary": route.summary,
        "responses": {str(status): _response(route, status) for status in route.replies},
    }
    parameters = [_path_parameter(name, variants) for name in ("variant", "requestId") if f"{{{name}}}" in route.path]
    parameters += [
        {"name": name, "in": "query", "description": parameter.description, "schema": parameter.schema}
        for name, parameter in route.query.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.takes_request:
        operation["requestBody"] = {"required": True, "content": _json({"$ref": "#/components/schemas/Request"}, sample)}
    return operation


def _path_parameter(name: str, variants: Sequence[str]) -> Json:
    schema = {"enum": list(variants)} if name == "variant" else request.SCHEMA["properties"]["requestId"]
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _response(route: Route, status: int) -> Json:
    response: Json = {"description": route.replies[status]}
    if status >= 400:
        response["content"] = _json({"$ref": "#/components/schemas/Error"})
    elif (route.operation, status) in BODIES:
        response["content"] = _json({"$ref": f"#/components/schemas/{BODIES[route.operation, status]}"})
    else:
        response["content"] = _json({"type": "object"})
    if route.operation == "send" and status < 300:
        response["headers"] = {"location": {"description": "The request's address", "schema": {"type": "string"}}}
    return response


def _json(schema: Json, example: Json | None = None) -> Json:
    return {"application/json": {"schema": schema} if example is None else {"schema": schema, "example": example}}
