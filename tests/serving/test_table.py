"""A bundle of own posts: the file that was trained on, and other forms of it, scored anew."""

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fame.runtime.errors import InputError
from fame.serving import api
from fame.serving.drafts import DraftReader
from fame.serving.predict import summarise
from fame.serving.predictor import Predictor
from tests.serving.runs import finish, write_params

COLUMNS = {
    **{"id": "Post", "target": "Likes", "user": "Who", "time": "When", "time_format": None},
    **{"title": "Text", "tags": "Tags", "categories": ["Topic", "Part", "Kind", "More"]},
    **{"numeric": ["Size", "Width"], "image": None, "split": None},
}


@pytest.fixture(scope="module")
def own(finished, tmp_path_factory):
    """The folder of a finished run on a file of own posts."""
    folder = tmp_path_factory.mktemp("own")
    posts = pq.read_table(finished / "data/interim/posts.parquet").to_pandas()
    frame = pd.DataFrame(
        {
            "Post": posts["post_id"],
            "Likes": (2 ** posts["popularity"]).round(),
            "Who": posts["user_id"],
            "When": posts["posted_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Text": posts["title"],
            "Tags": [";".join(tags) for tags in posts["tags"]],
            "Topic": posts["category"],
            "Part": posts["subcategory"],
            "Kind": posts["concept"],
            "More": posts["media_type"],
            "Size": posts["photo_count"],
            "Width": posts["longitude"].round(3),
        }
    )
    (folder / "data/raw/own").mkdir(parents=True)
    frame.to_csv(folder / "data/raw/own/posts.csv", index=False)
    table = {"file": "posts.csv", "encoding": None, "images": None, "tag_separator": ";"}
    write_params(
        folder,
        source="table",
        root="data/raw/own",
        target_transform="log2p1",
        table=table | {"columns": COLUMNS},
    )
    finish(folder)
    return folder


@pytest.fixture(scope="module")
def trained(own):
    return Predictor.load(own / "models", threads=1)


@pytest.fixture(scope="module")
def frame(own):
    text = pd.read_csv(own / "data/raw/own/posts.csv", dtype=str, keep_default_na=False)
    return text[text["Likes"] == ""]


def read_predictions(own, ids):
    table = pq.read_table(own / "data/predictions/fame.parquet").to_pandas()
    return table.set_index("post_id")["prediction"].loc[ids].tolist()


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "without label"])
def test_unlabelled_posts_get_the_pipelines_predictions(own, trained, frame, tmp_path, form):
    path = tmp_path / f"posts.{form.split()[-1]}"
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        kept = frame.drop(columns="Likes") if form == "without label" else frame
        kept.to_csv(path, index=False, sep="\t" if form == "tsv" else ",")
    table = trained.predict_drafts(trained.read_file(path))
    assert len(table) == 40
    assert table["prediction"].tolist() == read_predictions(own, table["id"])


def test_backwards_and_as_records_they_are_the_same(own, trained, frame):
    table = trained.predict(frame[::-1].to_dict("records"))
    expected = read_predictions(own, table["id"])
    assert table["prediction"].tolist() == pytest.approx(expected, abs=1e-6)


def test_of_a_count_that_was_learned_as_its_logarithm_the_count_stands_beside(trained, frame):
    table = trained.predict(frame)
    ends = ["low_80", "high_80", "low_95", "high_95"]
    assert table.columns[-6:].tolist() == ["notes", "count", *(f"count_{end}" for end in ends)]
    for end in ends:
        np.testing.assert_allclose(table[f"count_{end}"], np.maximum(2 ** table[end] - 1, 0))
    np.testing.assert_allclose(np.log2(table["count"] + 1), table["prediction"])
    assert trained.unit == "log2(count + 1)"
    told = summarise(table, trained, 1.0)
    assert told.startswith("predict: 40 posts scored as log2(count + 1), with the count beside; ")
    posts = [api.Draft(title="A"), api.Draft(title="B")]
    rows = api.answer(trained, api.Query(posts=posts))["posts"]
    assert [row["count"] for row in rows] == [2 ** row["prediction"] - 1 for row in rows]
    assert all(
        low <= row["count"] <= high for row in rows for low, high in row["count_intervals"].values()
    )
    assert [list(row["count_intervals"]) for row in rows] == [["80", "95"]] * 2


def test_a_draft_is_told_which_of_its_fields_the_training_posts_had_not(trained, picture):
    draft = api.Draft(title="A", user="me", image=base64.b64encode(picture).decode())
    bare = api.Draft(title="A", user="me")
    found, plain = api.answer(trained, api.Query(posts=[draft, bare]))["posts"]
    assert found["notes"] == ["image not used, as the training posts had none"]
    assert plain["notes"] == []
    assert found["prediction"] == plain["prediction"]


def test_no_picture_is_no_note_where_no_training_post_had_one(trained, frame):
    assert not trained.predict(frame)["notes"].str.contains("picture").any()
    bare = {"Post": "1", "Text": " ", "Who": "me", "Size": 3}
    drafts = trained._reader.read_records([bare], Path())
    assert "no text" in trained.score(drafts).notes[0]


def test_a_missing_category_moves_no_other_into_its_place(trained, frame):
    whole = trained.predict(frame.assign(Part=""))
    lacking = trained.predict(frame.drop(columns="Part"))
    assert lacking.equals(whole)


def test_a_training_post_is_noted(own, trained):
    table = trained.predict_drafts(trained.read_file(own / "data/raw/own/posts.csv"))
    training = pq.read_table(own / "models/index/posts.parquet")["post_id"].to_pylist()
    noted = table["notes"].str.contains("a training post: the models have seen it")
    assert set(table["id"][noted]) == set(training)


def test_newer_labels_are_learned_as_the_training_posts_were(own, tmp_path):
    predictor = Predictor.load(own / "models", threads=1)
    path = tmp_path / "newer.csv"
    path.write_text(
        "Post,Who,When,Likes,Text,Saves\nn1,me,01.03.2016,1023,A,1\nn2,me,13.03.2016,-4,B,2\n"
    )
    new, known, found = predictor.extend_history(path)
    assert (new, known) == (1, 0)
    said = "\n".join(found)
    assert "When: " in said  # how its dates were read
    assert "no such columns: Saves" in said
    assert "posts without an author, a time or a label: 1, left out" in said
    assert predictor.list_past("me") == [10.0]


def test_the_popularity_of_similar_posts_has_its_unit_and_its_count(trained):
    _, [one] = trained.explain([{"Post": "1", "Text": "A sunset over the sea"}])
    assert one["unit"] == "log2(count + 1)"
    for post in one["similar"]:
        assert post["count"] == pytest.approx(2 ** post["popularity"] - 1)


def test_where_the_training_posts_had_no_contents_a_post_needs_none(trained, monkeypatch):
    post = {"Post": "1", "Who": "me", "Size": 3}
    with pytest.raises(InputError, match="post 1: has no title, no tags and no picture"):
        trained.predict([post])
    data = trained.bundle.params.data
    columns = data.table.columns.model_copy(update=dict.fromkeys(("title", "tags", "image")))
    table = data.table.model_copy(update={"columns": columns})
    reader = DraftReader(data.model_copy(update={"table": table}), trained.bundle.columns)
    monkeypatch.setattr(trained, "_reader", reader)
    assert trained.predict([post])["id"].tolist() == ["1"]
