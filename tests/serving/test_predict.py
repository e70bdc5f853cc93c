import io
import json

import pandas as pd
import pytest

from fame import cli

POSTS = "id,title,tags,time\na,A cat,cat,2016-03-01\nb,A sunset over the sea,sea,2016-03-02\n"


@pytest.fixture
def command(models, tmp_path, monkeypatch, capsys):
    """Run `fame predict` in a folder of its own: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "posts.csv").write_text(POSTS)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main(["predict", *map(str, arguments), "--models", str(models)])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return call


def test_a_file_becomes_a_file(command, predictor, tmp_path):
    status, out, err = command("posts.csv", "-o", "out.csv")
    table = pd.read_csv(tmp_path / "out.csv", dtype={"id": str}, float_precision="round_trip")
    assert (status, out) == (0, "")
    assert table["id"].tolist() == ["a", "b"]
    expected = predictor.predict_drafts(predictor.read_file(tmp_path / "posts.csv"))
    assert table["prediction"].equals(expected["prediction"])
    assert err.splitlines()[-1].startswith(
        "predict: 2 posts scored; 2 by new authors, 2 with notes; "
    )


def test_json_lines_come_from_stdin(command, monkeypatch):
    lines = '{"id": "a", "title": "A cat"}\n{"id": "b", "tags": ["sea", "sun"]}\n'
    stdin = io.TextIOWrapper(io.BytesIO(lines.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    status, out, _ = command("-")
    assert status == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["id", "a", "b"]


def test_numbers_on_the_screen_are_rounded(command, tmp_path):
    _, out, _ = command("posts.csv")
    command("posts.csv", "-o", "out.csv")
    shown = pd.read_csv(io.StringIO(out), dtype={"id": str})
    written = pd.read_csv(tmp_path / "out.csv", dtype={"id": str})
    assert shown.equals(written.round(4))
    assert not shown.equals(written)


@pytest.mark.parametrize("suffix", ["tsv", "json", "jsonl", "parquet"])
def test_the_output_has_the_form_of_its_name(command, tmp_path, suffix):
    assert command("posts.csv", "-o", f"out.{suffix}")[0] == 0
    path = tmp_path / f"out.{suffix}"
    table = {
        "tsv": lambda: pd.read_csv(path, sep="\t"),
        "json": lambda: pd.read_json(path),
        "jsonl": lambda: pd.read_json(path, lines=True),
        "parquet": lambda: pd.read_parquet(path),
    }[suffix]()
    assert table["id"].tolist() == ["a", "b"]


def test_drafts_are_ranked_best_first(command, tmp_path):
    command("posts.csv", "-o", "out.csv", "--rank")
    table = pd.read_csv(tmp_path / "out.csv")
    assert table.columns[1:3].tolist() == ["rank", "title"]
    titles = {"a": "A cat", "b": "A sunset over the sea"}
    assert table["title"].tolist() == [titles[name] for name in table["id"]]
    assert table["rank"].tolist() == sorted(table["rank"])
    assert table["prediction"].is_monotonic_decreasing


def test_a_ranked_post_without_a_title_is_named_by_its_tags(command, tmp_path):
    posts = 'id,title,tags\na,"On two\nlines",cat\nb,,sea sun\n'
    (tmp_path / "posts.csv").write_text(posts)
    _, out, _ = command("posts.csv", "--rank")
    shown = pd.read_csv(io.StringIO(out)).set_index("id")["title"].to_dict()
    assert shown == {"a": "On two lines", "b": "sea sun"}


def test_reasons_are_a_column_of_json(command, tmp_path):
    command("posts.csv", "-o", "out.csv", "--explain")
    table = pd.read_csv(tmp_path / "out.csv", float_precision="round_trip")
    for row in table.itertuples():
        reasons = json.loads(row.reasons)
        assert reasons["base"] + sum(reasons["parts"].values()) == pytest.approx(
            row.prediction, abs=1e-6
        )


def test_reasons_are_an_object_where_the_file_is_json(command, tmp_path):
    command("posts.csv", "-o", "out.json", "--explain")
    for post in json.loads((tmp_path / "out.json").read_text()):
        reasons = post["reasons"]
        assert reasons["base"] + sum(reasons["parts"].values()) == pytest.approx(
            post["prediction"], abs=1e-6
        )


def test_columns_that_the_models_do_not_know_are_named(command, tmp_path):
    (tmp_path / "own.csv").write_text("id,title,user,hashtags,folowers\na,A cat,me,cat,3\n")
    _, _, err = command("own.csv")
    assert (
        "read: not used, as the models know no such columns: hashtags, folowers; known: id" in err
    )
    (tmp_path / "own.csv").write_text("id,title,user\na,A cat,me\n")
    assert "not used" not in command("own.csv")[2]


def test_history_is_added(command, models, tmp_path):
    known = models / "index/posts.parquet"
    old = pd.read_parquet(known).iloc[0]
    (tmp_path / "more.csv").write_text(
        f"id,user,time,popularity,x\nnewer,me,2016-01-01,9,\n{old.post_id},she,2015-01-01,9,\n"
    )
    (tmp_path / "own.csv").write_text("id,title,user,time\na,A cat,me,2016-03-01\n")
    _, out, err = command("own.csv", "--history", "more.csv")
    assert "history: read: not used, as the models know no such columns: x; known" in err
    assert "history: 1 labelled post added, 1 known already\n" in err
    assert ",known,1," in out


def test_where_a_picture_lay_is_told_if_not_at_the_path_as_written(command, tmp_path, picture):
    (tmp_path / "other/deep").mkdir(parents=True)
    for name in "ab":
        (tmp_path / f"other/deep/{name}.jpg").write_bytes(picture)
    (tmp_path / "own.csv").write_text("id,title,image\n1,A cat,a.jpg\n2,A dog,other/deep/b.jpg\n")
    told = "read: pictures found elsewhere than at the path as written: 1 (data row 1: 'a.jpg' is "
    _, out, err = command("own.csv")
    assert f"{told}other/deep/a.jpg)" in err
    assert "picture" not in out
    for arguments in (("own.csv", "--images", "other/deep"), ("own.csv", "--images", ".")):
        assert told not in command(*arguments)[2]
    (tmp_path / "a.jpg").write_bytes(picture)
    assert told not in command("own.csv")[2]
    # A whole path, and a name without its suffix, as in training.
    whole = f"id,title,image\n1,A cat,{tmp_path}/a.jpg\n2,A dog,other/deep/b\n"
    (tmp_path / "own.csv").write_text(whole)
    assert "elsewhere" not in command("own.csv")[2]


def test_where_pictures_were_looked_for_in_vain_is_told(command, tmp_path, picture):
    (tmp_path / "own.csv").write_text("id,title,image\n1,A cat,a.jpg\n2,A dog,b.jpg\n")
    told = "not found in {}; --images names where they lie\n"
    assert f"2 pictures {told.format(tmp_path)}" in command("own.csv")[2]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.jpg").write_bytes(picture)
    found = command("own.csv", "--images", "other")[2]
    assert f"1 picture {told.format(tmp_path / 'other')}" in found


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none.csv",), "none.csv: no such file"),
        (("posts.csv", "-o", "out.doc"), "out.doc: ends with '.doc', allowed: .csv"),
        (("posts.csv", "--images", "nowhere"), "nowhere: no such file or folder; --images names"),
    ],
)
def test_bad_input_is_a_sentence_and_status_1(command, arguments, sentence):
    status, _, err = command(*arguments)
    check_refused(status, err, sentence)


def check_refused(status, err, sentence):
    assert str(status).startswith("error: ")
    assert sentence in status
    assert "\n" not in status
    assert "data." not in status  # no parameter that a user of a bundle could change
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "posts.csv: is empty"),
        ("id,title\n", "holds no post"),
        ("x,y\n1,2\n", "posts.csv: no post has a value in any of the columns title, tags, image"),
        (
            "id,titel\na,A cat\n",
            "these names; not used, as the models know no such columns: titel; k",
        ),
        ("id,title,time\na,A cat,soon\n", "time: cells that are no time: 1 of 1"),
        (
            "id,title,time\na,A cat,1900-01-01\n",
            "post a: time is in 1900, allowed: within 20 years",
        ),
        (
            "id,title,time\na,A cat,2100-01-01\n",
            "post a: time is in 2100, allowed: within 20 years",
        ),
        ("id,title,photo_count\na,A cat,many\n", "photo_count: cells that are no number: 1 of 1"),
        ("id,title,photo_count\na,A cat,1e300\n", "infinite or too large numbers: 1 of 1"),
        ("id,title\na,A cat\na,A dog\n", "ids are unique"),
        ("\0\0\0", "posts.csv: "),
    ],
)
def test_a_bad_file_is_a_sentence_and_nothing_is_written(command, tmp_path, content, sentence):
    (tmp_path / "posts.csv").write_text(content)
    status, out, err = command("posts.csv", "-o", "out.csv")
    check_refused(status, err, sentence)
    assert out == ""
    assert not (tmp_path / "out.csv").exists()


def test_what_is_odd_but_possible_is_scored_and_noted(command, tmp_path):
    (tmp_path / "link.jpg").symlink_to("/etc/passwd")
    (tmp_path / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    names = ",".join(f"c{number}" for number in range(1000))
    rows = [
        *("a,A cat,Zebra,,", f"b,{'x' * 10_000},,,", "c,,,,", "d,A dog,,NaN,../../etc/passwd"),
        *("e,A dog,,,/etc/passwd", "f,A dog,,,link.jpg", "g,A dog,,,half.jpg"),
    ]
    content = "".join(f"{row}{',' * 1000}\n" for row in rows)
    header = f"id,title,category,photo_count,image,{names}\n"
    (tmp_path / "posts.csv").write_text(header + content)
    assert command("posts.csv", "-o", "out.csv")[0] == 0
    table = pd.read_csv(tmp_path / "out.csv", dtype={"id": str}).set_index("id")
    assert table["notes"].to_dict() == {
        "a": "no picture; category 'Zebra' is not in the training posts",
        "b": "no picture",
        "c": "no picture; no text",
        **dict.fromkeys("def", "unreadable picture (outside)"),
        "g": "unreadable picture (not_an_image)",
    }
    assert table["prediction"].notna().all()
