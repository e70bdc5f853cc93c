import gzip
import io
import random
import tarfile
import zipfile

import pytest

from fame.posts import archives
from fame.posts.archives import ImageReader, Member, is_archive, open_archive
from fame.runtime.errors import InputError

KINDS = ("zip", "tar", "tar.gz", "tgz")


@pytest.fixture
def files():
    random_bytes = random.Random(3)
    sizes = (0, 1, 512, 1024, 3000, 20_000)
    return {
        f"train/{i % 7}@N75/{i}.jpg": random_bytes.randbytes(sizes[i % len(sizes)])
        for i in range(120)
    }


@pytest.fixture
def write(tmp_path, files):
    """Write all files and a link into an archive of some kind."""

    def write_kind(kind):
        path = tmp_path / f"images.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
                link = zipfile.ZipInfo("train/link.jpg")
                link.external_attr = 0o120777 << 16
                archive.writestr(link, "/etc/passwd")
                archive.mkdir("train/folder.jpg")
            return path
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            for kind_of_link in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
                info = tarfile.TarInfo("train/link.jpg")
                info.type, info.linkname = kind_of_link, "train/0@N75/0.jpg"
                archive.addfile(info)
        raw = plain.getvalue()
        if kind == "tar.gz":
            raw = gzip.compress(raw)
        elif kind == "tgz":  # several streams, and padding behind them
            pieces = [raw[i : i + 50_000] for i in range(0, len(raw), 50_000)]
            raw = b"".join(map(gzip.compress, pieces)) + bytes(512)
        path.write_bytes(raw)
        return path

    return write_kind


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_the_regular_files_in_order(write, files, kind):
    with open_archive(write(kind)) as archive:
        assert archive.members == [Member(name, len(content)) for name, content in files.items()]


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_read_in_any_order(write, files, kind, monkeypatch):
    monkeypatch.setattr(archives, "CHECKPOINT_BYTES", 5000)
    monkeypatch.setattr(archives, "BLOCK_BYTES", 700)
    path = str(write(kind))
    names = list(files) * 2
    random.Random(5).shuffle(names)
    with ImageReader() as reader:
        for name in names:
            assert reader.read(path, name) == files[name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["train/link.jpg", "train/folder.jpg", "nothing.jpg"])
def test_what_is_no_regular_member_is_not_found(write, kind, name):
    with ImageReader() as reader, pytest.raises(FileNotFoundError, match="no member"):
        reader.read(str(write(kind)), name)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_cut_off_is_refused(write, kind):
    path = write(kind)
    content = path.read_bytes()
    for size in (0, 100, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=rf"images\.{kind}: not a whole archive"):
            open_archive(path)


def test_a_damaged_member_is_an_error_of_its_own(write, files):
    path = write("zip")
    name = next(name for name, content in files.items() if len(content) == 20_000)
    content = bytearray(path.read_bytes())
    begin = content.index(name.encode()) + len(name) + 100
    content[begin : begin + 50] = bytes(50)
    path.write_bytes(content)
    with ImageReader() as reader:
        with pytest.raises(OSError, match="cannot be read"):
            reader.read(str(path), name)
        other = next(other for other in files if other != name)
        assert reader.read(str(path), other) == files[other]


def test_the_last_of_a_repeated_name_counts(tmp_path):
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as archive:
        for content in (b"old", b"newer"):
            info = tarfile.TarInfo("1.jpg")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with open_archive(path) as archive:
        assert archive.members == [Member("1.jpg", 5)]
        assert archive.read("1.jpg") == b"newer"


def test_plain_files_are_read_without_a_container(tmp_path):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"content")
    with ImageReader() as reader:
        assert reader.read("", str(path)) == b"content"
        with pytest.raises(FileNotFoundError):
            reader.read("", str(tmp_path / "2.jpg"))
        with pytest.raises(FileNotFoundError):
            reader.read(str(tmp_path / "gone.zip"), "1.jpg")


def test_archives_are_known_by_their_names(tmp_path):
    for kind in KINDS:
        assert is_archive(tmp_path / f"IMAGES.{kind.upper()}")
    assert not is_archive(tmp_path / "images.7z")
