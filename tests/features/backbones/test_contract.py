"""What every registered backbone must do; a new one is tested by being registered."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from ruamel.yaml import YAML
from tests.pictures import encode, make_bomb
from tests.python_process import run_python

from fame.features.backbones.contract import Backbone, Item
from fame.features.engine import block, embed
from fame.params import RuntimeParams
from fame.posts.contract import LOCATED, NO_IMAGE, NO_TEXT, OK, UNREADABLE
from fame.registry import BACKBONES, resolve

ROOT = Path(__file__).parents[3]
# Pillow is not heavy, but it is of no use where only the parameters are read.
HEAVY = ("torch", "transformers", "onnxruntime", "sklearn", "scipy", "PIL")
WORDS = ["sunset", "beach", "travel", "city", "night", "street", "dog", "cat", "food", "wedding"]
WORDS += ["snow", "river", "music", "party", "fashion", "baby", "bridge", "train", "castle", "red"]
WORDS += ["garden", "flower", "winter", "summer", "blue", "mountain", "portrait", "football"]
TITLES = [
    "Sunset over the bay",
    None,
    "",
    "   ",
    "\x00\x01\x1f",
    "a" * 10_000,
    "word " * 2_000,
    "zero\x00inside, tab\tand\r\nline",
    "broken \ufffd character",
    "שלום עולם",
    "مرحبا",
    "😀🎉👩‍👩‍👧",
    "𝓑𝓮𝓪𝓾𝓽𝔂 ﬁre",
    "e\u0301te\u0301 été",
    "日本の風景",
]
TAGS = [["beach", "sunset", "new-york"], [], [""], ["😀"], ["a" * 10_000], WORDS, ["dog"] * 500]


def make_images():
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((120, 90))
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = encode(image, "JPEG")
    located = {
        "jpeg": jpeg,
        "turned": encode(image, "JPEG", exif=exif),
        "grey": encode(image.convert("L"), "JPEG"),
        "palette": encode(image.convert("P"), "GIF"),
        "cmyk": encode(image.convert("CMYK"), "JPEG"),
        "transparent": encode(image.convert("RGBA"), "PNG"),
        "grey_transparent": encode(image.convert("LA"), "PNG"),
        "bits": encode(image.convert("1"), "PNG"),
        "sixteen_bits": encode(Image.new("I;16", (50, 40), 30_000), "PNG"),
        "webp": encode(image, "WEBP"),
        "pixel": encode(Image.new("RGB", (1, 1)), "PNG"),
        "strip": encode(Image.new("RGB", (3_000, 1)), "PNG"),
        "empty": b"",
        "truncated": jpeg[: len(jpeg) // 2],
        "not_an_image": b"<html>not found</html>",
        "bomb": make_bomb(20_000),
        "lesser_bomb": make_bomb(10_000),
    }
    content = [*located.values(), None, None, None]
    return content, [LOCATED] * len(located) + ["missing", "outside", NO_IMAGE]


def make_table(folder, fit_posts=100):
    """Posts with every text and image of this file, after ordinary ones that train."""
    draw = np.random.default_rng(5)
    titles = [" ".join(draw.choice(WORDS, 3)) for _ in range(fit_posts)]
    tags = [draw.choice(WORDS, 6).tolist() for _ in range(fit_posts)]
    images, status = make_images()
    odd = max(len(TITLES), len(TAGS), len(images))
    titles += TITLES + [None] * (odd - len(TITLES))
    tags += TAGS + [[]] * (odd - len(TAGS))
    images = [None] * fit_posts + images + [None] * (odd - len(images))
    status = [NO_IMAGE] * fit_posts + status + [NO_IMAGE] * (odd - len(status))
    rows = {name: [] for name in ("container", "member", "digest")}
    for i, content in enumerate(images):
        located = status[i] == LOCATED
        if located:
            (folder / str(i)).write_bytes(content)
        rows["container"].append("" if located else None)
        rows["member"].append(str(folder / str(i)) if located else None)
        digest = hashlib.blake2b(content or b"", digest_size=16).hexdigest()
        rows["digest"].append(digest if located else None)
    return pa.table(
        {
            "post_id": [str(i) for i in range(len(titles))],
            "title": pa.array(titles, pa.string()),
            "tags": pa.array(tags, pa.list_(pa.string())),
            "split": ["fit"] * fit_posts + ["holdout"] * odd,
            "status": status,
            **{name: pa.array(column, pa.string()) for name, column in rows.items()},
        }
    )


CHECKPOINTS = {}


@pytest.fixture(scope="module", autouse=True)
def _small_checkpoints(checkpoints):
    """Those of the hub are replaced by small ones with random weights."""
    CHECKPOINTS.update(checkpoints)


def make_backbone(kind, workers=2):
    cls = resolve(BACKBONES, kind, "test")
    files = (ROOT / "params.yaml", *sorted(ROOT.glob("profiles/*.yaml")))
    blocks = [YAML(typ="safe").load(file.read_text()).get("backbones", {}) for file in files]
    entries = [entry for block in blocks for entry in block.values() if entry is not None]
    entry = next(entry for entry in entries if entry["kind"] == kind)
    if kind in CHECKPOINTS:
        entry |= {"checkpoint": str(CHECKPOINTS[kind]), "image_size": 64}
    return cls(cls.Params.model_validate(entry), make_runtime(workers))


def make_runtime(workers, cache="unused"):
    return RuntimeParams(
        device="cpu", workers=workers, cache=str(cache), engine="local", ray_address=None
    )


def extract(kind, table, folder, workers=2):
    """The backbone's block in ``folder``, from an empty cache."""
    backbone, runtime = make_backbone(kind, workers), make_runtime(workers, folder / "cache")
    table = table.select(embed.INPUTS[backbone.reads])
    with embed.open_cache(backbone, runtime) as cache:
        features = embed.embed(backbone, table, cache, runtime)
        published = block.publish(backbone, table, features, folder)
    backbone.save_fitted(folder)
    return published, backbone


# An encoder does not go through the engine; what it must do is in test_encoding.
KINDS = [kind for kind in sorted(BACKBONES) if issubclass(resolve(BACKBONES, kind, "k"), Backbone)]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return make_table(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def extracted(kind, table, tmp_path_factory):
    return extract(kind, table, tmp_path_factory.mktemp("block"))


@pytest.fixture
def published(extracted):
    return extracted[0]


@pytest.fixture
def backbone(extracted):
    return extracted[1]


@pytest.fixture
def parts(backbone, published):
    """Modality -> its values and status."""
    ends = np.cumsum([len(columns) for columns in backbone.columns().values()])
    values = np.split(published.values, ends[:-1], axis=1)
    return {
        modality: (part, published.status[modality])
        for modality, part in zip(backbone.columns(), values, strict=True)
    }


def test_it_keeps_the_contract(backbone):
    assert isinstance(backbone, Backbone)
    given = [modality for shown in backbone.passes for modality in shown.gives.values()]
    assert sorted(given) == sorted(backbone.columns())
    sees = {(shown.text is not None, shown.image) for shown in backbone.passes}
    needed = {"texts": {(True, False)}, "posts": {(True, False)}, "images": {(False, True)}}
    assert sees == needed[backbone.reads] if backbone.reads in needed else len(sees) > 0
    by_kind = {shown.kind: (shown.text is None, shown.image) for shown in backbone.passes}
    assert all(by_kind[p.kind] == (p.text is None, p.image) for p in backbone.passes)


def test_its_fingerprint_is_the_same_each_time(kind, backbone):
    again = make_backbone(kind, workers=1).fingerprint()
    assert json.dumps(again, sort_keys=True) == json.dumps(backbone.fingerprint(), sort_keys=True)


def test_another_process_gets_one_that_has_loaded_nothing(backbone):
    content = pickle.dumps(backbone)
    assert len(content) < 2_000
    assert pickle.loads(content).fingerprint() == backbone.fingerprint()


def test_columns_are_unique_and_as_many_as_the_values(backbone, published):
    names = [column.name for part in backbone.columns().values() for column in part]
    assert len(set(names)) == len(names) == published.values.shape[1]


def test_one_float32_row_a_post(table, published, parts):
    assert published.values.dtype == np.float32
    assert published.post_ids.tolist() == table["post_id"].to_pylist()
    assert {len(status) for _, status in parts.values()} == {len(table)}


def test_values_are_finite_where_ok_and_missing_elsewhere(parts):
    for values, status in parts.values():
        ok = status == OK
        assert ok.any()
        assert not ok.all()
        assert np.isfinite(values[ok]).all()
        assert np.isnan(values[~ok]).all()
        assert set(status) <= {OK, NO_TEXT, NO_IMAGE, *UNREADABLE}


def test_a_missing_image_masks_what_sees_it_and_nothing_else(backbone, table, parts):
    missing = np.array(table["status"].to_pylist()) != LOCATED
    worded = {"title": table["title"].to_pylist(), "tags": table["tags"].to_pylist()}
    for shown in backbone.passes:
        for modality in shown.gives.values():
            ok = parts[modality][1] == OK
            if shown.image:
                assert not ok[missing].any()
                assert ok[~missing].any()
            else:
                named = np.array(
                    [text in (WORDS, "Sunset over the bay") for text in worded[modality]]
                )
                assert named.any()
                assert ok[named].all()


def test_categorical_columns_hold_ids(backbone, parts):
    for name, columns in backbone.columns().items():
        positions = [i for i, column in enumerate(columns) if column.categorical]
        values, status = parts[name]
        ids = values[status == OK][:, positions]
        assert (ids >= 0).all()
        assert (ids == ids.astype(int)).all()


def test_different_posts_have_different_vectors(parts):
    for values, status in parts.values():
        ok = values[status == OK]
        assert len(np.unique(ok, axis=0)) > len(ok) / 3


def test_a_vector_does_not_depend_on_its_batch(backbone, table, parts):
    for shown in backbone.passes:
        for output, modality in shown.gives.items():
            values, status = parts[modality]
            rows = np.flatnonzero(status == OK)[-15:]
            items = [make_item(backbone, shown, table, row) for row in rows.tolist()]
            alone = [backbone.run(shown.kind, [item])[output] for item in items]
            expected = backbone.project(modality, np.concatenate(list(map(np.asarray, alone))))
            np.testing.assert_allclose(values[rows], expected, atol=2e-5)


def make_item(backbone, shown, table, row):
    texts = {"title": table["title"][row].as_py(), "tags": " ".join(table["tags"][row].as_py())}
    tokens = pixels = None
    if shown.text is not None:
        [tokens] = backbone.tokenize([texts[shown.text] if shown.text else ""])
    if shown.image:
        pixels = backbone.image_preparer()(Path(table["member"][row].as_py()).read_bytes())
    return Item(tokens, pixels)


def test_one_worker_and_another_order_give_the_same_bytes(kind, table, published, tmp_path):
    order = np.random.default_rng(2).permutation(len(table))
    again, _ = extract(kind, table.take(pa.array(order)), tmp_path, workers=1)
    assert again.values[np.argsort(order)].tobytes() == published.values.tobytes()
    for modality, status in published.status.items():
        assert again.status[modality][np.argsort(order)].tolist() == status.tolist()


def test_masked_posts_only(kind, table, tmp_path):
    nothing = table.slice(len(table) - 1)
    assert nothing["status"].to_pylist() == [NO_IMAGE]
    published, _ = extract(kind, nothing, tmp_path)
    assert np.isnan(published.values).all()
    assert {status.tolist()[0] for status in published.status.values()} <= {NO_TEXT, NO_IMAGE}


def test_what_is_saved_is_no_pickle_and_the_same_each_time(
    kind, backbone, table, published, tmp_path
):
    (tmp_path / "again").mkdir()
    extract(kind, table, tmp_path / "again")
    first = Path(published.values.filename).parent
    names = sorted(path.name for path in first.iterdir() if path.is_file())
    assert names == sorted(p.name for p in (tmp_path / "again").iterdir() if p.is_file())
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (first / name).read_bytes()
        assert name.endswith((".npy", ".json", ".safetensors"))
        if name.endswith(".npy"):
            np.load(first / name, allow_pickle=False)
    assert (names != ["values.npy"]) == (backbone.reads == "posts")


def test_loaded_it_gives_the_same_values(kind, backbone, tmp_path):
    backbone.save_fitted(tmp_path)
    again = make_backbone(kind)
    again.load_fitted(tmp_path)
    draw = np.random.default_rng(4)
    for modality, width in backbone.widths().items():
        vectors = draw.normal(size=(300, width)).astype(np.float32)
        found, expected = (one.project(modality, vectors) for one in (again, backbone))
        assert found.tobytes() == expected.tobytes()
        assert found.shape == (300, len(backbone.columns()[modality]))


@pytest.mark.parametrize("kind", sorted(BACKBONES))
def test_its_import_is_cheap(kind):
    module = BACKBONES[kind].split(":")[0]
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run_python(code, timeout=60) == "[]\n"
