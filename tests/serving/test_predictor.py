import io
import re
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import fame
from fame.runtime.errors import InputError
from fame.runtime.files import digest_file
from fame.serving.predictor import Predictor

POST = {"title": "A sunset over the sea", "tags": ["sunset", "sea"], "time": "2016-03-01T12:00:00"}


@pytest.fixture(scope="module")
def drafts(finished, predictor):
    return predictor.read_file(finished / "data/raw/sample", None)


@pytest.fixture(scope="module")
def table(drafts, predictor):
    return predictor.predict_drafts(drafts, progress=False)


def read_predictions(finished, name):
    path = finished / f"data/predictions/{name}.parquet"
    return pq.read_table(path).to_pandas().set_index("post_id")["prediction"]


def test_the_package_offers_it():
    assert fame.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Oracle'"):
        _ = fame.Oracle


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("lightgbm", "learner_lightgbm"),
        ("catboost", "learner_catboost"),
        ("fame", "prediction"),
    ],
)
def test_challenge_posts_get_the_pipelines_predictions(finished, table, name, column):
    expected = read_predictions(finished, name).loc[table["id"]]
    assert len(table) == 40
    assert np.array_equal(table[column], expected)


def test_order_and_company_change_nothing(drafts, table, predictor):
    backwards = [drafts.slice(row, 1) for row in reversed(range(len(drafts)))]
    parts = [predictor.tabulate(part, predictor.score(part)) for part in backwards]
    alone = pd.concat(parts[::-1], ignore_index=True)
    numbers = [name for name in table if table[name].dtype == np.float64]
    assert np.abs(alone[numbers] - table[numbers]).to_numpy().max() < 1e-6
    assert alone[["id", "author", "author_posts", "notes"]].equals(
        table[["id", "author", "author_posts", "notes"]]
    )


def test_known_authors_are_those_of_the_fusion(finished, table):
    posts = pq.read_table(finished / "data/interim/posts.parquet").to_pandas()
    training = posts[posts["split"] == "fit"]
    for row, post in zip(
        table.itertuples(), posts.set_index("post_id").loc[table["id"]].itertuples(), strict=True
    ):
        earlier = training["posted_at"][training["user_id"] == post.user_id] < post.posted_at
        assert row.author_posts == earlier.sum()
        assert row.author == ("known" if earlier.any() else "new")
    assert set(table["author"]) == {"known", "new"}


def test_intervals_are_those_of_the_fusion(predictor, table):
    for share in ("80", "95"):
        half = [predictor.bundle.widths[group][share] for group in table["author"]]
        lowest, highest = predictor.bundle.reach
        low, high = table["prediction"] - half, table["prediction"] + half
        assert np.allclose(table[f"low_{share}"], low.clip(lowest))
        assert np.allclose(table[f"high_{share}"], high.clip(upper=highest))


def test_records_and_frames_are_alike(predictor):
    posts = [POST | {"id": "a"}, {"id": "b", "title": "A cat", "time": None}]
    one = predictor.predict(posts)
    frame = pd.DataFrame(posts)
    assert predictor.predict(frame).equals(one)
    assert one["id"].tolist() == ["a", "b"]
    assert one["notes"].tolist() == ["no picture", "no picture"]


def test_a_known_author_without_a_time_has_a_note(finished, predictor):
    posts = pq.read_table(finished / "data/interim/posts.parquet").to_pandas()
    user = posts["user_id"][posts["split"] == "fit"].iloc[0]
    found = predictor.predict(
        [POST | {"user": user, "time": None}, POST | {"user": user, "time": "2017-01-01"}]
    )
    assert found["author"].tolist() == ["known", "known"]
    assert "no time, so the author's past is not used" in found["notes"][0]
    assert "no time" not in found["notes"][1]


def test_a_picture_is_bytes_or_a_path(predictor, picture, tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture)
    given = predictor.predict([POST | {"image": picture}])
    listed = predictor.predict([POST | {"image": "a.jpg"}], images=tmp_path)
    assert given.equals(listed)
    assert given["notes"].tolist() == [""]


def test_a_draft_may_have_the_name_of_a_total(predictor, picture):
    posts = [{"id": name, "title": "A cat", "image": picture} for name in ("Total", "Mean:", "a")]
    assert predictor.predict(posts)["id"].tolist() == ["Total", "Mean:", "a"]
    assert predictor.predict(posts[:1])["id"].tolist() == ["Total"]


def test_what_could_not_be_used_is_noted(predictor):
    posts = [
        POST | {"image": b"no picture", "category": "Zebra"},
        POST | {"image": "../../etc/passwd"},
        {"id": "x", "image": b""},
    ]
    notes = predictor.predict(posts)["notes"].tolist()
    assert notes[0] == (
        "unreadable picture (not_an_image); category 'Zebra' is not in the training posts"
    )
    assert notes[1] == "unreadable picture (outside)"
    assert notes[2] == "unreadable picture (empty); no text"


def test_what_was_clipped_is_noted(predictor, monkeypatch):
    for model in predictor.scorer.models.values():
        monkeypatch.setattr(model, "label_range", (8.0, 8.5))
    table = predictor.predict([POST])
    assert table["prediction"][0] in (8.0, 8.5)
    told = "no picture; clipped to the range of the training labels: lightgbm, catboost"
    assert table["notes"].tolist() == [told]


@pytest.mark.parametrize(
    ("post", "sentence"),
    [
        ({"id": "a"}, "post a: has no title, no tags and no picture"),
        ({"id": "a", "title": " "}, "post a: has no title, no tags and no picture"),
        (POST | {"time": "1900-01-01"}, "time is in 1900, allowed: within 20 years"),
        (POST | {"time": "2100-01-01"}, "time is in 2100, allowed: within 20 years"),
        (POST | {"time": "soon"}, "cells that are no time: 1 of 1 .*'soon'"),
        (POST | {"photo_count": "many"}, "photo_count: cells .*: 1 of 1 .*'many'"),
    ],
)
def test_no_post_and_slips_are_refused(predictor, post, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        predictor.predict([post])
    assert "data." not in str(error.value)


def test_odd_input_does_not_end_in_a_traceback(predictor):
    wide = POST | {f"column_{number}": number for number in range(1000)}
    with pytest.warns(UserWarning, match="column_19 and 980 more; known: id, user") as told:
        table = predictor.predict([wide, POST | {"title": "x" * 10_000, "photo_count": np.nan}])
    assert len(table) == 2
    assert [Path(one.filename) for one in told] == [Path(__file__)]
    with pytest.raises(InputError, match="no post given"):
        predictor.predict([])
    with pytest.raises(InputError, match="posts: id 'a' stands twice; ids are unique"):
        predictor.predict([POST | {"id": "a"}, POST | {"id": "a", "title": "another"}])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"titel": "x"}, "titel"),
        ({"category": "Animal", "numbers": {"photo_count": 1}}, "numbers.photo_count"),
        ({"post_id": "a", "id": "b"}, "post_id"),
    ],
)
def test_keys_that_the_models_do_not_know_are_warned_of(predictor, more, key):
    told = rf"not used, .* no such columns: {key}; known: id, user, time, title, .*, category, "
    for call in (predictor.predict, predictor.explain):
        with pytest.raises(UserWarning, match=told):
            call([POST | more])
    assert len(predictor.predict(pd.DataFrame([POST | {"photo_count": 1}]))) == 1


def test_a_misspelt_title_is_named_where_a_post_has_nothing_else(predictor):
    with pytest.raises(InputError, match=r"no picture; not used, .* columns: titel; known: id,"):
        predictor.predict([{"titel": "x"}])


def test_pictures_found_below_are_warned_of(predictor, picture, tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    (tmp_path / "below/a.jpg").write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match=r"post 1: 'a.jpg' is below/a.jpg\); name the folder"):
        predictor.predict([POST | {"image": "a.jpg"}])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"title": ["a", "b"]},
            "posts: post 1: title: is of the type list of str, allowed: text, a num",
        ),
        ({"title": {"text": "a"}}, "title: is of the type dict"),
        ({"title": b"a"}, "title: is of the type bytes"),
        (
            {"tags": [b"a"]},
            'tags: is of the type list of bytes, allowed: a list of texts, like ["sunset"',
        ),
        ({"user": ["me"]}, "user: is of the type list"),
        ({"id": ["me"]}, "id: is of the type list"),
        ({"time": ["2016-03-01"]}, "time: is of the type list"),
        ({"photo_count": 5j}, "photo_count: is of the type complex"),
        ({"image": 5}, "image: is of the type int, allowed: the bytes of the picture's file, or"),
        ({"image": np.zeros((9, 9, 3))}, "image: is of the type ndarray"),
        ({"image": io.BytesIO()}, "image: is of the type BytesIO"),
    ],
)
def test_values_of_other_kinds_are_refused(predictor, more, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        predictor.predict([POST | more])


@pytest.mark.parametrize(
    ("posts", "sentence"),
    [
        (POST, "posts: is of the type dict, expected a frame or a list of mappings, one a post"),
        ("drafts.csv", "posts: is of the type str, expected"),
        (None, "posts: is of the type NoneType, expected"),
        (["A cat"], "posts: post 1 is of the type str, expected"),
        (pd.DataFrame([["a", "b"]], columns=["title", "title"]), "two columns are named 'title'"),
    ],
)
def test_what_is_no_list_of_posts_is_refused(predictor, posts, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        predictor.predict(posts)


def test_values_of_pandas_and_python_are_read(predictor):
    plain = predictor.predict([POST | {"id": "0", "photo_count": 2}])
    own = POST | {"id": 0, "tags": {"sea", "sunset"}, "photo_count": Decimal(2)}
    own |= {"user": pd.NA, "category": pd.NaT, "time": pd.Timestamp(POST["time"])}
    plain["prediction"] = predictor.predict([POST | {"tags": ["sea", "sunset"], "photo_count": 2}])[
        "prediction"
    ]
    found = predictor.predict([own])
    assert found[["id", "prediction"]].equals(plain[["id", "prediction"]])


def test_threads_get_what_they_would_alone(predictor):
    titles = [f"A sunset over the sea, number {number}" for number in range(6)]
    alone = [predictor.predict([POST | {"title": title}])["prediction"][0] for title in titles]
    found = {}

    def ask(place):
        found[place] = predictor.predict([POST | {"title": titles[place]}])["prediction"][0]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(titles))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place] for place in range(len(titles))] == alone


def test_scoring_leaves_the_bundle_as_it_is(models, predictor, picture):
    def list_files():
        return {path: digest_file(path) for path in models.rglob("*") if path.is_file()}

    before = list_files()
    predictor.explain([POST | {"image": picture}])
    assert list_files() == before


def test_newer_labelled_posts_become_the_authors_past(models, tmp_path):
    own = Predictor.load(models, threads=1)
    post = POST | {"user": "somebody new", "time": "2016-06-01T00:00:00"}
    before = own.predict([post])
    path = tmp_path / "newer.csv"
    path.write_text("id,user,time,popularity\n1,somebody new,2016-05-01,14.5\n")
    assert own.extend_history(path)[:2] == (1, 0)
    assert own.extend_history(path)[:2] == (0, 1)
    after = own.predict([post])
    assert before[["author", "author_posts"]].to_numpy().tolist() == [["new", 0]]
    assert after[["author", "author_posts"]].to_numpy().tolist() == [["known", 1]]
    assert own.list_past("somebody new") == [14.5]
    earlier = own.predict([post | {"time": "2016-04-01T00:00:00"}])
    assert earlier["author"].tolist() == ["new"]
    path.write_text("id,user,time\n1,somebody new,2016-05-01\n")
    with pytest.raises(InputError, match="no post has an author, a time and a label"):
        own.extend_history(path)
