import numpy as np
import pyarrow as pa
import pytest

from fame.features.blocks import Block, Column
from fame.serving import reasons, similar

POST_IDS = [f"p{number}" for number in range(6)]
POST = {
    "id": "a",
    "title": "A sunset over the sea",
    "tags": ["sunset", "sea"],
    "time": "2016-03-01T12:00:00",
}


@pytest.fixture(scope="module")
def explained(predictor, picture):
    return predictor.explain([POST | {"image": picture}, {"id": "b", "title": "Cat"}])


def test_base_and_parts_sum_to_the_prediction(explained):
    table, found = explained
    for prediction, one in zip(table["prediction"], found, strict=True):
        assert one["base"] + sum(one["parts"].values()) == pytest.approx(prediction, abs=1e-6)
        assert one["prediction"] == prediction


def test_the_base_is_that_of_the_group_whatever_the_post(explained):
    """What the trees say of no post in particular: SHAP values of other columns would move it."""
    _, (one, other) = explained
    assert one["base"] == pytest.approx(other["base"], abs=1e-6)


def test_leaving_out_is_scoring_again(predictor, explained, picture):
    table, (one, other) = explained
    prediction = table["prediction"][0]
    without_tag = predictor.predict([POST | {"tags": ["sea"], "image": picture}])
    without_picture = predictor.predict([POST])
    assert one["without"]["tags"]["sunset"] == pytest.approx(
        prediction - without_tag["prediction"][0], abs=1e-6
    )
    assert one["without"]["picture"] == pytest.approx(
        prediction - without_picture["prediction"][0], abs=1e-6
    )
    assert set(one["without"]["words"]) == {"A", "sunset", "over", "the", "sea"}
    assert set(other["without"]) == {"tags", "words", "text"}
    assert other["without"]["words"] == {}


def test_similar_posts_are_training_posts_with_their_popularity(predictor, explained):
    _, (one, _) = explained
    posts = predictor.scorer.index.posts.to_pandas().set_index("post_id")
    assert len(one["similar"]) == reasons.SIMILAR
    assert one["unit"] == "popularity"
    assert not any("count" in post for post in one["similar"])
    for post in one["similar"]:
        assert posts.loc[post["post_id"], "popularity"] == post["popularity"]
    likeness = [post["similarity"] for post in one["similar"]]
    assert likeness == sorted(likeness, reverse=True)
    assert 0 <= one["farther_than"] <= 1


def test_a_training_post_is_its_own_nearest(finished, predictor):
    drafts = predictor.read_file(finished / "data/raw/sample", None)
    row = next(
        row for row, title in enumerate(drafts.posts["title"].to_pylist()) if title is not None
    )
    part = drafts.slice(row, 1)
    blocks = predictor.score(part).blocks
    own = similar.Index(predictor.bundle.folder / "index", ["minilm"])
    own._vectors = own._vectors.copy()
    names = [name for name, _ in own._blocks]
    own._vectors[3] = np.concatenate(
        [
            similar.to_unit(blocks[name].values[:, facts["places"]], np.array(facts["mean"]))
            for name, facts in own._blocks
        ],
        axis=1,
    )
    (found,) = own.find(blocks, 1)
    assert names == ["minilm"]
    assert found.nearest[0].similarity == pytest.approx(1, abs=1e-4)
    assert found.nearest[0].post_id == own.posts["post_id"][own._rows[3]].as_py()
    assert found.farther_than == 0


def make_block(name, values):
    columns = tuple(Column(f"{name}_{place:03}", False) for place in range(values.shape[1]))
    return Block(np.array(POST_IDS, dtype=object), values, columns, {})


def test_an_index_compares_by_the_blocks_that_are_there(tmp_path):
    """A bundle without a learner lacks the blocks that only that one needed."""
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(len(POST_IDS), 20)).astype(np.float32) for _ in range(2))
    posts = pa.table(
        {
            "post_id": POST_IDS,
            "user_id": POST_IDS,
            "posted_at": pa.nulls(len(POST_IDS), pa.timestamp("s", tz="UTC")),
            "popularity": random.normal(size=len(POST_IDS)),
            "title": POST_IDS,
        }
    )
    blocks = {"one": make_block("one", one), "other": make_block("other", other)}
    for folder, there in (("both", blocks), ("alone", {"other": blocks["other"]})):
        (tmp_path / folder).mkdir()
        similar.write_index(tmp_path / folder, posts, there)
    kept = similar.Index(tmp_path / "both", ["other"])
    alone = similar.Index(tmp_path / "alone", ["other"])
    asked = {"other": blocks["other"]}
    assert kept.find(asked, 3) == alone.find(asked, 3)
    assert kept.find(asked, 1)[2].nearest[0].post_id == POST_IDS[2]
    assert similar.Index(tmp_path / "both", []).find(asked, 1)[0].nearest == []


def test_a_post_with_nothing_to_compare_has_no_nearest(predictor, picture):
    _, (one,) = predictor.explain([{"id": "a", "image": picture}])
    assert (one["similar"], one["farther_than"]) == ([], None)


@pytest.mark.parametrize(
    ("column", "group"),
    [
        ("meta.user_photo_count", reasons.AUTHOR),
        ("meta.trend_days_since_first_post", reasons.AUTHOR),
        ("meta.trend_days", reasons.TIME),
        ("meta.time_hour", reasons.TIME),
        ("meta.post_tag_count", reasons.TEXT),
        ("meta.category_own", reasons.CATEGORY),
        ("meta.geo_latitude", reasons.PLACE),
        ("meta.own_size", reasons.REST),
        ("history.mean", reasons.AUTHOR),
        ("minilm.title_000", reasons.TEXT),
        ("image_stats.width", reasons.PICTURE),
    ],
)
def test_columns_belong_to_groups(predictor, column, group):
    with predictor._given([POST], None) as drafts:
        blocks = predictor.score(drafts).blocks
    assert reasons.find_group(column, blocks) == group


def test_what_no_learner_breaks_down_is_a_part_of_its_own(predictor, monkeypatch):
    model = predictor.scorer.models["catboost"]
    monkeypatch.setattr(model, "explain", lambda _table, _rows=None: None)
    table, (one,) = predictor.explain([POST])
    assert "catboost, not broken down" in one["parts"]
    assert one["base"] + sum(one["parts"].values()) == pytest.approx(
        table["prediction"][0], abs=1e-6
    )
