import errno
import hashlib
import os
import stat
import tarfile
import unicodedata
import zipfile
from io import BytesIO

import pytest

from fame.posts import archives
from fame.posts.contract import IMAGES
from fame.posts.sources import images
from fame.posts.sources.images import find_places, locate
from fame.runtime.errors import InputError

PATHS = ["train/59@N75/1.jpg", "train/60@N11/2.jpg", "test/59@N75/3.jpg"]
ARCHIVES = ("zip", "tar", "tar.gz")


def write_files(folder, paths, content=None):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode() if content is None else content)


def statuses(table):
    return table["status"].to_pylist()


def digest(content):
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def test_a_folder_gives_paths_and_digests(tmp_path):
    write_files(tmp_path, PATHS)
    table = locate(["1", "2", "3"], PATHS, [tmp_path])
    assert table.schema == IMAGES
    assert table.to_pylist() == [
        {
            "post_id": str(row + 1),
            "status": "located",
            "container": "",
            "member": (tmp_path / path).as_posix(),
            "digest": digest(path.encode()),
        }
        for row, path in enumerate(PATHS)
    ]


def test_a_file_name_alone_is_found_below_any_folder(tmp_path):
    write_files(tmp_path, ["2022/may/é1.JPG", "2022/june/2.jpg", "a/3.jpg", "b/3.jpg"])
    listed = ["e\u03011.jpg", "2", "3.jpg", "4.jpg"]
    found = statuses(locate(["1", "2", "3", "4"], listed, [tmp_path]))
    assert found == ["located", "located", "missing", "missing"]
    assert images.count_found(listed, tmp_path) == (2, ["3.jpg", "4.jpg"], [])


@pytest.mark.parametrize(
    ("listed", "container", "member", "expected"),
    [
        ("a/1.jpg", "", "/data/b/1.jpg", True),
        ("https://x.org/a/1.jpg?v=2", "", "/data/b/1.jpg", True),
        ("a\\1.jpg", "data/b.zip", "1.jpg", True),
        ("x/a/1.jpg", "", "/data/a/1.jpg", False),
        ("A/e\u0301.JPG", "", "/data/a/\xe9.jpg", False),
        ("a/1.jpg", "data/a.tar.gz", "1.jpg", False),
        ("1.jpg", "", "/data/b/1.jpg", False),
        ("./1.jpg", "", "/data/b/1.jpg", False),
    ],
)
def test_a_file_that_shares_only_its_name_is_known(listed, container, member, expected):
    assert images.is_by_name(listed, container, member) == expected


def test_a_users_picture_is_never_that_of_another(tmp_path):
    write_files(tmp_path, ["images/60@N11/1.jpg"])
    assert statuses(locate(["1"], ["train/59@N75/1.jpg"], [tmp_path])) == ["missing"]


def test_a_relative_place_stays_relative(tmp_path, monkeypatch):
    write_files(tmp_path / "data", PATHS)
    monkeypatch.chdir(tmp_path)
    [member, *_] = locate(["1"], PATHS[:1], [images.Path("data")])["member"].to_pylist()
    assert member == "data/train/59@N75/1.jpg"


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("prefix", ["", "./", "images/", "deep/images/"])
def test_an_archive_may_begin_above_the_listed_path(tmp_path, write_archive, kind, prefix):
    path = tmp_path / f"images.{kind}"
    write_archive(path, {prefix + name: name.encode() for name in PATHS})
    table = locate(["1", "2", "3"], PATHS, [path])
    assert table["container"].to_pylist() == [path.as_posix()] * 3
    assert table["member"].to_pylist() == [prefix + name for name in PATHS]
    assert table["digest"].to_pylist() == [digest(name.encode()) for name in PATHS]


@pytest.mark.parametrize("kind", ["folder", *ARCHIVES])
def test_a_place_may_begin_below_the_top_of_the_listed_path(tmp_path, write_archive, kind):
    place = tmp_path / f"train.{kind}"
    names = [path.removeprefix("train/") for path in PATHS[:2]]
    if kind == "folder":
        write_files(place, names)
    else:
        write_archive(place, {name: name.encode() for name in names})
    table = locate(["1", "2", "3"], PATHS, [place])
    assert statuses(table) == ["located", "located", "missing"]
    assert table["digest"].to_pylist()[:2] == [digest(name.encode()) for name in names]


def test_the_longest_match_wins_over_places_and_a_shared_one_counts_for_none(tmp_path):
    write_files(tmp_path / "a", ["x/1.jpg", "2.jpg"])
    write_files(tmp_path / "b", ["top/x/1.jpg"])
    listed = ["top/x/1.jpg", "y/2.jpg", "z/2.jpg", "2.jpg"]
    table = locate(list("abcd"), listed, [tmp_path / "a", tmp_path / "b"])
    assert table["digest"].to_pylist()[0] == digest(b"top/x/1.jpg")
    assert statuses(table) == ["located", "missing", "missing", "located"]


def test_an_archive_with_two_candidates_gives_none(tmp_path, write_archive):
    path = tmp_path / "images.zip"
    write_archive(path, {"a/1.jpg": b"a", "b/1.jpg": b"b", "b/2.jpg": b"2"})
    assert statuses(locate(["1", "2"], ["1.jpg", "2.jpg"], [path])) == ["missing", "located"]


def test_several_archives_share_the_images(tmp_path, write_archive):
    write_archive(tmp_path / "1.zip", {PATHS[0]: b"1"})
    write_archive(tmp_path / "2.tar", {PATHS[1]: b"2", PATHS[2]: b""})
    table = locate(["1", "2", "3"], PATHS, [tmp_path / "1.zip", tmp_path / "2.tar"])
    assert statuses(table) == ["located", "located", "empty"]


def test_what_cannot_be_had_has_a_status_and_no_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_IMAGE_BYTES", 10)
    write_files(tmp_path, ["empty.jpg"], b"")
    write_files(tmp_path, ["large.jpg"], b"x" * 11)
    (tmp_path / "folder.jpg").mkdir()
    cases = {
        None: "no_image",
        "": "no_image",
        "gone.jpg": "missing",
        "folder.jpg": "missing",
        ".": "missing",
        "nul\0.jpg": "missing",
        "n" * 5000: "missing",
        "empty.jpg": "empty",
        "large.jpg": "bomb",
        "/etc/passwd": "outside",
        "../secret.jpg": "outside",
        "train/../../secret.jpg": "outside",
    }
    table = locate([str(i) for i in range(len(cases))], list(cases), [tmp_path])
    assert statuses(table) == list(cases.values())
    assert table["digest"].null_count == table["member"].null_count == len(cases)


def test_a_link_out_of_the_folder_is_never_opened(tmp_path):
    secret = tmp_path / "secret"
    write_files(secret, ["1.jpg"])
    os.mkfifo(secret / "waits-for-ever.jpg")
    folder = tmp_path / "images"
    write_files(folder, ["real/1.jpg"])
    (folder / "file.jpg").symlink_to(secret / "waits-for-ever.jpg")
    (folder / "user").symlink_to(secret)
    (folder / "inside.jpg").symlink_to(folder / "real" / "1.jpg")
    table = locate(list("abc"), ["file.jpg", "user/1.jpg", "inside.jpg"], [folder])
    assert statuses(table) == ["outside", "outside", "located"]


def test_a_link_into_the_cache_of_dvc_is_followed(tmp_path):
    kept = f"cache/files/md5/0a/{'0123456789' * 3}"
    write_files(tmp_path, [kept])
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "1.jpg").symlink_to(tmp_path / kept)
    table = locate(["a"], ["1.jpg"], [folder])
    assert statuses(table) == ["located"]
    assert table["member"].to_pylist() == [f"{folder}/1.jpg"]


def test_the_place_itself_may_be_a_link(tmp_path):
    write_files(tmp_path / "disk", ["59@N75/1.jpg"])
    (tmp_path / "train").symlink_to(tmp_path / "disk")
    assert statuses(locate(["1"], PATHS[:1], [tmp_path / "train"])) == ["located"]


@pytest.mark.parametrize("listed", ["../1.jpg", "/1.jpg", "a/../../1.jpg"])
def test_a_member_that_leaves_the_archive_is_outside(tmp_path, listed):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(listed, b"1")
    assert statuses(locate(["1"], [listed], [path])) == ["outside"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_with_names_that_lead_out_of_it_writes_and_opens_nothing(tmp_path, kind):
    """Its members are read in place, under whatever name; a link in it does not exist."""
    secret, path = tmp_path / "secret.jpg", tmp_path / "inner" / f"a.{kind}"
    secret.write_bytes(b"secret")
    path.parent.mkdir()
    names = ("../evil.jpg", f"{tmp_path}/absolute.jpg")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"content")
            link = zipfile.ZipInfo("link.jpg")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, str(secret))
    else:
        with tarfile.open(path, "w") as archive:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(b"content")
                archive.addfile(info, BytesIO(b"content"))
            link = tarfile.TarInfo("link.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, str(secret)
            archive.addfile(link)
    listed = ["evil.jpg", "absolute.jpg", "link.jpg", *names]
    table = locate(list("12345"), listed, [path])
    assert statuses(table)[2:] == ["missing", "outside", "outside"]
    assert digest(b"secret") not in table["digest"].to_pylist()
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == {secret, path}


def test_a_damaged_member_is_truncated_and_the_others_are_read(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.jpg", b"AAAAAAAA")
        archive.writestr("2.jpg", b"BBBBBBBB")
    path.write_bytes(path.read_bytes().replace(b"AAAAAAAA", b"AAAACAAA"))
    assert statuses(locate(["1", "2"], ["1.jpg", "2.jpg"], [path])) == ["truncated", "located"]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_machine_that_cannot_read_is_an_error_and_no_missing_image(
    tmp_path, write_archive, monkeypatch, kind
):
    if kind == "folder":
        place, owner, reads = tmp_path, images.Path, "read_bytes"
        write_files(tmp_path, PATHS)
    else:
        place, owner, reads = tmp_path / "images.zip", archives._Zip, "_read"
        write_archive(place, dict.fromkeys(PATHS, b"x"))

    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error", PATHS[0])

    monkeypatch.setattr(owner, reads, refuse)
    with pytest.raises(OSError, match="Input/output error"):
        locate(["1", "2", "3"], PATHS, [place])


def test_without_places_no_image_is_missing():
    table = locate(["1", "2"], ["1.jpg", None], [])
    assert statuses(table) == ["no_image", "no_image"]
    assert table.schema == IMAGES


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="gone: no such folder or archive"):
        locate(["1"], ["1.jpg"], [tmp_path / "gone"])


def test_places_are_the_parts_users_folders_and_archives_with_images(tmp_path, write_archive):
    (tmp_path / "train_allmetadata_json").mkdir()
    write_archive(tmp_path / "train_allmetadata_json.zip", {"train_text.json": b"[]"})
    (tmp_path / "notes").mkdir()
    assert find_places(tmp_path) == []
    write_files(tmp_path, ["train/59@N75/1.jpg", "more/test/59@N75/2.jpg", "pictures/7@N1/3.jpg"])
    write_archive(tmp_path / "images" / "test.tar", {"4.jpg": b"4"})
    write_archive(tmp_path / "train.zip", {"5.JPG": b"5"})
    assert find_places(tmp_path) == [
        tmp_path / "train",
        tmp_path / "more" / "test",
        tmp_path / "pictures",
        tmp_path / "train.zip",
        tmp_path / "images" / "test.tar",
    ]


NAME = "café_01.JPG"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("listed_form", ["NFC", "NFD"])
@pytest.mark.parametrize("kind", ["folder", ".zip", ".tar"])
def test_names_are_found_in_whatever_unicode_form(tmp_path, write_archive, form, listed_form, kind):
    name = unicodedata.normalize(form, NAME)
    place = tmp_path / "place"
    if kind == "folder":
        (place / "sub").mkdir(parents=True)
        (place / "sub" / name).write_bytes(b"picture")
    else:
        place = tmp_path / f"place{kind}"
        write_archive(place, {f"sub/{name}": b"picture"})
    listed = unicodedata.normalize(listed_form, f"sub/{NAME}")
    assert statuses(locate(["1"], [listed], [place])) == ["located"]


@pytest.mark.parametrize(
    ("member", "listed"),
    [
        ("a/1.jpg", "a\\1.jpg"),
        ("a\\1.jpg", "a/1.jpg"),
        ("1.jpg", "./1.jpg"),
        ("1.JPG", "1.jpg"),
        ("1.jpeg", "1"),
        ("1", "1.jpg"),
        ("post.2021.png", "post.2021"),
        ("1.jpg", "photos/2022/1.jpg"),
    ],
)
def test_names_are_found_as_other_systems_write_them(tmp_path, write_archive, member, listed):
    place = tmp_path / "place.zip"
    write_archive(place, {member: b"picture"})
    assert statuses(locate(["1"], [listed], [place])) == ["located"]


@pytest.mark.parametrize(
    ("members", "listed"),
    [
        (["1.jpg"], "1.png"),
        (["1.jpg", "1.png"], "1"),
        (["A.jpg", "a.JPG"], "a.jpg"),
        (["1.jpg"], "..\\1.jpg"),
        (["10.jpg"], "1"),
    ],
)
def test_names_that_could_be_another_are_not_found(tmp_path, write_archive, members, listed):
    place = tmp_path / "place.zip"
    write_archive(place, dict.fromkeys(members, b"picture"))
    assert statuses(locate(["1"], [listed], [place])) in (["missing"], ["outside"])
