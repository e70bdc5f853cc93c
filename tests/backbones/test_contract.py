"""What every registered backbone must do; a new one is tested by being registered."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from fame.core.contracts import (
    LOCATED,
    NO_IMAGE,
    NO_TEXT,
    OK,
    UNREADABLE,
    Backbone,
    Batch,
)
from fame.params import RuntimeParams
from fame.registry import BACKBONES, resolve

ROOT = Path(__file__).parents[2]
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


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def make_bomb(side):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100)))


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


def make_batch(reads):
    if reads == "images":
        images, status = make_images()
        return Batch([str(i) for i in range(len(images))], images=images, image_status=status)
    titles = TITLES + [None] * (len(TAGS) - len(TITLES))
    tags = TAGS + [[]] * (len(titles) - len(TAGS))
    return Batch([str(i) for i in range(len(titles))], titles=titles, tags=tags)


def make_fit_batch():
    draw = np.random.default_rng(5)
    titles = [" ".join(draw.choice(WORDS, 3)) for _ in range(100)]
    tags = [draw.choice(WORDS, 6).tolist() for _ in range(100)]
    return Batch([f"fit{i}" for i in range(100)], titles=titles, tags=tags)


def split(batch):
    """The batch as one batch a post."""
    for i in range(len(batch.post_ids)):
        yield Batch(*(getattr(batch, name)[i : i + 1] for name in Batch.__dataclass_fields__))


def make_backbone(kind, workers=2):
    cls = resolve(BACKBONES, kind, "test")
    entries = YAML(typ="safe").load((ROOT / "params.yaml").read_text())["backbones"]
    entry = next(entry for entry in entries.values() if entry["kind"] == kind)
    made = cls(cls.Params.model_validate(entry), RuntimeParams(device="cpu", workers=workers))
    if cls.reads == "posts":
        made.fit(iter([make_fit_batch()]))
    return made


@pytest.fixture(scope="module", params=sorted(BACKBONES))
def backbone(request):
    return make_backbone(request.param)


@pytest.fixture(scope="module")
def batch(backbone):
    return make_batch(backbone.reads)


@pytest.fixture(scope="module")
def vectors(backbone, batch):
    return backbone.embed(batch)


def test_it_keeps_the_contract(backbone):
    assert isinstance(backbone, Backbone)
    assert backbone.reads in ("posts", "texts", "images")


def test_columns_are_unique_and_as_wide_as_the_vectors(backbone, vectors):
    columns = backbone.columns()
    names = [column.name for part in columns.values() for column in part]
    assert len(set(names)) == len(names)
    assert {name: part.values.shape[1] for name, part in vectors.items()} == {
        name: len(part) for name, part in columns.items()
    }


def test_one_float32_row_a_post(batch, vectors):
    for part in vectors.values():
        assert part.values.dtype == np.float32
        assert len(part.values) == len(part.status) == len(batch.post_ids)


def test_values_are_finite_where_ok_and_missing_elsewhere(vectors):
    for part in vectors.values():
        ok = np.array(part.status) == OK
        assert ok.any()
        assert not ok.all()
        assert np.isfinite(part.values[ok]).all()
        assert np.isnan(part.values[~ok]).all()
        assert set(part.status) <= {OK, NO_TEXT, NO_IMAGE, *UNREADABLE}


def test_categorical_columns_hold_ids(backbone, vectors):
    for name, part in backbone.columns().items():
        positions = [i for i, column in enumerate(part) if column.categorical]
        ids = vectors[name].values[np.array(vectors[name].status) == OK][:, positions]
        assert (ids >= 0).all()
        assert (ids == ids.astype(int)).all()


def test_different_posts_have_different_vectors(vectors):
    for part in vectors.values():
        ok = part.values[np.array(part.status) == OK]
        assert len(np.unique(ok, axis=0)) > len(ok) / 3


def test_a_vector_does_not_depend_on_its_batch(backbone, batch, vectors):
    alone = [backbone.embed(post) for post in split(batch)]
    for name, part in vectors.items():
        together = np.concatenate([one[name].values for one in alone])
        np.testing.assert_allclose(part.values, together, atol=2e-5)
        assert part.status == [status for one in alone for status in one[name].status]


def test_a_second_instance_on_one_thread_gives_the_same_bytes(backbone, batch, vectors):
    kind = next(kind for kind in BACKBONES if type(backbone) is resolve(BACKBONES, kind, "test"))
    again = make_backbone(kind, workers=1).embed(batch)
    for name, part in vectors.items():
        assert part.values.tobytes() == again[name].values.tobytes()
        assert part.status == again[name].status


def test_a_batch_of_masked_posts_only(backbone):
    batch = Batch(["1", "2"], [None] * 2, [[], []], [None] * 2, [NO_IMAGE, "missing"])
    for part in backbone.embed(batch).values():
        assert np.isnan(part.values).all()
        assert part.status in ([NO_TEXT, NO_TEXT], [NO_IMAGE, "missing"])


def test_what_is_saved_is_no_pickle_and_the_same_each_time(backbone, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        backbone.save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    for name in files:
        first, second = (tmp_path / folder / name for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        assert name.endswith((".npy", ".json", ".safetensors"))
        if name.endswith(".npy"):
            np.load(first, allow_pickle=False)
    assert bool(files) == (backbone.reads == "posts")


@pytest.mark.parametrize("kind", sorted(BACKBONES))
def test_its_import_is_cheap(kind):
    module = BACKBONES[kind].split(":")[0]
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
