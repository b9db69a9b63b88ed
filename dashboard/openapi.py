"""The description of the REST interface, OpenAPI 3.1, made of the constants that it is served with."""

from typing import Any

from core import __version__
from core.model_card import NOTICE
from dashboard import uploads
from dashboard.loaded import STATES
from dashboard.uploads import Limits

Json = dict[str, Any]
VERSION = "3.1.1"
VERDICTS = ("suggests_pneumonia", "suggests_normal", "uncertain", "not_a_chest_film")
REFUSALS = {
    400: "Malformed: no file, a form that cannot be read, too many files, an unknown parameter.",
    401: "The token is missing or wrong.",
    404: "There is no such model.",
    408: "The request took too long to arrive.",
    413: "A film or the request is too large.",
    415: "The body is of a type that is not read here.",
    422: "The one film that was sent cannot be read.",
    429: "Too many requests wait; Retry-After says in how many seconds to try again.",
    500: "A fault of the server's.",
    503: "There is no model to answer.",
}
WITHOUT_TOKEN = [{}]
WITH_TOKEN = [{"bearer": []}]


def document(limits: Limits, with_token: bool) -> Json:
    """The document as plain values. with_token: clients must show one."""
    security = WITH_TOKEN if with_token else WITHOUT_TOKEN
    refusals = {401} if with_token else set()
    return {
        "openapi": VERSION,
        "info": {"title": "PneumoScope", "version": __version__, "summary": NOTICE, "description": _about(limits)},
        "servers": [{"url": "/api"}],
        "paths": {
            "/predict": {"post": _predict(limits, refusals) | {"security": security}},
            "/models": {"get": _models(refusals) | {"security": security}},
            "/health": {"get": _health()},
            "/openapi.json": {"get": _document()},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _about(limits: Limits) -> str:
    return (
        f"At most {limits.file_bytes / 1e6:g} MB a film, {limits.files} films and {limits.request_bytes / 1e6:g} MB a "
        f"request, {limits.requests} requests at work or waiting, {limits.seconds} seconds for a request to arrive. "
        "Films are held in memory while they are answered and then forgotten; neither they nor their names are "
        "written or logged. OPTIONS tells the methods of a path; no other origin is let in (CORS)."
    )


def _predict(limits: Limits, refusals: set[int]) -> Json:
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": binary, "minItems": 1, "maxItems": limits.files}},
    }
    return {
        "operationId": "predict",
        "summary": "Asks a model about one film or several",
        "parameters": [
            _parameter("model", "A promoted model or a run; the default model where it is missing", "string"),
            _parameter(
                "heatmap", "Adds to each answer where the network looked: attention, not localisation", "boolean"
            ),
        ],
        "requestBody": {
            "required": True,
            "description": "A form with a film in each of its files, or one film as it is",
            "content": {uploads.FORM: {"schema": form}} | {kind: {} for kind in uploads.RAW},
        },
        "responses": {
            "200": _json(
                "An answer to each film, in their order; an unreadable one among several gets a sentence",
                {"type": "array", "items": {"oneOf": [_reference("Prediction"), _reference("Unreadable")]}},
                {
                    "PneumoScope-Model": _header("The model that answered, percent-encoded", "string"),
                    "Server-Timing": _header("total;dur= the milliseconds from its beginning to this answer", "string"),
                },
            ),
            **_refusals({400, 404, 408, 413, 415, 422, 429, 500, 503} | refusals),
        },
    }


def _models(refusals: set[int]) -> Json:
    return {
        "operationId": "models",
        "summary": "The cards of the promoted models, the default one first",
        "responses": {
            "200": _json("The cards", {"type": "array", "items": _reference("Model")}),
            **_refusals({500} | refusals),
        },
    }


def _health() -> Json:
    return {
        "operationId": "health",
        "summary": "Whether the default model is ready",
        "security": WITHOUT_TOKEN,
        "responses": {
            "200": _json("It answers at once", _reference("Health")),
            "503": _json("It is being loaded, or could not be", _reference("Health")),
        },
    }


def _document() -> Json:
    return {
        "operationId": "document",
        "summary": "This document",
        "security": WITHOUT_TOKEN,
        "responses": {"200": _json("OpenAPI", {"type": "object"})},
    }


def _texts(about: str) -> Json:
    return {"type": "array", "items": {"type": "string"}, "description": about}


def _schemas() -> Json:
    text, share = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    name = {"type": ["string", "null"], "description": "As the sender calls it; null for a film that came as it is"}
    error = {"error": text | {"description": "What is wrong"}, "fix": text | {"description": "The next step"}}
    return {
        "Error": _object(error),
        "Unreadable": _object({"file": name, **error}),
        "Prediction": _object(
            {
                "file": name,
                "verdict": {"enum": list(VERDICTS)},
                "probability": share | {"description": "Of pneumonia, calibrated"},
                "threshold": share,
                "chest_film": {"type": ["boolean", "null"], "description": "null where the model has no gate"},
                "reasons": _texts("Why the film is refused or uncertain"),
                "warnings": _texts("What the film's header says against it, and of whom the model was made"),
                "milliseconds": {"type": "number", "minimum": 0, "description": "For this film alone"},
            },
            heatmap=text | {"description": "PNG as a data URI, the film as the model saw it with its heat in colour"},
        ),
        "Model": _object({"name": text, "default": {"type": "boolean"}, "sha256": text}),
        "Health": _object(
            {"state": {"enum": list(STATES)}, "model": {"type": ["string", "null"]}, "version": text, "notice": text},
            **error,
        ),
    }


def _object(required: Json, **optional: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": required | optional}


def _reference(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _parameter(name: str, description: str, kind: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind}}


def _header(description: str, kind: str) -> Json:
    return {"description": description, "schema": {"type": kind}}


def _json(description: str, schema: Json, headers: Json | None = None) -> Json:
    found = {"description": description, "content": {"application/json": {"schema": schema}}}
    return found | ({"headers": headers} if headers else {})


def _refusals(statuses: set[int]) -> Json:
    wait = {"Retry-After": _header("Seconds", "integer")}
    return {
        str(status): _json(REFUSALS[status], _reference("Error"), wait if status == 429 else None)
        for status in sorted(statuses)
    }
