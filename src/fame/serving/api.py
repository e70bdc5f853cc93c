"""The API and the page of `fame serve`: everything that the page shows comes from here too."""

import base64
import html
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.exceptions import HTTPException

from fame import __version__
from fame.features.images import UnreadableImageError, read_header
from fame.fusion import intervals
from fame.posts.sources.table_files import is_packed
from fame.runtime.errors import InputError
from fame.serving.drafts import CONTENTS
from fame.serving.guard import Guard
from fame.serving.predictor import Predictor

MAX_BYTES = 32 << 20  # of a request
MAX_IMAGE_BYTES = 16 << 20
MAX_PIXELS = 40_000_000
MAX_POSTS = 32  # of a JSON request
MAX_ROWS = 5_000  # of a CSV request
MAX_VALUES = 1_000  # of a category, that the page offers
MAX_CHARACTERS, MAX_TAGS, MAX_FIELDS = 5_000, 200, 200
FOUND = "fame-read"  # a header, see TOLD
LINES, LINE = 6, 200  # of it, and characters of a line: 7 KB at most, all escaped
FIELDS = ("id", "user", "time", "title", "tags", "image")
TOLD = "a JSON list of what reading the CSV decided and left out"
NO_PICTURES = "picture not used: a CSV brings none"
STRINGS = {"type": "string"}
UNREAD = 400  # the framework's status for a body that it cannot decode
NESTED = '; categories and numbers hold columns, like {"categories": {"category": "Animal"}}'
# What pydantic calls in Python's words.
JSON_WORDS = {
    "a valid dictionary or object to extract fields from": "an object",
    "a valid dictionary": "an object",
    "a valid list": "a list",
    "a valid string": "a text",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "Field required": "missing",
    "String should": "must",
    "Dictionary should": "must",
    "List should": "must",
}
PAGE = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}

Short = Annotated[str, StringConstraints(max_length=300)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Draft(BaseModel):
    """A post that is not published yet; it needs a title, a tag or a picture."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Name | None = Field(None, description="named in the answer", examples=["a"])
    user: Short | None = Field(
        None, description="the author, as the training posts name them", examples=["34126@N50"]
    )
    time: Short | None = Field(
        None, description="when it will be posted, ISO 8601", examples=["2016-06-01T18:00:00"]
    )
    title: Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)] | None = Field(
        None, examples=["A sunset over the sea"]
    )
    tags: Annotated[list[Short], Field(max_length=MAX_TAGS)] = Field(
        [], examples=[["sunset", "sea"]]
    )
    categories: Annotated[dict[Name, Short], Field(max_length=MAX_FIELDS)] = Field(
        {}, description="column -> value, as in training", examples=[{"category": "Animal"}]
    )
    numbers: Annotated[
        dict[Name, Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=MAX_FIELDS)
    ] = Field(
        {},
        description="numeric columns -> value, as in training",
        examples=[{"photo_count": 12}],
    )
    image: Annotated[str, StringConstraints(max_length=MAX_IMAGE_BYTES * 4 // 3 + 4)] | None = (
        Field(None, description="the picture's file, base64", examples=["/9j/4AAQSkZJRg..."])
    )


class Query(BaseModel):
    """Drafts to score."""

    model_config = ConfigDict(extra="forbid", strict=True)

    posts: Annotated[list[Draft], Field(min_length=1, max_length=MAX_POSTS)] = Field(
        examples=[[{"title": "A sunset over the sea"}]]
    )
    explain: bool = Field(
        False, description="say why, which takes some times as long", examples=[True]
    )


def make_app(predictor: Predictor, hosts: set[str]) -> Any:
    """The application, behind its guard; ``hosts`` are the names that it is served under."""
    app = FastAPI(
        title="FAME",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        description="Predictions of a post's popularity, with intervals and reasons.",
    )
    _add_errors(app)
    _add_metrics(app)
    _add_pages(app)
    _add_predictions(app, predictor)
    return Guard(app, hosts, MAX_BYTES)


def _add_predictions(app: FastAPI, predictor: Predictor) -> None:
    @app.post("/api/predict", summary="Predictions of up to 32 drafts, with reasons if asked for")
    def predict(query: Query) -> dict[str, Any]:
        return answer(predictor, query)

    schema = {"content": {"text/csv": {"schema": STRINGS}}}

    @app.post(
        "/api/predict.csv",
        summary="A CSV of posts in, a CSV of predictions out; no pictures",
        response_class=Response,
        openapi_extra={"requestBody": schema | {"required": True}},
        responses={200: schema | {"headers": {FOUND: {"description": TOLD, "schema": STRINGS}}}},
    )
    async def predict_csv(request: Request) -> Response:
        content = await request.body()
        table, found = await run_in_threadpool(score_csv, predictor, content)
        told = {FOUND: json.dumps([line[:LINE] for line in found[:LINES]])}  # ASCII
        return Response(table.to_csv(index=False), media_type="text/csv", headers=told)

    @app.get("/api/run", summary="What was trained on, and how good it is on posts held out")
    def describe() -> dict[str, Any]:
        return describe_run(predictor)

    @app.get("/healthz", summary="Whether the models are loaded")
    async def check_health() -> dict[str, Any]:  # at once, however many wait for a prediction
        return {"status": "ok", "learners": predictor.bundle.learners}


def _list_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A dictionary a row, keyed by the columns' names."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def answer(predictor: Predictor, query: Query) -> dict[str, Any]:
    """Predictions of drafts, JSON-able.

    Raises:
        InputError: what is wrong with a draft.
    """
    allowed = predictor.list_columns()
    records = [
        {
            name: value
            for name, value in to_record(place, draft, allowed).items()
            if name not in FIELDS or predictor.knows(name)
        }
        for place, draft in enumerate(query.posts)
    ]
    for place, draft in enumerate(query.posts):
        given = [name for name in CONTENTS if getattr(draft, name)]
        if given and not any(predictor.knows(name) for name in given):
            raise InputError(
                f"posts.{place}: {' and '.join(given)} not used, as the training posts had none, "
                "and nothing else of its content is given"
            )
    reasons: list[dict[str, Any]] | None = None
    with tempfile.TemporaryDirectory(prefix="fame_nothing_") as empty:
        if query.explain:
            table, reasons = predictor.explain(records, images=empty)
        else:
            table = predictor.predict(records, images=empty)
    found = [
        describe(predictor, row, draft)
        for row, draft in zip(_list_rows(table), query.posts, strict=True)
    ]
    for place, (row, draft) in enumerate(zip(found, query.posts, strict=True)):
        row["notes"] += [
            f"{name} not used, as the training posts had none"
            for name in FIELDS
            if getattr(draft, name) and not predictor.knows(name)
        ]
        unreadable = next((n for n in row["notes"] if n.startswith("unreadable picture")), None)
        if unreadable:
            raise InputError(f"posts.{place}.image: {unreadable}")
        if reasons is not None:
            row["reasons"] = reasons[place]
    return {"posts": found, "unit": predictor.unit}


def to_record(place: int, draft: Draft, allowed: tuple[list[str], list[str]]) -> dict[str, Any]:
    """A draft as the predictor takes it; ``allowed``: columns of categories and of numbers.

    Raises:
        InputError: the picture is none, or too large, or a column is not one of the training's.
    """
    record: dict[str, Any] = {name: getattr(draft, name) for name in FIELDS if name != "image"}
    record["id"] = draft.id or f"draft-{place + 1}"
    for key, columns in zip(("categories", "numbers"), allowed, strict=True):
        for name, value in getattr(draft, key).items():
            if name not in columns:
                known = ", ".join(columns) or "none"
                raise InputError(f"posts.{place}.{key}: no column {name!r}; allowed: {known}")
            record[name] = value
    if draft.image is not None:
        record["image"] = read_picture(f"posts.{place}.image", draft.image)
    return record


def read_picture(place: str, text: str) -> bytes:
    """The bytes of a picture, its header checked.

    Raises:
        InputError: not base64, no picture, or too many pixels.
    """
    try:
        content = base64.b64decode(text, validate=True)
        header = read_header(content)
    except UnreadableImageError as error:
        raise InputError(f"{place}: unreadable picture ({error.status})") from None
    except ValueError:  # binascii's is one
        allowed = "the picture's file in base64 alone, no path and no data URL"
        raise InputError(f"{place}: not base64, allowed: {allowed}") from None
    if header.width * header.height > MAX_PIXELS:
        raise InputError(
            f"{place}: {header.width} x {header.height} pixels, allowed: {MAX_PIXELS:,}"
        )
    return content


def describe(predictor: Predictor, row: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """A row of the table of predictions, with where it lies among all posts and the author's."""
    labels = np.array(predictor.bundle.training["label_quantiles"])
    own = np.array(predictor.list_past(draft.user) if draft.user else [])
    prediction = row["prediction"]
    return {
        "id": row["id"],
        "prediction": prediction,
        "count": row.get("count"),
        "intervals": {name: [row[f"low_{name}"], row[f"high_{name}"]] for name in predictor.shares},
        "count_intervals": {
            name: [row[f"count_low_{name}"], row[f"count_high_{name}"]]
            for name in (predictor.shares if "count" in row else [])
        },
        "learners": {name: row[f"learner_{name}"] for name in predictor.bundle.learners},
        "author": row["author"],
        "author_posts": row["author_posts"],
        "above_all": float((labels < prediction).mean()),
        "above_author": float((own < prediction).mean()) if len(own) else None,
        "notes": row["notes"].split("; ") if row["notes"] else [],
    }


def score_csv(predictor: Predictor, content: bytes) -> tuple[pd.DataFrame, list[str]]:
    """The table of predictions of a CSV, and what reading decided and left out.

    Paths in it lead nowhere.

    Raises:
        InputError: what cannot be read, or too many rows.
    """
    if is_packed(content):
        raise InputError("posts.csv: is packed or a workbook, allowed: text")
    with tempfile.TemporaryDirectory(prefix="fame_csv_") as folder:
        path, nothing = Path(folder) / "posts.csv", Path(folder) / "nothing"
        nothing.mkdir()
        path.write_bytes(content)
        try:
            drafts = predictor.read_file(path, nothing)
        except InputError as error:
            raise InputError(str(error).replace(str(path), "posts.csv")) from None
        if len(drafts) > MAX_ROWS:
            raise InputError(
                f"posts.csv: {len(drafts):,} posts, allowed: {MAX_ROWS:,}; `fame predict` has no "
                "such limit"
            )
        table = predictor.predict_drafts(drafts, progress=False)
    # What was named was looked for in an empty folder.
    table["notes"] = table["notes"].str.replace(
        r"unreadable picture \(\w+\)", NO_PICTURES, regex=True
    )
    return table, drafts.found


def describe_run(predictor: Predictor) -> dict[str, Any]:
    """Training, holdout scores and what a draft may hold."""
    bundle = predictor.bundle
    training = {k: v for k, v in bundle.training.items() if k != "label_quantiles"}
    labels = bundle.training["label_quantiles"]
    ends = {"lowest": labels[0], "median": float(np.median(labels)), "highest": labels[-1]}
    categories, numeric = predictor.list_columns()
    values = {name: known[:MAX_VALUES] for name, known in predictor.list_values().items()}
    return {
        "training": training | ends,
        "unit": predictor.unit,
        "intervals": predictor.shares,
        "half_widths": {group: bundle.widths[group] for group in intervals.GROUPS},
        "learners": bundle.learners,
        "left_out": bundle.left_out,
        "categories": categories,
        "values": values,
        "numbers": numeric,
    }


def _add_pages(app: FastAPI) -> None:
    contents = {name: Path(__file__).with_name(name).read_bytes() for name in PAGE}

    def send(name: str) -> Callable[[], Response]:
        return lambda: Response(contents[name], media_type=PAGE[name])

    app.add_api_route("/", send("page.html"), include_in_schema=False)
    for name in ("page.css", "page.js"):
        app.add_api_route(f"/{name}", send(name), include_in_schema=False)

    @app.get("/api", include_in_schema=False)
    def show_reference() -> HTMLResponse:
        return HTMLResponse(render_reference(app.openapi()))


def render_reference(schema: dict[str, Any]) -> str:
    """The OpenAPI description as a page that needs nothing but itself."""
    parts = []
    for path, methods in schema["paths"].items():
        for method, entry in methods.items():
            parts.append(
                f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2>"
                f"<p>{html.escape(entry.get('summary', ''))}</p></section>"
            )
    for name, entry in schema.get("components", {}).get("schemas", {}).items():
        text = html.escape(json.dumps(entry, indent=2))
        parts.append(
            f"<section><h2>{html.escape(name)}</h2>"
            f'<pre tabindex="0" aria-label="{html.escape(name)}">{text}</pre></section>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>FAME: API</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"></head>'
        '<body><main><h1>API</h1><p><a href="/">The page</a>, '
        '<a href="/openapi.json">openapi.json</a></p>' + "".join(parts) + "</main></body></html>"
    )


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    def explain(_request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    def explain_request(_request: Request, error: RequestValidationError) -> JSONResponse:
        problem = error.errors()[0]
        if problem["type"] == "json_invalid":
            return JSONResponse({"error": "the request: not valid JSON"}, 422)
        path = [str(part) for part in problem["loc"][1:]]
        # pydantic puts the key, which may be empty, and this word behind it.
        path = path[:-2] if path[-1:] == ["[key]"] else path
        place = ".".join(path) or "the request"
        if place == "posts" and problem["type"] in ("too_short", "too_long"):
            count = problem["ctx"]["actual_length"] or "no"
            return JSONResponse({"error": f"posts: {count} drafts; send 1 to {MAX_POSTS}"}, 422)
        if place == "the request":
            told = (
                'not a JSON object with posts, like {"posts": [{"title": "A cat"}]}; '
                "its content-type is application/json"
            )
            return JSONResponse({"error": f"the request: {told}"}, 422)
        return JSONResponse({"error": f"{place}: {_explain_problem(problem)}"}, 422)

    @app.exception_handler(HTTPException)
    def explain_http(_request: Request, error: HTTPException) -> JSONResponse:
        unread = error.status_code == UNREAD
        told = "the request: not readable, allowed: JSON in UTF-8" if unread else error.detail
        return JSONResponse({"error": told}, error.status_code)


def _explain_problem(problem: dict[str, Any]) -> str:
    """What pydantic found, in words of JSON, with an example of what is allowed."""
    _body, *path = problem["loc"]
    in_draft = path[:1] == ["posts"] and len(path) > 2
    what, model = ("a draft", Draft) if in_draft else ("the request", Query)
    if problem["type"] == "extra_forbidden":
        return f"unknown key; {what} has {', '.join(model.model_fields)}{NESTED * in_draft}"
    message = problem["msg"].replace("Input should be", "must be").replace(" after validation", "")
    for found, words in JSON_WORDS.items():
        message = message.replace(found, words)
    (example,) = model.model_fields[path[2] if in_draft else path[0]].examples or [None]
    if path[:1] == ["posts"] and len(path) == 2:  # a draft itself
        example = example[0]
    return message if "too_long" in problem["type"] else f"{message}, like {json.dumps(example)}"


def _add_metrics(app: FastAPI) -> None:
    registry = CollectorRegistry()
    requests = Counter("fame_requests", "Requests", ["path", "status"], registry=registry)
    seconds = Histogram(
        "fame_request_seconds",
        "Seconds of a request",
        ["path"],
        registry=registry,
        buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    )

    @app.middleware("http")
    async def count(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "other")
        seconds.labels(path).observe(time.perf_counter() - started)
        requests.labels(path, response.status_code).inc()
        return response

    @app.get("/metrics", summary="Counts and seconds of requests, for Prometheus")
    def show_metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
