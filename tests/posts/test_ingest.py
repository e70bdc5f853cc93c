import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from fame.posts.contract import CONTENTS, DESCRIPTIONS, IMAGES, POSTS, TEXTS
from fame.runtime import files
from fame.runtime.errors import InputError

COLUMNS = {
    "id": "id",
    "target": "likes",
    "user": "who",
    "time": "when",
    "time_format": None,
    "title": "text",
    "tags": None,
    "categories": [],
    "numeric": ["price"],
    "image": None,
    "split": None,
}
TABLES = ("posts.parquet", "texts.parquet", "images.parquet", "contents.parquet")
OUTPUTS = (*TABLES, "descriptions.arrow", "reading.json", "report.md")


@pytest.fixture
def ingest(run_stage, tmp_path, write_params):
    def call(lines, columns=None, **changes):
        table = {
            "file": "posts.csv",
            "encoding": None,
            "images": None,
            "tag_separator": None,
            "columns": COLUMNS | (columns or {}),
        }
        source = {"data.source": "table", "data.root": "own", "data.table": table}
        write_params(**(source | changes))
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / "posts.csv").write_text("\n".join(lines) + "\n")
        paths = [part for file in OUTPUTS for part in (f"--{file.split('.')[0]}", file)]
        run_stage("posts.ingest", *paths)
        return pq.read_table(tmp_path / "posts.parquet")

    return call


def make_lines(count=40):
    lines = [
        f"{i},{3 + i % 5},u{i % 9},2024-01-{1 + i % 28:02d}T08:00:00Z,title {i},{i}.5"
        for i in range(1, count + 1)
    ]
    return ["id,likes,who,when,text,price", *lines, f"{count + 1},,u1,2024-03-01T00:00:00Z,new,1"]


@pytest.mark.parametrize(("authors", "is_said"), [(3, True), (40, False)])
def test_a_holdout_of_another_share_than_asked_is_said(ingest, tmp_path, capsys, authors, is_said):
    lines = [f"{i},{3 + i % 5},u{i % authors},2024-01-01,title {i},1" for i in range(40)]
    ingest([make_lines()[0], *lines], **{"split.protocol": "user"})
    words = "of the labelled posts, split.holdout_fraction is 0.2: whole authors are held out"
    assert (words in capsys.readouterr().out) is is_said
    assert (words in (tmp_path / "report.md").read_text()) is is_said


def test_posts_are_sorted_by_id_and_split(ingest, tmp_path):
    header, *lines = make_lines()
    posts = ingest([header, *reversed(lines)])
    assert posts["post_id"].to_pylist() == [str(i) for i in range(1, 42)]
    assert posts.column_names == [*POSTS.names, "own_price"]
    split = np.array(posts["split"].to_pylist())
    assert (split == "challenge").tolist() == [False] * 40 + [True]
    assert (split == "holdout").sum() == 8
    texts = pq.read_table(tmp_path / "texts.parquet")
    images = pq.read_table(tmp_path / "images.parquet")
    assert texts.schema.names == TEXTS.names
    assert images.schema == IMAGES
    assert set(images["status"].to_pylist()) == {"no_image"}
    assert texts["post_id"].equals(posts["post_id"])
    assert images["post_id"].equals(posts["post_id"])
    contents = pq.read_table(tmp_path / "contents.parquet")
    assert contents.schema.names == CONTENTS.names
    assert contents.select(TEXTS.names).to_pylist() == texts.to_pylist()
    assert contents.select(IMAGES.names).equals(images)
    assert files.read_batches(tmp_path / "descriptions.arrow").schema == DESCRIPTIONS


def test_the_order_of_the_file_does_not_matter(ingest, tmp_path):
    header, *lines = make_lines()
    first, second = [], []
    for order, written in ((lines, first), (lines[::-1], second)):
        ingest([header, *order])
        written += [(tmp_path / file).read_bytes() for file in OUTPUTS]
    assert first == second


@pytest.mark.parametrize("protocol", ["chronological", "user", "random"])
def test_unlabelled_posts_change_nothing_of_the_labelled_ones(ingest, protocol):
    """Whichever there are, wherever their ids sort, and whoever's they are."""
    header, *lines, _ = make_lines()
    new = ["0", "00", "7b", "41", "100", "a-long-id"]
    unlabelled = [f"{post_id},,u{i},,new,1" for i, post_id in enumerate(new)]
    unlabelled += [f"{post_id}x,,,2024-01-15T00:00:00Z,," for post_id in new]
    found = []
    for chosen in ([], unlabelled, unlabelled[3:7]):
        posts = ingest([header, *chosen, *lines], **{"split.protocol": protocol})
        assert len(posts) == 40 + len(chosen)
        found.append(posts.filter(pc.is_valid(posts["popularity"])))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


def test_a_split_of_ones_own_is_kept(ingest):
    header, *lines = make_lines(20)
    parts = ["holdout" if i % 4 == 0 else "fit" for i in range(20)] + ["challenge"]
    lines = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
    posts = ingest([header + ",part", *lines], {"split": "part"}, **{"split.folds": 2})
    assert posts["split"].to_pylist() == parts
    fold = np.array(posts["fold"].to_pylist())
    assert ((fold >= 0) == (np.array(parts) == "fit")).all()


def test_without_users_every_post_is_its_own(ingest):
    posts = ingest(make_lines(), {"user": None}, **{"split.folds": 30})
    assert len(set(posts["fold"].to_pylist())) == 31


def test_bad_posts_leave_nothing_behind(ingest, tmp_path):
    lines = make_lines()
    with pytest.raises(InputError, match="chronological needs the posting time"):
        ingest(lines, {"time": None})
    header, first, *rest = lines
    with pytest.raises(InputError, match="'1' in data rows 1 and 2"):
        ingest([header, first, first.replace("title", "other"), *rest])
    assert not [file for file in OUTPUTS if (tmp_path / file).exists()]
    assert not list(tmp_path.glob(".*"))


def test_a_split_column_without_a_holdout_is_refused(ingest):
    header, *lines = make_lines(20)
    lines = [f"{line},fit" for line in lines[:-1]]
    with pytest.raises(InputError, match="names no holdout post"):
        ingest([header + ",part", *lines], {"split": "part"})


def test_a_holdout_that_nothing_can_be_ranked_on_is_refused(ingest):
    header, *lines = make_lines(20)
    one = [f"{line},{'fit' if i else 'holdout'}" for i, line in enumerate(lines[:20])]
    with pytest.raises(InputError, match="the holdout has 1 post, expected two or more"):
        ingest([header + ",part", *one], {"split": "part"})
    cells = [line.split(",") for line in lines[:20]]
    equal = [
        ",".join([cell[0], "3" if i < 4 else str(i), *cell[2:], "holdout" if i < 4 else "fit"])
        for i, cell in enumerate(cells)
    ]
    with pytest.raises(InputError, match="the holdout has 4 posts of one target"):
        ingest([header + ",part", *equal], {"split": "part"})


def test_raw_counts_are_learned_as_logarithms(ingest, tmp_path):
    header, *lines = make_lines()
    counts = [2 ** (i % 12) - 1 for i in range(40)]
    lines = [
        ",".join([cells[0], str(counts[i]) if i < 40 else "", *cells[2:]])
        for i, cells in enumerate(line.split(",") for line in lines)
    ]
    posts = ingest([header, *lines], **{"data.target_transform": "log2p1"})
    assert posts["popularity"].to_pylist()[:40] == [float(i % 12) for i in range(40)]
    facts = files.read_json(tmp_path / "reading.json")
    assert facts["target"]["transform"] == "log2p1"
    assert "log2p1" in (tmp_path / "report.md").read_text()


def test_negative_counts_and_a_constant_target_are_refused(ingest, tmp_path, capsys):
    header, *lines = make_lines()
    negative = [line.replace(f"{i},", f"{i},-", 1) for i, line in enumerate(lines, 1)]
    with pytest.raises(InputError, match="negative values: 40 of 40"):
        ingest([header, *negative[:-1], lines[-1]], **{"data.target_transform": "log2p1"})
    few = [lines[0].replace("1,", "1,-", 1), *lines[1:]]
    posts = ingest([header, *few], **{"data.target_transform": "log2p1"})
    assert posts["popularity"].is_null().to_pylist().index(True) == 0
    assert "likes: negative values: 1, left empty (data row 1: '-4')" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"data\.on_bad: mask accepts them"):
        ingest([header, *few], **{"data.target_transform": "log2p1", "data.on_bad": "stop"})
    posts = ingest([header, *few])
    assert posts["popularity"][0].as_py() == -4
    assert "likes: negative whole numbers in the target: 1, worth a look" in capsys.readouterr().out
    (tmp_path / "posts.parquet").unlink()
    same = [",".join([cells[0], "4", *cells[2:]]) for cells in (x.split(",") for x in lines[:-1])]
    with pytest.raises(InputError, match="the target is 4 in all labelled posts"):
        ingest([header, *same])
    assert not (tmp_path / "posts.parquet").exists()


def test_categories_beyond_three_become_columns_of_their_own(ingest):
    header, *lines = make_lines()
    names = ["a", "b", "c", "d", "e"]
    lines = [f"{line},{','.join(n + str(i % 3) for n in names)}" for i, line in enumerate(lines)]
    posts = ingest([f"{header},{','.join(names)}", *lines], {"categories": names})
    assert posts.column_names[-2:] == ["category_d", "category_e"]
    assert posts["concept"].to_pylist()[:2] == ["c0", "c1"]
    assert posts["category_e"].to_pylist()[:2] == ["e0", "e1"]


def test_masked_cells_are_counted_in_the_report(ingest, tmp_path, capsys):
    header, *lines = make_lines()
    lines[3] = lines[3].rsplit(",", 1)[0] + ",many"
    posts = ingest([header, *lines])
    assert posts["own_price"].is_null().to_pylist() == [row == 3 for row in range(41)]
    line = "price: cells that are no number: 1, left empty (data row 4: 'many')"
    assert line in (tmp_path / "report.md").read_text()
    assert line in capsys.readouterr().out
    with pytest.raises(InputError, match=r"data\.on_bad: mask accepts them"):
        ingest([header, *lines], **{"data.on_bad": "stop"})
    with pytest.raises(InputError, match=r"data\.max_bad_fraction is 0\.01"):
        ingest([header, *lines], **{"data.max_bad_fraction": 0.01})


@pytest.mark.parametrize("root", ["my posts", "it's", "$HOME", "a&b", "~"])
def test_the_root_is_a_name_and_never_a_command(ingest, tmp_path, root):
    (tmp_path / root).mkdir()
    lines = "\n".join(make_lines()) + "\n"
    (tmp_path / root / "posts.csv").write_text(lines)
    posts = ingest(make_lines(), **{"data.root": root})
    assert len(posts) == 41
