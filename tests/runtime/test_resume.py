import fcntl
import os
import threading
import time
from contextlib import suppress

from fame.runtime.resume import FOLDERS, open_folder, read_note, write_note


def list_folders(root):
    return sorted(path.name for path in root.iterdir())


def leave(root, facts):
    """Work with these facts that fails after it has written a file."""
    with suppress(ZeroDivisionError), open_folder(root, facts) as folder:
        (folder / "part").write_text(str(1 / 1))
        (folder / "rest").write_text(str(1 / 0))
    return folder


def test_what_is_unfinished_stays_for_the_same_facts_and_goes_at_the_end(tmp_path):
    left = leave(tmp_path, {"rows": 1, "seed": 2})
    (left / ".half.123.tmp").write_text("h")
    with open_folder(tmp_path, {"seed": 2, "rows": 1}) as folder:
        assert folder == left
        assert sorted(path.name for path in folder.iterdir()) == ["facts.json", "part"]
    assert list_folders(tmp_path) == []


def test_other_facts_are_another_folder(tmp_path):
    left = leave(tmp_path, {"rows": 1})
    with open_folder(tmp_path, {"rows": 2}) as folder:
        assert not (folder / "part").exists()
    assert list_folders(tmp_path) == [left.name]


def test_old_folders_go_but_for_those_in_use(tmp_path):
    left = [leave(tmp_path, {"rows": number}) for number in range(FOLDERS + 2)]
    assert list_folders(tmp_path) == sorted(path.name for path in left[-FOLDERS:])
    for number, path in enumerate(left[-FOLDERS:]):
        os.utime(path, (number, number))
    oldest = left[-FOLDERS]
    lock = os.open(oldest, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    leave(tmp_path, {"rows": -1})
    assert oldest.exists()
    os.close(lock)
    leave(tmp_path, {"rows": -1})
    assert not oldest.exists()
    assert len(list_folders(tmp_path)) == FOLDERS


def test_a_second_run_waits_for_the_first_and_starts_with_an_empty_folder(tmp_path, capsys):
    seen = []

    def run():
        with open_folder(tmp_path, {}) as folder:
            seen.append(sorted(path.name for path in folder.iterdir()))

    with open_folder(tmp_path, {}) as folder:
        (folder / "part").write_text("done")
        second = threading.Thread(target=run)
        second.start()
        while "waiting for it" not in capsys.readouterr().err:
            time.sleep(0.01)
        assert seen == []
    second.join()
    assert seen == [["facts.json"]]
    assert list_folders(tmp_path) == []


def test_a_note_is_read_as_written_or_not_at_all(tmp_path):
    path, content = tmp_path / "note.json", {"mae": [1 / 3, float("inf")], "fold": 2}
    assert read_note(path) is None
    write_note(path, content)
    assert read_note(path) == content
    whole = path.read_bytes()
    place = whole.index(b"0.333") + 4
    for damaged in (b"", whole[:-5], b"[1]", whole[:place] + b"4" + whole[place + 1 :]):
        path.write_bytes(damaged)
        assert read_note(path) is None
