from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import TruncatedSVD

from fame.features.backbones.contract import Item
from fame.features.backbones.glove import Glove, PackagedWords, WordFile, find_basis, split_words
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

RUNTIME = RuntimeParams(device="cpu", workers=1, cache="unused", engine="local", ray_address=None)
WORDS = ["sunset", "beach", "travel", "city", "night", "street", "dog", "cat", "food", "wedding"]


@cache
def load_packaged():
    return PackagedWords()


def make_backbone(file=None, components=20):
    params = Glove.Params(
        kind="glove", reads="posts", file=file and str(file), components=components
    )
    backbone = Glove(params, RUNTIME)
    if file is None:
        backbone._words = load_packaged()  # half a second each time otherwise
    return backbone


def average(backbone, texts):
    """What `run` gives for the texts that have a known word."""
    tokens = [ids for ids in backbone.tokenize(texts) if len(ids)]
    if not tokens:
        return np.empty((0, backbone.widths()["title"]), np.float32)
    return backbone.run("words", [Item(ids, None) for ids in tokens])["mean"]


def fit(backbone, *chunks, modality="title"):
    backbone.fit(modality, (average(backbone, texts) for texts in chunks))
    return backbone


def project(backbone, texts, modality="title"):
    return backbone.project(modality, average(backbone, texts))


def make_titles(count=200, seed=1):
    words = [word for word in list(load_packaged()._rows)[:3000] if split_words(word) == [word]]
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(words, 4)) for _ in range(count)]


def read_words(words, *names):
    return words.read(words.find(list(names)))


def write_words(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Sunset, over the BAY!", ["sunset", "over", "the", "bay"]),
        ("new-york_city #2015", ["new", "york", "city", "2015"]),
        ("don't", ["don", "t"]),
        ("𝓑𝓮𝓪𝓾𝓽𝔂 ﬁre", ["beauty", "fire"]),
        ("e\u0301te\u0301", ["été"]),
        ("zero\x00inside \ufffd 😀", ["zero", "inside"]),
        ("שלום", ["שלום"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits(text, words):
    assert split_words(text) == words


def test_packaged_vectors_are_the_published_ones():
    # The first numbers of "the" in glove.6B.50d.txt.
    [vector] = read_words(load_packaged(), "the")
    np.testing.assert_allclose(vector[:5], [0.418, 0.24968, -0.41242, 0.1217, 0.34527], rtol=1e-6)
    assert vector.shape == (50,)


def test_a_row_is_the_projected_mean_of_its_known_words(tmp_path):
    backbone = fit(make_backbone(), make_titles())
    backbone.save_fitted(tmp_path)
    basis = np.load(tmp_path / "title_basis.npy")
    words = read_words(load_packaged(), "red", "red", "dog")
    values = project(backbone, ["Red, red qqqqxxxxzzz DOG"])
    np.testing.assert_allclose(values[0], basis @ words.mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_the_reduction_is_a_truncated_svd_of_the_training_posts():
    titles = make_titles()
    means = np.array([read_words(load_packaged(), *t.split()).mean(axis=0) for t in titles], float)
    expected = TruncatedSVD(20, algorithm="arpack", random_state=1).fit_transform(means)
    values = project(fit(make_backbone(), titles[:77], titles[77:]), titles)
    signs = np.sign((values * expected).sum(axis=0))
    np.testing.assert_allclose(values * signs, expected, atol=1e-4)


@given(arrays(np.float64, (12, 5), elements=st.floats(-10, 10, width=16)))
def test_a_basis_is_orthonormal_and_its_signs_are_fixed(matrix):
    basis = find_basis(matrix.T @ matrix, 5)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-9)
    assert (basis[np.arange(len(basis)), np.abs(basis).argmax(axis=1)] > 0).all()
    assert np.array_equal(find_basis((-matrix).T @ -matrix, 5), basis)
    lengths = np.linalg.norm(matrix @ basis.T, axis=0)
    assert (np.diff(lengths) <= 1e-6 + 1e-6 * lengths[:-1]).all()


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_a_posts_numbers_do_not_depend_on_the_posts_beside_it(words, seed):
    backbone = fit_once()
    titles = make_titles()[:20]
    alone = project(backbone, titles)
    order = np.random.default_rng(seed).permutation(len(titles) + len(words))
    mixed = project(backbone, [[*titles, *words][i] for i in order])
    assert mixed[np.argsort(order)][: len(titles)].tobytes() == alone.tobytes()


@cache
def fit_once():
    return fit(make_backbone(), make_titles())


def test_loaded_it_gives_the_same_numbers(tmp_path):
    titles = make_titles()
    backbone = fit(fit(make_backbone(), titles), make_titles(seed=2), modality="tags")
    backbone.save_fitted(tmp_path)
    again = make_backbone()
    again.load_fitted(tmp_path)
    for modality in ("title", "tags"):
        found, expected = (project(one, titles, modality) for one in (again, backbone))
        assert found.tobytes() == expected.tobytes()


def test_what_was_fitted_on_few_posts_loads_too(tmp_path):
    backbone = fit(fit(make_backbone(), ["red dog", "blue cat"]), ["qqqqxxxxzzz"], modality="tags")
    backbone.save_fitted(tmp_path)
    again = make_backbone()
    again.load_fitted(tmp_path)
    for modality in ("title", "tags"):
        found, expected = (project(one, ["red cat"], modality) for one in (again, backbone))
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b"\x93NUMPY"), "not a readable array"),
        (lambda path: np.save(path, np.ones((3, 7))), r"shape \(3, 7\), but .* have 50 numbers"),
    ],
)
def test_a_damaged_basis_is_named(tmp_path, damage, message):
    fit(fit(make_backbone(), ["red dog"]), ["red"], modality="tags").save_fitted(tmp_path)
    damage(tmp_path / "tags_basis.npy")
    with pytest.raises(InputError, match=rf"tags_basis\.npy: {message}"):
        make_backbone().load_fitted(tmp_path)


def test_title_and_tags_have_their_own_reduction():
    backbone = fit(make_backbone(), make_titles())
    fit(backbone, make_titles(seed=2), modality="tags")
    values = [project(backbone, ["red dog"], modality) for modality in ("title", "tags")]
    assert not np.allclose(*values, atol=1e-3)


def test_a_text_without_a_known_word_has_no_token():
    tokens = make_backbone().tokenize(["", "qqqqxxxxzzz 😀", "red", "red qqqqxxxxzzz"])
    assert [len(ids) for ids in tokens] == [0, 0, 1, 2]


def test_few_training_posts_leave_the_columns_beyond_their_directions_missing(tmp_path):
    backbone = fit(make_backbone(), ["red dog", "blue cat", "blue cat", "green bird"])
    values = project(backbone, ["red cat", "yellow house"])
    assert np.isfinite(values[:, :3]).all()
    assert np.isnan(values[:, 3:]).all()
    backbone.save_fitted(tmp_path)
    assert np.load(tmp_path / "title_basis.npy").shape == (3, 50)


def test_training_posts_without_any_known_word_leave_nothing():
    backbone = fit(make_backbone(), ["qqqqxxxxzzz"])
    assert np.isnan(project(backbone, ["red dog"])).all()
    assert backbone.notes()["known_words_fraction"] == {}


def test_notes_say_how_many_words_are_known():
    backbone = fit(make_backbone(), ["red dog", "qqqqxxxxzzz red"])
    project(backbone, ["never seen qqqqxxxxzzz"])
    assert backbone.notes()["known_words_fraction"] == {"title": 0.75}


@pytest.mark.parametrize("components", [51, 300])
def test_more_components_than_numbers_is_an_error(components):
    backbone = make_backbone(components=components)
    with pytest.raises(
        InputError, match=f"components of the glove backbone is {components}.*allowed: 1 to 50"
    ):
        backbone.fingerprint()


def test_a_file_gives_what_the_package_gives(tmp_path):
    packaged = load_packaged()
    names = ["the", *WORDS, "u.s."]
    vectors = read_words(packaged, *names).tolist()
    lines = [" ".join([n, *map(repr, vector)]) for n, vector in zip(names, vectors, strict=True)]
    file = write_words(tmp_path / "glove.txt", lines)
    titles = [" ".join(WORDS[i : i + 3]) for i in range(8)]
    results = []
    for backbone in (make_backbone(components=5), make_backbone(file, components=5)):
        results.append(project(fit(backbone, titles), [*titles, "the dog"]))
    assert np.array_equal(*results)


def test_a_file_has_any_width_and_words_with_spaces(tmp_path):
    file = write_words(
        tmp_path / "glove.840B.txt",
        [
            ", 0.1 0.2 0.3",
            ". . . 1 2 3",
            "at name@domain.com 4 5 6",
            "1 7 8 9",
            "Dog 1 1 1",
            "dog 1e-1 -2 .5 ",
            "dog 9 9 9",
            "été 3 2 1",
        ],
    )
    words = WordFile(file)
    assert words.width == 3
    dog, one, summer = read_words(words, "dog", "1", "été")
    np.testing.assert_allclose(dog, [0.1, -2, 0.5])
    assert one.tolist() == [7, 8, 9]
    assert summer.tolist() == [3, 2, 1]
    assert words.find(["name", "Dog"]).tolist() == [-1, -1]
    note = words.note()
    assert (note["file"], note["lines"], note["width"]) == ("glove.840B.txt", 8, 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["dog 1 2 3", "cat 1 2"], "line 2: found 3 fields; expected a word and 3 numbers"),
        (["dog 1 2 3", "cat 1 2 3 4"], "line 2: found 5 fields; expected a word and 3 numbers"),
        (["dog 1 2 3", ""], "line 2: found 1 fields"),
        (["400000 50", "the 1 2 3"], "line 2: found 4 fields; expected a word and 1 numbers"),
        (["dog"], "line 1: found 1 fields; expected a word and its numbers"),
        ([], "empty"),
    ],
)
def test_a_bad_line_names_file_and_line(tmp_path, lines, message):
    file = write_words(tmp_path / "glove.txt", lines)
    with pytest.raises(InputError, match=f"glove.txt.*{message}"):
        WordFile(file)


@pytest.mark.parametrize("number", ["x", "nan", "1e60", "0x1f"])
def test_a_bad_number_names_file_and_line_when_its_word_is_used(tmp_path, number):
    words = WordFile(write_words(tmp_path / "glove.txt", ["dog 1 2", f"cat 3 {number}"]))
    assert read_words(words, "dog").tolist() == [[1, 2]]
    with pytest.raises(InputError, match=r"glove.txt line 2: .*expected a word and 2 numbers"):
        read_words(words, "cat")


def test_bytes_that_are_not_utf8_name_file_and_line(tmp_path):
    (tmp_path / "glove.txt").write_bytes(b"dog 1 2\nc\xe4t 3 4\n")
    with pytest.raises(InputError, match=r"glove\.txt line 2: not UTF-8"):
        WordFile(tmp_path / "glove.txt")


def test_a_missing_file_is_an_error(tmp_path):
    backbone = make_backbone(tmp_path / "absent.txt")
    with pytest.raises(InputError, match=r"absent\.txt: No such file"):
        backbone.fingerprint()
