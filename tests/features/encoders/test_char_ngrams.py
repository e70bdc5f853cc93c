import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame.features.encoders import char_ngrams
from fame.features.encoders.char_ngrams import CharNgrams
from fame.features.encoders.texts import join_texts
from fame.posts.contract import NO_TEXT, OK
from fame.registry import BACKBONES, resolve

WORDS = ["sunset", "beach", "#travel", "città", "夜景", "😀", "street", "dogs", "dog", "food", "ok"]


def make_encoder(**changes):
    own = {"kind": "char_ngrams", "reads": "posts", "shortest": 2, "longest": 5, "min_posts": 2}
    own |= {"max_terms": 500, "fit_posts": 1000, "components": 4, "seed": 3}
    return CharNgrams(CharNgrams.Params.model_validate(own | changes), None)


def make_posts(titles, tags=None, first=0):
    count = len(titles)
    columns = {
        "post_id": pa.array([str(first + i) for i in range(count)], pa.string()),
        "title": pa.array(titles, pa.string()),
        "tags": pa.array(tags or [[]] * count, pa.list_(pa.string())),
    }
    return pa.table(columns)


def draw_posts(count, seed=0, first=0):
    draw = np.random.default_rng(seed)
    titles = [" ".join(draw.choice(WORDS, 4)) for _ in range(count)]
    tags = [draw.choice(WORDS, 2).tolist() for _ in range(count)]
    return make_posts(titles, tags, first)


@pytest.fixture(scope="module")
def training():
    return draw_posts(120)


@pytest.fixture(scope="module")
def encoder(training):
    made = make_encoder()
    made.fit(training)
    return made


def test_it_is_registered():
    assert resolve(BACKBONES, "char_ngrams", "test") is CharNgrams


def test_one_named_float32_row_a_post(encoder, training):
    block = encoder.transform(training)
    assert block.values.dtype == np.float32
    assert block.values.shape == (120, 4)
    assert [column.name for column in block.columns] == [f"text_{i}" for i in range(4)]
    assert block.post_ids.tolist() == training["post_id"].to_pylist()
    assert set(block.status["text"]) == {OK}
    assert np.isfinite(block.values).all()


def test_weights_are_those_of_scikit_learn(training):
    from sklearn.feature_extraction.text import TfidfVectorizer

    encoder = make_encoder(max_terms=10**6)
    encoder.fit(training)
    reference = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True
    ).fit(join_texts(training))
    assert encoder._terms == reference.get_feature_names_out().tolist()
    texts = join_texts(training)
    difference = encoder._weigh(texts) - reference.transform(texts)
    assert abs(difference).max() < 1e-6


def test_the_values_are_the_leading_coordinates_of_an_exact_svd(encoder, training):
    weights = encoder._weigh(join_texts(training)).toarray()
    _, _, directions = np.linalg.svd(weights, full_matrices=False)
    exact = weights @ directions[:2].T
    found = encoder.transform(training).values[:, :2]
    np.testing.assert_allclose(np.abs(found), np.abs(exact), atol=1e-3)


def test_a_directions_largest_entry_is_positive(encoder):
    largest = np.abs(encoder._basis).argmax(axis=0)
    assert (encoder._basis[largest, np.arange(4)] > 0).all()


def test_saved_and_loaded_it_gives_the_same_bytes(encoder, training, tmp_path):
    encoder.save(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy", ".npy"]
    loaded = make_encoder()
    loaded.load(tmp_path)
    for posts in (training, draw_posts(9, seed=5)):
        expected, found = encoder.transform(posts), loaded.transform(posts)
        assert found.values.tobytes() == expected.values.tobytes()
        assert found.notes == expected.notes


def test_the_order_of_the_training_posts_changes_nothing(encoder, training):
    shuffled = training.take(pa.array(np.random.default_rng(1).permutation(len(training))))
    other = make_encoder()
    other.fit(shuffled)
    probe = draw_posts(9, seed=5)
    assert other.transform(probe).values.tobytes() == encoder.transform(probe).values.tobytes()


TEXT = st.text(alphabet="abc dog#😀é夜\n", max_size=30)


@given(titles=st.lists(st.none() | TEXT, min_size=1, max_size=12), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_row_does_not_depend_on_the_posts_beside_it(encoder, titles, data):
    posts = make_posts(titles, first=1000)
    whole = encoder.transform(posts).values
    chosen = data.draw(st.permutations(range(len(titles))))[: max(1, len(titles) // 2)]
    some = encoder.transform(posts.take(pa.array(chosen))).values
    assert some.tobytes() == whole[chosen].tobytes()


def test_chunks_do_not_show(encoder, training, monkeypatch):
    whole = encoder.transform(training).values
    monkeypatch.setattr(char_ngrams, "CHUNK_POSTS", 7)
    assert encoder.transform(training).values.tobytes() == whole.tobytes()
    again = make_encoder()
    again.fit(training)
    assert again.transform(training).values.tobytes() == whole.tobytes()


def test_posts_without_a_known_term_are_masked(encoder):
    block = encoder.transform(make_posts([None, "", " \n ", "QQQQ", "dog", "a" * 10_000]))
    assert block.status["text"].tolist() == [NO_TEXT] * 4 + [OK, NO_TEXT]
    assert np.isnan(block.values).all(axis=1).tolist() == [True] * 4 + [False, True]


def test_a_very_long_text_stays_within_length_one(encoder):
    values = encoder.transform(make_posts(["dog " * 50_000])).values
    assert np.linalg.norm(values) <= 1 + 1e-5


def test_only_frequent_terms_are_kept():
    encoder = make_encoder(min_posts=2, max_terms=3, shortest=3, longest=3, components=2)
    encoder.fit(make_posts(["dog", "dog", "dog", "dot", "cat", "cat", "cow"]))
    # " do" is in four posts, "dog" and "og " in three, " ca", "cat" and "at " in two.
    assert encoder._terms == [" do", "dog", "og "]
    assert encoder._idf.tolist() == pytest.approx([math.log(8 / (1 + n)) + 1 for n in (4, 3, 3)])


def test_it_is_fitted_on_a_share_that_is_drawn_by_id():
    encoder, posts = make_encoder(fit_posts=40), draw_posts(120)
    encoder.fit(posts)
    kept = encoder._choose(posts["post_id"]).to_pylist()
    assert len(kept) == encoder.transform(posts).notes["fitted_posts"] == 40
    more = pa.concat_tables([draw_posts(120, first=500), posts])
    again = encoder._choose(more["post_id"]).to_pylist()
    both = {more["post_id"][i].as_py() for i in again}
    chosen = {posts["post_id"][i].as_py() for i in kept}
    assert {i for i in both if int(i) < 120} <= chosen
    other = make_encoder(fit_posts=40, seed=4)
    assert other._choose(posts["post_id"]).to_pylist() != kept


@pytest.mark.parametrize("titles", [[], [None, ""], ["rare"], ["dog", "dog"], ["dog", "dog cat"]])
def test_few_training_posts_leave_columns_without_a_value(titles, tmp_path):
    encoder = make_encoder(components=30)
    encoder.fit(make_posts(titles))
    block = encoder.transform(make_posts(["dog", None]))
    assert block.values.shape == (2, 30)
    known = np.isfinite(block.values[0]).sum()
    assert known == (1 if "dog" in titles else 0)
    assert np.isnan(block.values[1]).all()
    encoder.save(tmp_path)
    loaded = make_encoder(components=30)
    loaded.load(tmp_path)
    assert loaded.transform(make_posts(["dog"])).values.tobytes() == block.values[:1].tobytes()
