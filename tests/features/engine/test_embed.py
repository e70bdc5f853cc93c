import io
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from fame.features.engine import block, embed
from fame.posts.contract import LOCATED, NO_IMAGE, NO_TEXT, OK
from fame.runtime.errors import InputError


def encode(width, height=3):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def make_posts(make_table, count=40, first=0):
    """Each title in four posts, each image in two, some posts without one or the other."""
    numbers = range(first, first + count)
    titles = [None if i % 10 == 3 else "word " * (1 + i // 4) for i in numbers]
    tags = [[] if i % 7 == 5 else [f"t{i}", "x" * (i % 6)] for i in numbers]
    images = [None if i % 9 == 4 else encode(1 + i // 2) for i in numbers]
    return make_table(titles, tags, images, first)


def read_modality(published, name):
    columns = [i for i, column in enumerate(published.columns) if column.name.startswith(name)]
    return published.values[:, columns]


def test_rows_hold_what_their_posts_hold(lengths, extract, make_table):
    table = make_posts(make_table)
    published, features = extract(lengths(1, None), table)
    assert published.post_ids.tolist() == table["post_id"].to_pylist()
    titles = [title or "" for title in table["title"].to_pylist()]
    letters = [len(title.strip()) for title in titles]
    title, image, plain = (read_modality(published, n) for n in ("title", "image", "plain"))
    known = published.status["title"] == OK
    assert known.tolist() == [bool(length) for length in letters]
    assert title[known, 0].tolist() == [length for length in letters if length]
    assert np.isnan(title[~known]).all()
    there = np.array([status == LOCATED for status in table["status"].to_pylist()])
    expected = [3 * (1 + i // 2) for i in range(40)]
    assert plain[there, 2].tolist() == np.array(expected)[there].tolist()
    assert (plain[there, 0] == 0).all()
    assert published.status["plain"].tolist() == [OK if ok else NO_IMAGE for ok in there]
    assert np.isfinite(image[known & there]).all()
    assert np.isnan(image[~(known & there)]).all()
    assert set(published.status["image"][there & ~known]) == {NO_TEXT}
    assert features.reused == 0


def test_equal_contents_are_shown_once(lengths, extract, make_table):
    _, features = extract(lengths(1, None), make_posts(make_table))
    assert set(lengths.seen.values()) == {1}
    assert features.new == lengths.seen.total()


def test_a_second_run_embeds_nothing_and_loads_nothing(lengths, extract, make_table):
    table = make_posts(make_table)
    first, _ = extract(lengths(1, None), table)
    lengths.seen.clear()
    backbone = lengths(1, None)
    second, features = extract(backbone, table, "again")
    assert not lengths.seen
    assert not backbone.loaded
    assert (features.new, features.waited, features.computed) == (0, 0, 0)
    assert second.values.tobytes() == first.values.tobytes()


def test_only_new_contents_are_embedded(lengths, extract, make_table):
    table = make_posts(make_table)
    first, _ = extract(lengths(1, None), table)
    lengths.seen.clear()
    more = make_posts(make_table, 8, first=40)
    order = np.random.default_rng(1).permutation(48)[:45]
    grown = pa.concat_tables([table, more]).take(pa.array(order))
    second, features = extract(lengths(1, None), grown, "again")
    assert 0 < features.new == lengths.seen.total() < 40
    kept = [row for row, i in enumerate(order) if i < 40]
    assert second.values[kept].tobytes() == first.values[order[kept]].tobytes()


@pytest.mark.parametrize("workers", [1, 3])
def test_bytes_depend_neither_on_order_nor_on_workers(lengths, extract, make_table, workers):
    table = make_posts(make_table)
    first, _ = extract(lengths(1, None), table)
    order = np.random.default_rng(workers).permutation(40)
    again, features = extract(
        lengths(1, None), table.take(pa.array(order)), "again", workers=workers, cache="other"
    )
    assert features.reused == 0
    assert again.values.tobytes() == first.values[order].tobytes()
    for modality, status in first.status.items():
        assert again.status[modality].tolist() == status[order].tolist()


def test_what_changes_a_vector_is_another_cache(lengths, extract, make_table):
    table = make_posts(make_table, 4)
    extract(lengths(1, None), table)
    _, features = extract(lengths(2, None), table)
    assert features.reused == 0


def test_images_are_read_where_they_lie(tmp_path, lengths, extract, make_table):
    table = make_table(["a"] * 5, images=[encode(i) for i in range(1, 6)])
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("train/b.png", encode(2))
    (tmp_path / "images/00003.png").unlink()
    columns = table.to_pydict()
    columns["container"][1] = str(tmp_path / "images.zip")
    columns["member"][1] = "train/b.png"
    columns["container"][2] = str(tmp_path / "gone.zip")
    columns["status"][4] = "outside"
    published, _ = extract(lengths(1, None), pa.table(columns, schema=table.schema))
    assert published.status["plain"].tolist() == [OK, OK, "missing", "missing", "outside"]
    assert read_modality(published, "plain")[:2, 2].tolist() == [3, 6]
    assert np.isnan(read_modality(published, "plain")[2:]).all()


def test_a_missing_image_is_looked_for_again_and_an_unreadable_one_is_not(
    tmp_path, lengths, extract, make_table
):
    table = make_table(["a", "b"], images=[encode(4), b"<html>"])
    place = tmp_path / "images/00000.png"
    content = place.read_bytes()
    place.unlink()
    published, _ = extract(lengths(1, None), table)
    assert published.status["plain"].tolist() == ["missing", "not_an_image"]
    place.write_bytes(content)
    published, features = extract(lengths(1, None), table)
    assert published.status["plain"].tolist() == [OK, "not_an_image"]
    assert features.new == 2  # with its title, and with the empty text


def test_a_plan_of_missing_images_only_is_tried_again(tmp_path, lengths, extract, make_table):
    table = make_table(["a"], images=[encode(4)])
    place = tmp_path / "images/00000.png"
    content = place.read_bytes()
    place.unlink()
    for _ in range(2):
        published, _ = extract(lengths(1, None), table)
        assert published.status["plain"].tolist() == ["missing"]
    place.write_bytes(content)
    for news in (2, 0):
        published, features = extract(lengths(1, None), table)
        assert published.status["plain"].tolist() == [OK]
        assert features.new == news


def test_items_of_an_image_are_in_one_shard(lengths, extract, make_table, monkeypatch):
    monkeypatch.setattr(embed, "IMAGES_AT_ONCE", {"cpu": 3})
    table = make_posts(make_table)
    _, features = extract(lengths(1, None), table)
    items, store = features.kinds[1]
    shards = [items.images[np.searchsorted(items.keys, shard.keys)] for shard in store.finished]
    assert len(shards) > 5
    assert sum(len(set(images)) for images in shards) == len(set(items.images))
    assert sorted(np.concatenate([s.keys for s in store.finished])) == items.keys.tolist()


def embed_beside(lengths, table, make_runtime, tmp_path, folders):
    """Version 1 embeds, version 2 beside it; then version 2 by itself."""
    first, second = (lengths(version, make_runtime()) for version in (1, 2))
    own, others = (tmp_path / name for name in folders)
    embed.embed(first, table, own, make_runtime(), [(second, others)])
    return second, embed.embed(second, table, others, make_runtime())


def test_a_backbone_beside_another_finds_its_images_embedded(
    lengths, extract, make_table, make_runtime, tmp_path, monkeypatch
):
    monkeypatch.setattr(embed, "IMAGES_AT_ONCE", {"cpu": 4})
    table = make_posts(make_table)
    second, features = embed_beside(lengths, table, make_runtime, tmp_path, ("a", "b"))
    texts, images = (len(items.keys) for items, _ in features.kinds)
    assert (features.new, features.reused) == (texts, images)
    (tmp_path / "out").mkdir()
    beside = block.publish(second, table, features, tmp_path / "out")
    alone, _ = extract(lengths(2, None), table, "alone")
    assert beside.values.tobytes() == alone.values.tobytes()


def test_another_that_cannot_be_loaded_is_left_to_its_own_stage(
    lengths, make_table, make_runtime, tmp_path, monkeypatch
):
    load = lengths.load

    def refuse(self):
        if self.version == 2:
            raise InputError("no weights here")
        load(self)

    table = make_posts(make_table)
    monkeypatch.setattr(lengths, "load", refuse)
    with pytest.raises(InputError, match="no weights here"):  # of its own stage
        embed_beside(lengths, table, make_runtime, tmp_path, ("a", "b"))
    first = embed.embed(lengths(1, make_runtime()), table, tmp_path / "a", make_runtime())
    assert first.new == 0


def test_another_that_fails_is_left_to_its_own_stage(
    lengths, make_table, make_runtime, tmp_path, monkeypatch, capsys
):
    run = lengths.run

    def fail(self, kind, items):
        if self.version == 2 and kind == "joint":
            raise MemoryError
        return run(self, kind, items)

    monkeypatch.setattr(embed, "IMAGES_AT_ONCE", {"cpu": 4})
    monkeypatch.setattr(lengths, "run", fail)
    table = make_posts(make_table)
    with pytest.raises(MemoryError):  # of its own stage
        embed_beside(lengths, table, make_runtime, tmp_path, ("a", "b"))
    assert capsys.readouterr().err.count("left to its own stage: MemoryError()") == 1
    first = embed.embed(lengths(1, make_runtime()), table, tmp_path / "a", make_runtime())
    assert first.new == 0


def test_another_that_has_all_images_is_not_loaded(
    lengths, make_table, make_runtime, tmp_path, monkeypatch
):
    table = make_posts(make_table)
    embed_beside(lengths, table, make_runtime, tmp_path, ("a", "b"))
    loaded = []
    load = lengths.load
    monkeypatch.setattr(lengths, "load", lambda self: (loaded.append(self.version), load(self)))
    embed_beside(lengths, table, make_runtime, tmp_path, ("c", "b"))
    assert loaded == [1]


def test_images_that_the_other_has_already_are_left_to_it(
    lengths, make_table, make_runtime, tmp_path
):
    table = make_posts(make_table)
    embed_beside(lengths, table, make_runtime, tmp_path, ("a", "b"))
    lengths.seen.clear()
    _, features = embed_beside(lengths, table, make_runtime, tmp_path, ("c", "b"))
    assert features.new == 0
    assert set(lengths.seen.values()) == {1}


def test_another_image_than_was_ingested_is_an_error(tmp_path, lengths, extract, make_table):
    table = make_table(["a"], images=[encode(4)])
    (tmp_path / "images/00000.png").write_bytes(encode(5))
    with pytest.raises(InputError, match=r"00000.png: not the image that was ingested; run"):
        extract(lengths(1, None), table)


def test_an_archive_that_is_not_whole_is_an_error(tmp_path, lengths, extract, make_table):
    (tmp_path / "images.zip").write_bytes(b"PK\x03\x04 cut off")
    columns = (table := make_table(["a"], images=[encode(4)])).to_pydict()
    columns["container"] = [str(tmp_path / "images.zip")]
    with pytest.raises(InputError, match=r"images\.zip"):
        extract(lengths(1, None), pa.table(columns, schema=table.schema))


def test_no_posts_are_no_rows(lengths, extract, make_table):
    published, _ = extract(lengths(1, None), make_table([]))
    assert published.values.shape == (0, 12)
    assert published.status["title"].tolist() == []


def test_a_failure_keeps_the_shards_before_it(lengths, extract, make_table, monkeypatch):
    monkeypatch.setattr(embed, "TEXTS_AT_ONCE", {"cpu": 8})
    table = make_posts(make_table)
    run = lengths.run

    def fail_late(self, kind, items):
        if self.seen.total() > 20:
            raise MemoryError
        return run(self, kind, items)

    monkeypatch.setattr(lengths, "run", fail_late)
    with pytest.raises(MemoryError):
        extract(lengths(1, None), table)
    monkeypatch.setattr(lengths, "run", run)
    resumed, features = extract(lengths(1, None), table)
    assert features.reused == 16
    whole, _ = extract(lengths(1, None), table, "whole", cache="other")
    assert resumed.values.tobytes() == whole.values.tobytes()


def test_a_damaged_shard_is_found_and_redone(tmp_path, lengths, extract, make_table, capsys):
    table = make_posts(make_table)
    first, _ = extract(lengths(1, None), table)
    for position, damage in enumerate((b"", b"cut", None)):
        shard = sorted((tmp_path / "cache").rglob("*.safetensors"))[position % 2]
        content = shard.read_bytes()
        half = len(content) // 2
        flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        shard.write_bytes(flipped if damage is None else damage)
        again, features = extract(lengths(1, None), table, "again")
        assert again.values.tobytes() == first.values.tobytes()
        assert 0 < features.new < features.reused + features.new
        assert f"{shard}: damaged; what it held is embedded again" in capsys.readouterr().err
    for plan in (tmp_path / "cache").rglob("*.plan.npy"):
        plan.write_bytes(b"")
    again, features = extract(lengths(1, None), table, "again")
    assert features.reused == 0
    assert again.values.tobytes() == first.values.tobytes()
