"""`fame init`: from a file to params.yaml and data under DVC; or nothing is touched."""

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from tests.posts.exports import COUNT, EXPORTS

from fame import cli, params
from fame.posts import ingest
from fame.setup import init, params_file
from fame.variants import profile

ROOT = Path(__file__).parents[2]


def commit():
    """Everything in the folder."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["add", "."], [*author, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], check=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with the project's parameters, as a clone has them."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    monkeypatch.chdir(folder)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, check=True)
    commit()
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project's parameters without DVC, which takes seconds a call."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    monkeypatch.chdir(folder)
    subprocess.run(["git", "init", "-q"], check=True)
    commit()
    monkeypatch.setattr(init, "track", lambda _: None)
    return folder


def call(*arguments):
    """The exit status, or the sentence."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["init", *map(str, arguments)])
    return ended.value.code


def read_block():
    return YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))["data"]


def list_tree(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if ".git" not in path.parts}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_becomes_the_data_of_the_project(project, tmp_path, capsys, monkeypatch, name):
    make, expected = EXPORTS[name]
    file = make(tmp_path)
    assert call(file, "--yes") == 0
    block = read_block()
    place = project / "data" / "raw" / file.stem
    assert block["root"] == f"data/raw/{file.stem}"
    assert (place / file.name).read_bytes() == file.read_bytes()
    assert {key: block["table"]["columns"][key] for key in expected} == expected
    assert block["target_transform"] == "log2p1"
    shown = capsys.readouterr().out
    assert "Next: make repro" in shown
    assert "the first 5 posts as they are read" in shown
    outputs = ("posts", "texts", "images", "contents", "descriptions", "reading", "report")
    arguments = [part for out in outputs for part in (f"--{out}", out)]
    monkeypatch.setattr(sys, "argv", ["ingest", *arguments])
    ingest.main()
    assert len(pq.read_table(project / "posts")) == COUNT


def test_dvc_has_the_data_and_git_never_sees_them(repository, tmp_path):
    before = profile.propose("posts")[1]
    file = EXPORTS["tweets"][0](tmp_path)
    assert call(file, "--yes") == 0
    after = (repository / "params.yaml").read_text(encoding="utf-8")
    assert before.split("\nsplit:")[1] == after.split("\nsplit:")[1]
    assert "# unique" in after
    command = ["git", "ls-files", "--others", "--exclude-standard"]
    seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "data/raw/tweets.dvc" in seen
    assert not [path for path in seen if path.endswith(".tsv")]


def test_a_place_that_dvc_refuses_leaves_no_copy(repository, tmp_path):
    file = EXPORTS["tweets"][0](tmp_path)
    shutil.rmtree(repository / ".dvc")
    assert str(call(file, "--yes")).startswith("error: dvc add data/raw/tweets")
    assert not (repository / "data/raw/tweets").exists()


def test_images_beside_the_file_go_with_it(project, tmp_path):
    rows = "\n".join(f"p{i},{i % 5},{i}.jpg" for i in range(30))
    source = tmp_path / "mine"
    (source / "pics").mkdir(parents=True)
    (source / "my posts.csv").write_text(f"id,likes,picture\n{rows}\n")
    for i in range(30):
        (source / "pics" / f"{i}.jpg").write_bytes(b"picture")
    assert call(source / "my posts.csv", "--yes") == 0
    block = read_block()
    assert block["root"] == "data/raw/my_posts"
    assert block["table"]["images"] == "pics"
    assert block["table"]["columns"]["image"] == "picture"
    assert len(list((project / "data/raw/my_posts/pics").iterdir())) == 30
    split = YAML(typ="safe").load((project / "params.yaml").read_text())["split"]
    assert split["protocol"] != "chronological"
    params.load("params.yaml", kinds=False)


@pytest.fixture
def pictured(tmp_path):
    """A file that lists 30 pictures, of which 28 are in the folder."""
    rows = "\n".join(f"p{i},{i % 5},{i}.jpg" for i in range(30))
    (tmp_path / "posts.csv").write_text(f"id,likes,picture\n{rows}\n")
    (tmp_path / "pics" / "2022").mkdir(parents=True)
    for i in range(28):
        (tmp_path / "pics" / "2022" / f"{i}.jpg").write_bytes(b"picture")
    return tmp_path / "posts.csv"


@pytest.mark.usefixtures("project")
def test_pictures_beside_the_file_are_left_out_and_told(tmp_path, capsys):
    (tmp_path / "own").mkdir()
    rows = "\n".join(f"p{i},{i % 5},{i}.jpg" for i in range(30))
    (tmp_path / "own/posts.csv").write_text(f"id,likes,picture\n{rows}\n")
    assert call(tmp_path / "own/posts.csv", "--yes") == 0
    assert "pictures beside" not in capsys.readouterr().out
    (tmp_path / "own/1.jpg").write_bytes(b"picture")
    assert call(tmp_path / "own/posts.csv", "--yes") == 0
    assert (
        "pictures beside posts.csv: left out; in a folder of their own" in capsys.readouterr().out
    )


@pytest.mark.usefixtures("project")
def test_pictures_are_counted_before_anything_is_asked(pictured, capsys):
    assert call(pictured, "--images", pictured.parent / "pics", "--yes") == 0
    shown = capsys.readouterr().out
    assert "pictures: 28 of 30 rows have a picture" in shown
    assert "2 are listed and not there, for instance '28.jpg'" in shown
    assert "data.max_unreadable_fraction becomes 0.1, as so many are missing" in shown
    assert read_block()["max_unreadable_fraction"] == 0.1
    (pictured.parent / "pics" / "2022" / "28.jpg").write_bytes(b"picture")
    assert call(pictured, "--images", pictured.parent / "pics", "--yes") == 0
    assert "1 is listed and not there, for instance '29.jpg'" in capsys.readouterr().out


def test_pictures_of_other_posts_are_refused(project, pictured):
    for path in (pictured.parent / "pics" / "2022").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    message = call(pictured, "--images", pictured.parent / "pics", "--yes")
    assert "0 of 30 rows have a picture" in str(message)
    assert not (project / "data").exists()
    message = call(pictured, "--images", pictured.parent / "nowhere", "--yes")
    assert "nowhere: no folder and no archive of images" in str(message)


@pytest.mark.usefixtures("project")
def test_pictures_that_lie_beside_the_file_by_chance_are_left_out(pictured, capsys):
    (pictured.parent / "holiday").mkdir()
    (pictured.parent / "holiday" / "beach.jpg").write_bytes(b"picture")
    assert call(pictured, "--yes") == 0
    assert "holiday: left out: none of the listed images is there" in capsys.readouterr().out
    assert read_block()["table"]["columns"]["image"] is None


@pytest.mark.usefixtures("project")
def test_an_archive_alone_in_the_folder_of_images_is_meant(pictured):
    folder = pictured.parent / "packed"
    folder.mkdir()
    shutil.make_archive(str(folder / "pics"), "zip", pictured.parent / "pics")
    assert call(pictured, "--images", folder, "--yes") == 0
    assert read_block()["table"]["images"] == "pics.zip"


@pytest.mark.usefixtures("project")
def test_posts_that_ingest_would_refuse_are_refused_before(tmp_path):
    parts = ["holdout"] + ["fit"] * 29
    rows = "\n".join(f"p{i},{i % 5},{part}" for i, part in enumerate(parts))
    (tmp_path / "posts.csv").write_text(f"id,likes,part\n{rows}\n")
    assert "the holdout has 1 post" in str(call(tmp_path / "posts.csv", "--yes"))
    assert not Path("data").exists()


@pytest.mark.parametrize(("authors", "protocol"), [(30, "user"), (1, "random"), (0, "random")])
def test_without_times_the_split_is_one_that_the_posts_allow(
    project, tmp_path, capsys, authors, protocol
):
    rows = [f"p{i},{i % 7},{f'a{i % authors // 2}' if authors else ''}" for i in range(60)]
    (tmp_path / "posts.csv").write_text("\n".join(["id,likes,user_id", *rows]) + "\n")
    assert call(tmp_path / "posts.csv", "--yes") == 0
    split = YAML(typ="safe").load((project / "params.yaml").read_text())["split"]
    assert split["protocol"] == protocol
    why = "not the newest, because the protocol chronological needs the posting times of"
    assert why in capsys.readouterr().out


@pytest.fixture
def dated(tmp_path):
    """Posts with times and without counts, on which nothing of the usual has to change."""
    rows = [f"p{i},{i % 7 + 0.5},2022-01-{i % 28 + 1:02d}T{i % 24:02d}:00" for i in range(60)]
    (tmp_path / "dated.csv").write_text("\n".join(["id,score,published_at", *rows]) + "\n")
    return tmp_path / "dated.csv"


@pytest.mark.parametrize("is_committed", [False, True])
def test_nothing_that_another_file_needed_is_kept(project, pictured, dated, capsys, is_committed):
    options = ("--yes", "--encoding", "cp1252", "--target-transform", "log2p1")
    assert call(pictured, "--images", pictured.parent / "pics", *options) == 0
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("tag_separator: null", "tag_separator: ';'"))
    if is_committed:
        commit()
    first = YAML(typ="safe").load(path.read_text())
    assert first["split"]["protocol"] == "random"
    assert first["data"]["max_unreadable_fraction"] == 0.1
    assert first["data"]["target_transform"] == "log2p1"
    capsys.readouterr()
    assert call(dated, "--yes") == 0
    shown = capsys.readouterr().out
    assert "split.protocol becomes chronological again, it was random" in shown
    assert "data.max_unreadable_fraction becomes 0.05 again, it was 0.1" in shown
    assert "data.table.tag_separator becomes null again, it was ;" in shown
    again = YAML(typ="safe").load(path.read_text())
    shutil.copy(ROOT / "params.yaml", path)
    commit()
    assert call(dated, "--yes") == 0
    assert YAML(typ="safe").load(path.read_text()) == again
    assert " again, it was " not in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_the_challenge_after_own_posts_is_read_as_it_comes(challenge, pictured):
    options = ("--yes", "--target-transform", "log2p1")
    assert call(pictured, "--images", pictured.parent / "pics", *options) == 0
    assert call(challenge, "--yes") == 0
    document = YAML(typ="safe").load(Path("params.yaml").read_text())
    assert document["data"]["target_transform"] == "none"
    assert document["data"]["max_unreadable_fraction"] == 0.05
    assert document["split"]["protocol"] == "chronological"


def test_what_is_set_anew_is_what_params_yaml_comes_with():
    document = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    overlay = YAML(typ="safe").load((ROOT / "profiles" / "posts.yaml").read_text())
    for key, default in params_file.BY_FILE.items():
        place = document
        for name in key:
            place = place[name]
        assert place == default
        assert key[-1] not in overlay[key[0]]


def test_posts_of_one_time_are_held_out_otherwise(project, tmp_path, capsys):
    rows = [f"p{i},{i % 7},a{i % 9},2024-05-01 10:00" for i in range(60)]
    (tmp_path / "posts.csv").write_text("\n".join(["id,likes,user_id,posted_at", *rows]) + "\n")
    assert call(tmp_path / "posts.csv", "--yes") == 0
    split = YAML(typ="safe").load((project / "params.yaml").read_text())["split"]
    assert split["protocol"] == "user"
    shown = capsys.readouterr().out
    assert "posts.csv: 60 rows" in shown
    assert "no column found for the title (--title), the tags (--tags)" in shown


@pytest.mark.usefixtures("project")
def test_a_slip_is_named_although_the_place_is_taken(pictured):
    assert call(pictured, "--yes") == 0
    assert "no folder and no archive of images" in str(call(pictured, "--images", "pix"))


@pytest.mark.usefixtures("project")
def test_a_column_with_a_comma_in_its_name_can_be_named(tmp_path):
    rows = "\n".join(f"p{i},{i % 5},{'xy'[i % 2]}" for i in range(30))
    (tmp_path / "posts.csv").write_text(f'id,likes,"a, b"\n{rows}\n')
    assert call(tmp_path / "posts.csv", "--yes", "--categories", "a, b") == 0
    assert read_block()["table"]["columns"]["categories"] == ["a, b"]


@pytest.mark.usefixtures("project")
def test_a_file_that_is_not_there_is_named_alone():
    message = "error: nix.csv: no such file or folder; name what holds your posts; params.yaml is "
    read = "unchanged and reads the simulated sample, no posts of yours"
    assert call("nix.csv", "--yes") == message + read


def test_a_folder_with_one_table_is_meant(project, pictured):
    (pictured.parent / "notes.docx").write_bytes(b"notes")
    assert call(pictured.parent, "--yes", "--name", "mine") == 0
    assert read_block()["table"]["file"] == "posts.csv"
    assert read_block()["table"]["images"] is None  # pictures lie below a folder of years
    (pictured.parent / "more.csv").write_text("id,likes\n")
    said = str(call(pictured.parent, "--yes"))
    assert "more than one file in it may hold your posts (more.csv, posts.csv)" in said
    assert f"name one, as in `fame init {pictured.parent}/more.csv`" in said
    assert (project / "data/raw/mine/posts.csv").is_file()


@pytest.mark.usefixtures("project")
def test_gzip_keeps_its_name_and_is_read(tmp_path):
    rows = "\n".join(f"p{i},{i % 5}" for i in range(30))
    file = tmp_path / "posts.csv.gz"
    file.write_bytes(gzip.compress(f"id,likes\n{rows}\n".encode()))
    assert call(file, "--yes", "--target", "likes", "--target-transform", "none") == 0
    assert read_block()["table"]["file"] == "posts.csv.gz"
    assert read_block()["target_transform"] == "none"


@pytest.mark.parametrize(
    ("text", "arguments", "problem"),
    [
        ("a,b\nx,1\nx,2\n", [], "no column is the id"),
        ("id,likes\na,1\nb,2\n", ["--target", "views"], "no column for --target views"),
        ("id,likes\n", [], "holds no post"),
        ("id,likes,date\na,1,01/02/2022\nb,2,03/04/2022\n", [], "--time-format"),
        ("id,likes\na,1\na,2\n", ["--id", "id"], "id: 1 row has the id of another"),
        ("id,likes\na,1\nb,2\n", ["--encoding", "klingon"], "unknown encoding"),
        (
            "id,likes\na,soon\nb,many\n",
            [],
            "is no target: it holds texts ('soon', 'many'); name",
        ),
        ("id,likes,x\na,1,b.jpg\nb,2,c.jpg\n", ["--image", "x"], "--images names no folder"),
        ("id,likes,date\na,1,2022\nb,2,3\n", ["--time-format", "%d/%m/%Y"], "holds times like"),
        ("id,likes\na,5\nb,5\nc,5\n", [], "the target is 5 in all labelled posts"),
        ("id,likes\na,1\nb\nc\nd,4\n", [], "rows with another number of cells"),
    ],
)
def test_what_cannot_be_read_leaves_everything_as_it_was(
    project, tmp_path, text, arguments, problem
):
    file = tmp_path / "posts.csv"
    file.write_text(text)
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    said = str(call(file, "--yes", *arguments))
    assert problem in said
    assert said.endswith(
        "params.yaml is unchanged and reads the simulated sample, no posts of yours"
    )
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_without_a_terminal_or_a_yes_nothing_is_written(project, tmp_path, monkeypatch):
    file = EXPORTS["tweets"][0](tmp_path)
    assert "--yes writes params.yaml without asking" in call(file)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert call(file) == 1
    assert not (project / "data").exists()


def test_changes_that_would_be_lost_are_named_before_anything_is_asked(repository, tmp_path):
    params = repository / "params.yaml"
    params.write_text(params.read_text() + "# mine\n")
    before = params.read_text()
    assert "has changes that are not committed" in call(EXPORTS["tweets"][0](tmp_path))
    assert params.read_text() == before
    assert not (repository / "data").exists()


def test_data_that_are_there_are_not_overwritten_without_a_yes(project, tmp_path):
    file = EXPORTS["tweets"][0](tmp_path)
    assert call(file, "--yes") == 0
    assert "is there already" in call(file)
    assert call(file, "--yes") == 0
    inside = project / "data/raw/tweets/tweets.tsv"
    assert call(inside, "--yes") == 0
    assert inside.is_file()


@pytest.fixture
def challenge(tmp_path):
    """The names of the challenge's files, which is all that `fame init` looks at."""
    folder = tmp_path / "smpd" / "train_all_json"
    folder.mkdir(parents=True)
    for name in ("text", "category", "temporalspatial_information", "additional", "userdata"):
        (folder / f"train_{name}.json").write_text("[]")
    (folder / "train_label.txt").write_text("")
    return tmp_path / "smpd"


def test_a_folder_of_the_challenge_is_read_where_it_lies(project, challenge):
    assert call(challenge, "--yes") == 0
    block = read_block()
    assert (block["source"], block["root"]) == ("smpd", str(challenge))
    inside = project / "data" / "raw" / "challenge"
    shutil.copytree(challenge, inside)
    assert call(inside, "--yes") == 0
    assert read_block()["root"] == "data/raw/challenge"


@pytest.mark.usefixtures("project")
def test_a_folder_that_is_not_the_challenges_is_refused(challenge):
    (challenge / "train_all_json" / "train_label.txt").unlink()
    assert "it lacks files for labels" in call(challenge, "--yes")
    assert read_block()["source"] == "sample"


def write_posts(folder, rows, header):
    file = folder / "posts.csv"
    file.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return file


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("arguments", [[], ["--time", "Date,Time"]])
def test_posts_without_ids_whose_time_is_two_columns_are_read(tmp_path, capsys, arguments):
    rows = [(f"2025-01-{i:02d}", f"{i % 12}:30", f"words of post {i}", i * i) for i in range(1, 29)]
    assert call(write_posts(tmp_path, rows, "Date,Time,Message,Likes"), "--yes", *arguments) == 0
    columns = read_block()["table"]["columns"]
    assert (columns["id"], columns["time"]) == (None, ["Date", "Time"])
    shown = capsys.readouterr().out
    assert "no column is the id (--id): ids are made of the posts' contents" in shown
    assert "posted_at=2025-01-01 01:30:00" in shown
    settings = params.load("params.yaml", kinds=False)
    posts, _ = ingest.read(settings)
    assert len(set(posts.table["post_id"].to_pylist())) == 28


@pytest.mark.usefixtures("project")
def test_hashtags_of_titles_are_told_of_where_there_are_no_tags(tmp_path, capsys):
    titles = ["at sea #sunset", "no &#39; tag", "we are #1", "#été", *["plain words here"] * 26]
    rows = [(f"p{i}", title, i % 5, "cat") for i, title in enumerate(titles)]
    said = "2 titles hold hashtags: they are read and counted as part of the title"
    assert call(write_posts(tmp_path, rows, "id,title,likes,tags"), "--yes") == 0
    assert "titles hold hashtags" not in capsys.readouterr().out
    assert call(write_posts(tmp_path, rows, "id,title,likes,x"), "--yes") == 0
    assert said in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_counts_with_many_negative_values_are_told_of(tmp_path, capsys):
    rows = [(f"p{i}", -1 if i % 4 == 0 else i**3) for i in range(40)]
    assert call(write_posts(tmp_path, rows, "id,likes"), "--yes") == 0
    said = "looks like raw counts, but 10 are negative: it is learned as it is (none)"
    assert said in capsys.readouterr().out
    assert read_block()["target_transform"] == "none"
    rows = [(f"p{i}", i**3) for i in range(40)]
    assert call(write_posts(tmp_path, rows, "id,likes"), "--yes") == 0
    shown = capsys.readouterr().out
    assert "are negative" not in shown
    assert "is learned as log2(x + 1)" in shown


@pytest.mark.usefixtures("project")
def test_a_transform_that_was_named_is_not_told_otherwise(tmp_path, capsys):
    rows = [(f"p{i}", i**3) for i in range(40)]
    file = write_posts(tmp_path, rows, "id,likes")
    assert call(file, "--yes", "--target-transform", "none") == 0
    assert "is learned as" not in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_pictures_found_by_their_names_alone_are_counted(tmp_path, capsys):
    rows = [(f"p{i}", i % 5, f"uploads/2022/{i}.jpg") for i in range(30)]
    (tmp_path / "pics").mkdir()
    for i in range(30):
        (tmp_path / "pics" / f"{i}.jpg").write_bytes(b"picture")
    assert call(write_posts(tmp_path, rows, "id,likes,picture"), "--yes") == 0
    said = "30 are found by the file's name, not in the listed folder, for instance"
    assert said in capsys.readouterr().out
    posts, _ = ingest.read(params.load("params.yaml", kinds=False))
    [note] = [n for n in posts.findings.notes if "found by the file's name" in n.what]
    assert note.count == 30


@pytest.mark.usefixtures("project")
def test_the_posts_that_are_shown_are_those_of_the_run(pictured, capsys):
    """Ids are made of the pictures' names too, wherever the pictures lie."""
    lines = [f"{i % 28 + 1}.1.2024;a day at sea {i};#a;{i}.jpg;{i % 5}" for i in range(28)]
    lines = ["Datum;Bildunterschrift;Hashtags;Bilddatei;Likes", *lines, lines[3], "Summe;;;;56"]
    pictured.write_text("\n".join(lines))
    assert call(pictured, "--images", pictured.parent / "pics", "--yes") == 0
    shown = capsys.readouterr().out
    posts, _ = ingest.read(params.load("params.yaml", kinds=False))
    made = "ids made of Datum, Bildunterschrift, Hashtags, Bilddatei, as no column is the id"
    assert made in shown
    assert made in [note.what for note in posts.findings.notes]
    assert re.findall("post_id=([0-9a-f]+)", shown) == posts.table["post_id"][:5].to_pylist()
    assert "pictures: 29 of 29 rows" in shown


def test_an_author_called_total_has_posts(project, tmp_path):
    rows = [(100 + i, "Total", i % 7, 1456833600 + 9000 * i) for i in range(60)]
    assert call(write_posts(tmp_path, rows, "id,author,likes,epoch"), "--yes") == 0
    posts, _ = ingest.read(params.load(project / "params.yaml", kinds=False))
    assert len(posts.table) == 60


@pytest.mark.usefixtures("project")
def test_a_column_that_may_be_the_title_is_named(tmp_path, capsys):
    rows = [(f"p{i}", f"a day at sea {i % 19}", i % 5) for i in range(40)]
    assert call(write_posts(tmp_path, rows, "id,Copy,likes"), "--yes") == 0
    assert "the title (--title; it may be Copy)" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("place", ["outside", "in a folder", "beside the file"])
def test_pictures_of_a_file_in_its_place_are_where_the_run_reads_them(pictured, place):
    folder = Path("data/raw/mine")
    folder.mkdir(parents=True)
    file = Path(shutil.move(pictured, folder))
    images = pictured.parent / "pics"
    if place == "in a folder":
        images = Path(shutil.move(images, folder / "kept"))
    if place == "beside the file":
        images = folder
        for path in (pictured.parent / "pics" / "2022").iterdir():
            shutil.move(path, folder)
    assert call(file, "--images", images, "--yes") == 0
    posts, _ = ingest.read(params.load("params.yaml", kinds=False))
    assert posts.images["status"].to_pylist().count("located") == 28
    if place == "outside":
        message = str(call(file, "--images", images, "--yes"))
        assert "data/raw/mine/pics: is there already" in message


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("inside", ["sub/pics", "."])
def test_pictures_that_lie_in_the_place_of_a_new_file_are_where_the_run_reads_them(
    pictured, inside
):
    place = Path("data/raw/posts")
    shutil.copytree(pictured.parent / "pics" / "2022", place / inside)
    (place / "posts.csv").write_text("what was there before\n")
    assert call(pictured, "--images", place / inside, "--yes") == 0
    assert (place / "posts.csv").read_bytes() == pictured.read_bytes()
    posts, _ = ingest.read(params.load("params.yaml", kinds=False))
    assert posts.images["status"].to_pylist().count("located") == 28


@pytest.mark.usefixtures("project")
def test_a_folder_that_holds_the_place_of_the_copy_is_no_folder_of_images(pictured):
    place = Path("data/raw/posts")
    shutil.copytree(pictured.parent / "pics", place / "pics")
    file = shutil.copy(pictured, place)
    for posts in (pictured, file):
        message = str(call(posts, "--images", "data", "--yes"))
        assert "data: holds data/raw/posts, into which images are copied" in message


def test_a_refusal_of_dvc_leaves_no_copied_pictures(repository, pictured):
    folder = repository / "data/raw/mine"
    folder.mkdir(parents=True)
    file = Path(shutil.move(pictured, folder))
    shutil.rmtree(repository / ".dvc")
    message = str(call(file, "--images", pictured.parent / "pics", "--yes"))
    assert message.startswith("error: dvc add data/raw/mine")
    assert list(folder.iterdir()) == [file]


@pytest.mark.usefixtures("project")
def test_a_folder_that_holds_the_project_is_no_folder_of_images(pictured):
    for folder in (".", ".."):
        message = str(call(pictured, "--images", folder, "--yes"))
        assert f"{folder}: holds the project" in message
