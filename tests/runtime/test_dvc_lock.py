import hashlib

import pytest
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from ruamel.yaml import YAML

from fame.runtime.dvc_lock import check_locked, digest_folder, keep_locks, repair_locks
from fame.runtime.errors import InputError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "models" / "stack"
    (folder / "inner").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "inner/ä.txt", "inner.txt"):
        (folder / name).write_text(name)
    return folder


def write_lock(root, **out):
    stages = {"train": {"cmd": "x"}, "other": {"cmd": "x", "outs": [out]}}
    YAML().dump({"schema": "2.0", "stages": stages}, root / "dvc.lock")


def test_a_folders_digest_is_dvcs(folder):
    tree = Tree()
    for path in folder.rglob("*.txt"):
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        tree.add(path.relative_to(folder).parts, None, HashInfo("md5", digest))
    tree.digest()
    assert digest_folder(folder) == tree.hash_info.value


def test_the_folder_that_the_lock_records_passes(folder, tmp_path):
    write_lock(tmp_path, path="models/stack", md5=digest_folder(folder))
    check_locked(folder)


@pytest.mark.parametrize("change", ["other bytes", "one more", "one less", "another name"])
def test_any_other_folder_is_refused(folder, tmp_path, change):
    write_lock(tmp_path, path="models/stack", md5=digest_folder(folder))
    file = folder / "inner" / "ä.txt"
    if change == "other bytes":
        file.write_text("other")
    elif change == "one more":
        (folder / "more").touch()
    elif change == "one less":
        file.unlink()
    else:
        file.rename(folder / "inner" / "c.txt")
    with pytest.raises(InputError, match=r"models/stack: not what dvc\.lock records"):
        check_locked(folder)


def test_without_an_entry_it_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"there is no dvc\.lock above it to check it by"):
        check_locked(folder)
    write_lock(tmp_path, path="models/other", md5=digest_folder(folder))
    with pytest.raises(InputError, match=r"dvc\.lock does not record it; not opened"):
        check_locked(folder)


@pytest.mark.parametrize(
    "damage", ["", "schema: '2.0'\nstages:\n", "schema: '2.0'\nstages:\n  a: {cmd"]
)
def test_a_record_that_is_cut_off_is_as_it_was_kept(tmp_path, monkeypatch, capsys, damage):
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "dvc.lock"
    write_lock(tmp_path, path="a", md5="b")
    whole = lock.read_text()
    keep_locks()
    repair_locks()
    assert capsys.readouterr().err == ""
    lock.write_text(damage)
    repair_locks()
    assert lock.read_text() == whole
    assert capsys.readouterr().err.startswith("dvc.lock: was cut off; ")


def test_without_a_copy_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").touch()
    repair_locks()
    assert not (tmp_path / "dvc.lock").exists()
