"""REST beside the pages: the same models, the same answers. `dashboard.openapi` describes it."""

import asyncio
import hmac
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core import __version__, images, model_store, workspace
from core.errors import UserError
from core.gradcam import overlay
from core.model_card import NOTICE
from dashboard import loaded, openapi, uploads
from dashboard.loaded import MODELS
from dashboard.uploads import Film, Limits, Refusal, Room

if TYPE_CHECKING:
    from core.prediction import Predictor

Result = TypeVar("Result")
TOKEN = "PNEUMOSCOPE_TOKEN"
# More would only make each film wait longer: decoding and network share the processor's cores.
WORKERS = max(2, os.cpu_count() or 2)
OPACITY = 0.6
TRUTH = {"true": True, "false": False}


class Answer(JSONResponse):
    """JSON in plain ASCII: a file's name may hold half a character, which UTF-8 cannot say."""

    def __init__(self, content: Any, status: int = 200, headers: dict[str, str] | None = None):
        super().__init__(content, status, {"Cache-Control": "no-store"} | (headers or {}))

    def render(self, content: Any) -> bytes:
        return json.dumps(workspace.without_nan(content), allow_nan=False, separators=(",", ":")).encode()


def app(limits: Limits | None = None, token: str | None = None) -> Starlette:
    """The routes below /api. token: what clients must show; from the environment where it is not given."""
    token = os.environ.get(TOKEN, "").strip() if token is None else token
    api = Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/models", models),
            Route("/health", health),
            Route("/openapi.json", document),
        ],
        exception_handlers={Refusal: refused, HTTPException: not_served, Exception: broken},
    )
    api.router.redirect_slashes = False
    api.state.token = token
    api.state.room = Room(limits or Limits.from_environment())
    api.state.pool = ThreadPoolExecutor(WORKERS, "film")
    return api


async def predict(request: Request) -> Response:
    """The answers to one film or several, in the order in which they came."""
    begin = time.perf_counter()
    stream = request.stream()
    try:
        check_token(request)
        name, with_heatmap = read_query(request)
        with request.app.state.room.visit() as visit:
            kind, most = uploads.check_head(request, visit)
            predictor = await at_work(request, predictor_of, name)
            films = await uploads.read_films(request, stream, visit, kind, most)
            jobs = [at_work(request, answer, predictor, film, with_heatmap) for film in films]
            del films
            found = await asyncio.gather(*jobs)
    except Refusal as refusal:
        await uploads.drain(request, stream)
        # What did not come by now must not be taken for the next request.
        refusal.headers["Connection"] = "close"
        raise
    taken = (time.perf_counter() - begin) * 1000
    headers = {"Server-Timing": f"total;dur={taken:.2f}", "PneumoScope-Model": quote(predictor.name)}
    if len(found) == 1 and "error" in found[0]:
        return Answer(found[0], 422, headers)
    return Answer(found, headers=headers)


def predictor_of(name: str) -> "Predictor":
    """The loaded model of that name, or the default one. Raises Refusal where there is none."""
    try:
        model = model_store.find(name) if name else loaded.default()
        return MODELS.predictor(model.name, model.card["sha256"])
    except UserError as error:
        raise Refusal(404 if name else 503, error.what, error.fix) from None


def answer(predictor: "Predictor", film: Film, with_heatmap: bool) -> dict[str, Any]:
    """What is said of one film; an unreadable one gets a sentence and the next step."""
    try:
        prediction = predictor.predict(film.data)
        found = {"file": film.name, **prediction.to_json()}
        if with_heatmap:
            heat = predictor.heatmaps(prediction.film[None], np.array([prediction.probability]))[0]
            found["heatmap"] = images.data_uri(overlay(prediction.film, heat, OPACITY))
        return found
    except UserError as error:
        return {"file": film.name, "error": error.what, "fix": error.fix}


async def models(request: Request) -> Response:
    """The cards of the promoted models, as the command line lists them."""
    check_token(request)
    return Answer(await at_work(request, model_store.listed))


async def health(request: Request) -> Response:
    """Whether the default model is ready to answer at once."""
    status = await at_work(request, MODELS.keep_warm)
    ready = status.state in (loaded.READY, loaded.IDLE)
    said = {"error": status.error, "fix": status.fix} if status.state == loaded.FAILED else {}
    return Answer(
        {"state": status.state, "model": status.model, "version": __version__, "notice": NOTICE, **said},
        200 if ready else 503,
        {} if ready else {"Retry-After": str(uploads.WAIT_SECONDS)},
    )


async def document(request: Request) -> Response:
    """The description of this interface."""
    state = request.app.state
    return Answer(openapi.document(state.room.limits, bool(state.token)))


def check_token(request: Request) -> None:
    """Raises Refusal where a token is asked for and another one, or none, is shown."""
    expected = request.app.state.token
    kind, _, shown = request.headers.get("authorization", "").partition(" ")
    # Headers arrive as Latin-1, whatever their bytes meant.
    same = hmac.compare_digest(shown.strip().encode("latin-1"), expected.encode())
    if expected and not (kind.lower() == "bearer" and same):
        raise Refusal(
            401,
            "This server asks for a token.",
            "Send it as `Authorization: Bearer TOKEN`.",
            {"WWW-Authenticate": "Bearer"},
        )


def read_query(request: Request) -> tuple[str, bool]:
    """The model's name, empty for the default one, and whether a heat map is wanted. Raises Refusal."""
    given = request.query_params
    if unknown := given.keys() - {"model", "heatmap"}:
        raise Refusal(400, f"There is no parameter {min(unknown)[:60]!r}.", "There are `model` and `heatmap`.")
    if (wanted := given.get("heatmap", "false").lower()) not in TRUTH:
        raise Refusal(400, f"`heatmap` is {wanted[:60]!r}.", "Give `true` or `false`.")
    return given.get("model", ""), TRUTH[wanted]


async def at_work(request: Request, work: Callable[..., Result], *given: Any) -> Result:
    """Done in the pool: the event loop, and the pages with it, stay free."""
    return await asyncio.get_running_loop().run_in_executor(request.app.state.pool, work, *given)


async def refused(request: Request, refusal: Refusal) -> Response:
    return Answer({"error": refusal.what, "fix": refusal.fix}, refusal.status, refusal.headers)


async def not_served(request: Request, error: HTTPException) -> Response:
    """What Starlette refuses: other paths, and other methods; OPTIONS is told the right ones."""
    if error.status_code == 405 and request.method == "OPTIONS":
        return Response(status_code=204, headers=error.headers)
    what = "This path serves another method." if error.status_code == 405 else "There is nothing at this path."
    fix = "/api/openapi.json describes what there is."
    return Answer({"error": what, "fix": fix}, error.status_code, error.headers)


async def broken(request: Request, error: Exception) -> Response:
    return Answer({"error": "Something went wrong here.", "fix": "Try again; the server's log has the rest."}, 500)
