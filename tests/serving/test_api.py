import asyncio
import base64
import bz2
import gzip
import io
import json
import logging
import lzma
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from fame.serving import api
from fame.serving.api import make_app
from fame.serving.guard import Guard

POST = {"title": "A sunset over the sea", "tags": ["sunset"], "time": "2016-03-01T12:00:00"}
JSON = {"content-type": "application/json"}
HOST = "http://127.0.0.1:8000"
THREADS = 40  # of the server, for what is no coroutine


@pytest.fixture(scope="module")
def client(predictor):
    app = make_app(predictor, {"127.0.0.1", "localhost"})
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as made:
        yield made


def ask(client, *posts, **more):
    return client.post("/api/predict", json={"posts": list(posts), **more})


def encode(content):
    return base64.b64encode(content).decode()


def test_drafts_get_what_the_library_says(client, predictor, picture):
    response = ask(client, POST | {"id": "a", "image": encode(picture)}, {"title": "A cat"})
    assert response.status_code == 200
    found = response.json()["posts"]
    table = predictor.predict([POST | {"image": picture}, {"title": "A cat"}])
    assert [post["prediction"] for post in found] == table["prediction"].tolist()
    assert [post["id"] for post in found] == ["a", "draft-2"]
    low, high = found[0]["intervals"]["80"]
    assert (low, high) == (table["low_80"][0], table["high_80"][0])
    assert found[0]["notes"] == []
    assert (found[0]["count"], found[0]["count_intervals"]) == (None, {})
    assert found[1]["notes"] == ["no picture"]
    assert 0 <= found[0]["above_all"] <= 1
    assert found[0]["above_author"] is None


def test_a_known_author_has_a_place_among_the_own_posts(client, predictor):
    users = predictor.scorer.index.posts["user_id"].to_pylist()
    (post,) = ask(client, POST | {"user": users[0]}).json()["posts"]
    assert post["author"] == "known"
    assert 0 <= post["above_author"] <= 1


def test_reasons_come_when_asked_for(client):
    (post,) = ask(client, POST, explain=True).json()["posts"]
    reasons = post["reasons"]
    assert reasons["base"] + sum(reasons["parts"].values()) == pytest.approx(
        post["prediction"], abs=1e-6
    )


def make_picture(size):
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("post", "sentence"),
    [
        ({}, "has no title, no tags and no picture"),
        ({"title": 3}, 'posts.0.title: must be a text, like "A sunset over the sea"'),
        ({"title": "x" * 10_000}, "posts.0.title: must have at most 5000 characters"),
        ({"tags": "a,b"}, 'posts.0.tags: must be a list, like ["sunset", "sea"]'),
        ({"tags": [1]}, 'posts.0.tags.0: must be a text, like ["sunset", "sea"]'),
        (
            {"categories": ["a"]},
            'posts.0.categories: must be an object, like {"category": "Animal"}',
        ),
        (
            {"numbers": {"photo_count": "2"}},
            'posts.0.numbers.photo_count: must be a number, like {"photo_count": 12}',
        ),
        ({"title": "a", "category": "Animal"}, 'hold columns, like {"categories": {"category": "A'),
        ("a draft", 'posts.0: must be an object, like {"title": "A sunset over the sea"}'),
        (
            {"title": "a", "time": "01/02/2016"},
            "cannot be told apart ('01/02/2016'); write the year",
        ),
        ({"title": "a", "time": "1900-01-01"}, "time is in 1900"),
        ({"title": "a", "time": "2100-01-01"}, "time is in 2100"),
        ({"title": "a", "time": "soon"}, "no time"),
        ({"title": "a", "color": "red"}, "posts.0.color: unknown key"),
        ({"title": "a", "numbers": {"size": 1.0}}, "no column 'size'; allowed: longitude"),
        ({"title": "a", "categories": {"kind": "x"}}, "no column 'kind'; allowed: category"),
        ({"image": "§"}, "posts.0.image: not base64"),
        ({"image": "a.jpg"}, "not base64, allowed: the picture's file in base64 alone, no path"),
        (
            {"title": "a", "numbers": {"photo_count": 1e300}},
            "infinite or too large numbers: 1 of 1",
        ),
        ({"image": encode(b"no picture")}, "unreadable picture (not_an_image)"),
        ({"image": encode(make_picture((9, 9))[:20])}, "unreadable picture (not_an_image)"),
        ({"image": ""}, "unreadable picture (empty)"),
        ({"image": encode(make_picture((9000, 9000)))}, "9000 x 9000 pixels, allowed: 40,000,000"),
        ({"image": encode(make_picture((14000, 14000)))}, "unreadable picture (bomb)"),
        (
            {"title": "a", "categories": {f"c{i}": "x" for i in range(1000)}},
            "at most 200 items",
        ),
    ],
)
def test_bad_input_is_a_sentence(client, post, sentence):
    response = ask(client, post)
    assert response.status_code == 422
    assert sentence in response.json()["error"]
    assert set(response.json()) == {"error"}


def test_what_is_odd_but_possible_is_scored(client):
    post = {"title": "😀" * 500, "user": "nobody", "categories": {"category": "Zebra"}}
    (found,) = ask(client, post).json()["posts"]
    assert found["author"] == "new"
    assert "category 'Zebra' is not in the training posts" in found["notes"]


@pytest.mark.parametrize(("count", "found"), [(0, "no"), (33, "33")])
def test_how_many_drafts_may_be_sent_is_said(client, count, found):
    response = ask(client, *[{"title": "a"}] * count)
    assert response.status_code == 422
    assert response.json() == {"error": f"posts: {found} drafts; send 1 to 32"}


def test_an_id_stands_once(client):
    response = ask(client, {"id": "draft-2", "title": "a"}, {"title": "b"})
    assert response.status_code == 422
    assert response.json()["error"] == "posts: id 'draft-2' stands twice; ids are unique"


@pytest.mark.parametrize("body", ["[", "{}", '{"posts": []}', '{"posts": [{"title": NaN}]}'])
def test_what_is_no_query_is_a_sentence(client, body):
    response = client.post("/api/predict", content=body, headers=JSON)
    assert response.status_code == 422
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            {"posts": {"title": "a"}},
            'posts: must be a list, like [{"title": "A sunset over the sea"}]',
        ),
        ({"titles": []}, 'posts: missing, like [{"title": "A sunset over the sea"}]'),
        (
            {"posts": [{"title": "a"}], "why": True},
            "why: unknown key; the request has posts, explain",
        ),
        (
            {"posts": [{"title": "a"}], "explain": "yes"},
            "explain: must be true or false, like true",
        ),
    ],
)
def test_a_query_of_another_shape_is_told_what_is_allowed(client, query, error):
    response = client.post("/api/predict", json=query)
    assert (response.status_code, response.json()) == (422, {"error": error})


def test_a_body_that_is_no_utf8_is_told_so(client):
    content = '{"posts": [{"title": "é"}]}'.encode("latin-1")
    response = client.post("/api/predict", content=content, headers=JSON)
    assert response.status_code == 400
    assert response.json()["error"] == "the request: not readable, allowed: JSON in UTF-8"


def test_a_number_that_is_none_is_refused(client):
    body = '{"posts": [{"title": "a", "numbers": {"photo_count": NaN}}]}'
    response = client.post("/api/predict", content=body, headers=JSON)
    assert "finite number" in response.json()["error"]


def test_nothing_of_the_content_is_logged(client, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        ask(client, POST | {"title": "a secret draft"})
        ask(client, {"title": "a secret draft", "time": "secret"})
        ask(client, {"title": "a", "numbers": {"photo_count": 1e300}})
        client.post("/api/predict.csv", content="id,title,image\n1,a secret,secret.jpg\n")
    told = capfd.readouterr()
    assert "secret" not in told.out + told.err + caplog.text
    assert told.err == ""


def test_requests_of_other_sites_and_hosts_are_refused(client):
    query = {"posts": [POST]}
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert client.post("/api/predict", json=query, headers=headers).status_code == 403
    own = client.post("/api/predict", json=query, headers={"origin": HOST})
    assert own.status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:1"}).status_code == 200


def test_headers_that_are_none_are_refused(client):
    assert client.get("/", headers={"host": "[::1"}).status_code == 421
    query = {"posts": [POST]}
    response = client.post("/api/predict", json=query, headers={"origin": "http://[bad"})
    assert response.status_code == 403


def test_a_large_request_is_refused_without_being_kept(monkeypatch):
    app = make_app(None, {"127.0.0.1"})
    monkeypatch.setattr(app, "_max_bytes", 1000)
    small = TestClient(app, base_url=HOST)
    for content in (b"x" * 2000, (b"x" * 100 for _ in range(20))):  # without a length too
        response = small.post("/api/predict", content=content)
        assert response.status_code == 413
        assert "larger than" in response.json()["error"]
    response = small.post("/api/predict", content=b"x", headers={"content-length": "many"})
    assert response.status_code == 413


def test_a_request_without_an_end_is_not_received_for_ever():
    guard = Guard(None, {"127.0.0.1"}, 1000)
    asked = []

    async def receive():
        asked.append(1)
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    assert asyncio.run(guard._read({}, receive)) is None
    assert len(asked) == 81


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/page.js/../../manifest.py", "/%2e%2e/%2e%2e/etc/passwd"),
        *("/models/manifest.json", "/page.html", "/docs", "//etc/passwd"),
    ],
)
def test_no_other_file_is_served(client, path):
    assert client.get(path).status_code == 404


def test_csv_goes_in_and_comes_out(client, predictor):
    content = "id,title,image\n1,A cat,../../../etc/passwd\n2,The sea,/etc/passwd\n"
    response = client.post("/api/predict.csv", content=content)
    table = pd.read_csv(io.StringIO(response.text), float_precision="round_trip")
    expected = predictor.predict([{"title": "A cat"}, {"title": "The sea"}])
    assert table["prediction"].tolist() == expected["prediction"].tolist()
    assert set(table["notes"]) == {"picture not used: a CSV brings none"}


def test_a_bad_csv_is_a_sentence_without_a_place(client, monkeypatch):
    response = client.post("/api/predict.csv", content=b"")
    assert response.status_code == 422
    assert "/tmp" not in response.json()["error"]
    monkeypatch.setattr(api, "MAX_ROWS", 1)
    response = client.post("/api/predict.csv", content="id,title\n1,a\n2,b\n")
    assert "2 posts, allowed: 1" in response.json()["error"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "posts.csv: is empty"),
        (b"id,title\n", "holds no post"),
        (gzip.compress(b"id,title\n1,a\n", mtime=0), "is packed or a workbook, allowed: text"),
        (bz2.compress(b"id,title\n1,a\n"), "is packed or a workbook, allowed: text"),
        (lzma.compress(b"id,title\n1,a\n"), "is packed or a workbook, allowed: text"),
        (b"PK\x03\x04", "is packed or a workbook, allowed: text"),
        (b"x,y\n1,2\n", "no post has a value in any of the columns title, tags, image"),
        (b"id,title,time\n1,a,1900-01-01\n", "time is in 1900"),
        (b"id,title,time\n1,a,soon\n", "cells that are no time: 1 of 1"),
        (
            b"id,title,photo_count\n1,a,many\n",
            "cells that are no number: 1 of 1 (data row 1: 'many')",
        ),
        (b"id,title\n1,a\n1,b\n", "ids are unique"),
        (b'id,title\n1,"a\n', "a quote that does not close"),
    ],
)
def test_a_csv_that_cannot_be_scored_is_a_sentence(client, content, sentence):
    response = client.post("/api/predict.csv", content=content)
    assert response.status_code == 422
    assert sentence in response.json()["error"]
    assert "data." not in response.json()["error"]  # no parameter that the sender could change


def test_a_csv_is_told_what_of_it_was_left_out(client):
    content = "title,colour\n" + "a,red\n" * 20 + "b,é,c\n"
    response = client.post("/api/predict.csv", content=content.encode())
    odd, unused = json.loads(response.headers["fame-read"])
    assert len(response.text.splitlines()) == 1 + 20
    assert odd.startswith("rows with another number of cells than the header: 1")
    assert "é" in odd
    assert "know no such columns: colour; known: id, user, time, title, tags, image" in unused


def test_a_csv_of_many_columns_and_long_texts_is_scored(client):
    names = ",".join(f"c{number}" for number in range(1000))
    content = f"id,title,{names}\n1,{'x' * 10_000}{',' * 1000}\n2,{',' * 1000}\n"
    lines = client.post("/api/predict.csv", content=content).text.splitlines()
    assert len(lines) == 3
    assert lines[2].endswith(",no picture; no text")


def test_one_unreadable_time_among_many_drafts_is_refused(client):
    """Of a file a few are left empty and told; of drafts none is."""
    posts = [{"title": "A cat"}] * 31 + [{"title": "A cat", "time": "soon"}]
    response = client.post("/api/predict", json={"posts": posts})
    assert response.status_code == 422
    assert "cells that are no time: 1 of 1 (post 32: 'soon')" in response.json()["error"]


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"latitude": 999}, "latitude is 999.0, allowed: degrees in -90 .. 90"),
        ({"photo_count": -1}, "photo_count is -1.0, allowed: a number >= 0"),
        ({"is_pro": 7}, "is_pro is 7.0, allowed: 0 or 1"),
    ],
)
def test_numbers_that_no_post_has_are_refused(client, numbers, sentence):
    response = client.post("/api/predict", json={"posts": [{"title": "a", "numbers": numbers}]})
    assert response.status_code == 422
    assert response.json()["error"] == f"posts: post 'draft-1': {sentence}"


def test_a_body_that_is_no_json_object_is_told_so(client):
    for content, kind in ((b"", "application/json"), (b"[]", "application/json"), (b"{}", "a/b")):
        response = client.post("/api/predict", content=content, headers={"content-type": kind})
        assert response.status_code == 422
        assert response.json()["error"].startswith("the request: not a JSON object with posts")


def test_a_bundle_may_have_other_quantiles(predictor, monkeypatch):
    monkeypatch.setitem(predictor.bundle.training, "label_quantiles", [1.0, 2.0, 5.0, 6.0])
    training = api.describe_run(predictor)["training"]
    assert [training[name] for name in ("lowest", "median", "highest")] == [1, 3.5, 6]


def test_the_run_is_described(client):
    run = client.get("/api/run").json()
    assert run["training"]["posts"] == 120
    assert run["categories"] == ["category", "subcategory", "concept"]
    assert run["training"]["lowest"] < run["training"]["median"] < run["training"]["highest"]
    assert set(run["training"]["holdout"]["fame"]) == {"src", "mae"}


def test_health_is_told_while_all_threads_wait(client, monkeypatch):
    """More requests than there are threads wait for a prediction; the server is well."""
    free = threading.Event()
    monkeypatch.setattr(api, "answer", lambda *_: {"posts": [], "waited": free.wait(60)})
    with ThreadPoolExecutor(THREADS + 2) as pool:
        asked = [pool.submit(ask, client, POST) for _ in range(THREADS + 1)]
        try:
            told = pool.submit(client.get, "/healthz").result(timeout=10)
        finally:
            free.set()
        assert all(one.result().json()["waited"] for one in asked)
    assert told.json()["status"] == "ok"


def test_health_and_metrics(client):
    assert client.get("/healthz").json()["status"] == "ok"
    ask(client, POST)
    told = client.get("/metrics").text
    assert 'fame_requests_total{path="/api/predict",status="200"}' in told
    assert 'fame_requests_total{path="/api/predict",status="422"}' in told


def test_pages_need_nothing_but_themselves(client):
    for path in ("/", "/page.css", "/page.js", "/api", "/openapi.json"):
        response = client.get(path)
        assert response.status_code == 200
        text = response.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["x-content-type-options"] == "nosniff"


def test_the_reference_lists_every_path(client):
    page, schema = client.get("/api").text, client.get("/openapi.json").json()
    assert {"/api/predict", "/api/predict.csv", "/api/run", "/healthz", "/metrics"} == set(
        schema["paths"]
    )
    assert all(path in page for path in schema["paths"])
    assert json.dumps(schema)
