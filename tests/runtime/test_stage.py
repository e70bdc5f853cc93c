import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest

from fame.runtime.errors import InputError
from fame.runtime.processes import runs
from fame.runtime.stage import QUIET, run


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "reports/dvc.yaml:report")


@pytest.fixture(autouse=True)
def _loud_again():
    with warnings.catch_warnings():
        yield
    logging.disable(logging.NOTSET)
    for name in QUIET:
        os.environ.pop(name, None)


NOISY = """
import logging, warnings
from fame.runtime.stage import run
def main():
    logging.getLogger("library").setLevel(logging.INFO)
    logging.getLogger("library").addHandler(logging.StreamHandler())
    logging.getLogger("library").info("Load pretrained checkpoint")
    logging.getLogger("library").warning("might be slow")
    warnings.warn("deprecated")
    print("the stage's line")
    logging.getLogger("library").error("broken")
run(main)
"""


@pytest.mark.parametrize("by_dvc", [True, False])
def test_libraries_are_silent_in_the_pipeline(by_dvc, tmp_path):
    names = ("DVC_STAGE", *QUIET)
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if by_dvc:
        environment["DVC_STAGE"] = "train@dae"
    command = [sys.executable, "-c", NOISY]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "the stage's line\n"
    assert "broken" in done.stderr
    assert ("Load pretrained" in done.stderr) is not by_dvc
    assert ("might be slow" in done.stderr) is not by_dvc
    assert ("deprecated" in done.stderr) is not by_dvc


def test_what_a_run_cost_is_kept(tmp_path):
    run(lambda: None)
    facts = json.loads((tmp_path / "runs" / "report.json").read_text())
    assert facts["seconds"] >= 0
    assert facts["peak_memory_mb"] > 1
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in facts["versions"]


def refuse():
    raise InputError("posts.csv row 3: bad")


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("main", "status", "said"),
    [(refuse, 1, "error: posts.csv row 3: bad\n"), (stop, 130, "interrupted\n")],
)
def test_bad_input_ends_in_one_line(main, status, said, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == status
    assert capsys.readouterr().err == said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(errno.EIO, "broken"), OSError()])
def test_a_mistake_of_ours_keeps_its_traceback(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        run(fail)


@pytest.mark.parametrize(
    ("number", "said", "files"),
    [
        (errno.ENOSPC, "No space left on device", ["out/a.npy"]),
        (errno.EROFS, "Read-only file system", ["out/a.npy"]),
        (errno.EACCES, "Permission denied", ["out/a.npy"]),
        (errno.ENOSPC, "No space left on device", ["read/by/a/copy", None, "out/a.npy"]),
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line(number, said, files, capsys):
    def fail():
        raise OSError(number, "whatever a library says", *files)

    with pytest.raises(SystemExit) as ended:
        run(fail)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: out/a.npy: {said}; fix this and rerun\n"


def start(code, how="-c", **options):
    """A stage's process that has printed a line; ``how``: -c, or -m, and then a module's name."""
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    process = subprocess.Popen(
        [sys.executable, how, code],
        env=environment | options.pop("env", {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout.readline() == "begun\n"
    return process


WRITING = """
import time
from pathlib import Path
from fame.runtime import files
from fame.runtime.stage import run
def main():
    with files.replacing_folder(Path("out")) as folder:
        (folder / "half").touch()
        print("begun", flush=True)
        {working}
run(main)
"""
WAITING = "time.sleep(60)"
# Waits for a lock of its own in C, for ever: Python's handlers do not run.
STUCK = (
    "import ctypes, subprocess; from fame.runtime import processes; "
    "processes.SECONDS_TO_UNWIND = 0.5; child = subprocess.Popen(['sleep', '60']); "
    "c = ctypes.CDLL(None); lock = ctypes.create_string_buffer(64); c.pthread_mutex_lock(lock); "
    "print(child.pid, flush=True); c.pthread_mutex_lock(lock)"
)


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted\n"), (signal.SIGTERM, "terminated\n")]
)
def test_a_signal_ends_it_with_nothing_half_made(number, said, tmp_path):
    process = start(WRITING.format(working=WAITING))
    process.send_signal(number)
    assert process.communicate(timeout=20) == ("", said)
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []


AT_THE_EDGE = """
import os, signal
from fame.runtime import processes
from fame.runtime.stage import run
own = processes.Interrupts.{method}
def interrupted(self, *given):
    {before}
    os.kill(os.getpid(), {number})
    return own(self, *given)
processes.Interrupts.{method} = interrupted
print("begun", flush=True)
run(lambda: {{}})
"""


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted\n"), (signal.SIGTERM, "terminated\n")]
)
@pytest.mark.parametrize(("method", "before"), [("__enter__", "own(self)"), ("__exit__", "pass")])
def test_a_signal_on_the_way_in_or_out_is_told_too(method, before, number, said):
    """Python itself would end by SIGINT, without a word and whichever it was."""
    process = start(AT_THE_EDGE.format(method=method, before=before, number=int(number)))
    assert process.communicate(timeout=20)[1] == said
    assert process.returncode == 128 + number


IN_A_STRING = """
import os, signal
from fame.runtime.stage import run
print("begun", flush=True)
run(lambda: eval("os.kill(os.getpid(), {number}) or [n for n in range(10**9)]", {{"os": os}}))
"""


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted\n"), (signal.SIGTERM, "terminated\n")]
)
def test_a_signal_while_a_string_is_executed_has_the_status_of_any_other(number, said, tmp_path):
    """As a dataclass is made of one; `python -m` remembers that a KeyboardInterrupt left it."""
    (tmp_path / "stopped.py").write_text(IN_A_STRING.format(number=int(number)))
    process = start("stopped", "-m", cwd=tmp_path)
    assert process.communicate(timeout=20)[1] == said
    assert process.returncode == 128 + number


def test_who_writes_a_line_a_stage_reads_that_a_signal_ended_it():
    process = start(WRITING.format(working=WAITING), env={"FAME_LINES": "1"})
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("terminated\n", "")
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("error", "said"), [("KeyboardInterrupt", "interrupted"), ("ValueError('x')", "ValueError: x")]
)
def test_a_signal_while_libraries_are_imported_is_one_line_too(error, said, tmp_path):
    (tmp_path / "numpy.py").write_text(f"raise {error}")
    command = [sys.executable, "-m", "fame.features.encode_meta"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == said
    assert ("Traceback" in done.stderr) == (error != "KeyboardInterrupt")


@pytest.mark.parametrize("command", [["-m", "theirs.main"], ["-c", "import theirs.main"]])
def test_who_imports_fame_keeps_a_hook_of_their_own(command, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("import fame.runtime.stage\n")
    code = "import sys; print(sys.excepthook is sys.__excepthook__)"
    (tmp_path / "theirs" / "main.py").write_text(code)
    command = [sys.executable, *command]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n"


CLEARING = """
import time
from fame.runtime.stage import run
def main():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        print("clearing", flush=True)
        time.sleep(1)
        print("cleared", flush=True)
run(main)
"""


def test_a_second_signal_disturbs_no_clearing_away(tmp_path):
    process = start(CLEARING, cwd=tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "clearing\n"
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert process.communicate(timeout=60) == ("cleared\n", "terminated\n")
    assert process.returncode == 128 + signal.SIGTERM


def test_what_a_library_makes_of_a_signal_does_not_matter(tmp_path):
    swallowing = f"try: {WAITING}\n        except KeyboardInterrupt: raise SystemExit(1)"
    process = start(WRITING.format(working=swallowing))
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("", "terminated\n")
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_does_not_return_ends_with_it_and_what_it_started():
    process = start(WRITING.format(working=STUCK))
    child = int(process.stdout.readline())
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("", "\nterminated\n")
    assert process.returncode == 128 + signal.SIGTERM
    limit = time.monotonic() + 5
    while runs(child):
        assert time.monotonic() < limit


def test_a_stage_ends_with_the_dvc_that_runs_it(tmp_path):
    code = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {WRITING.format(working=WAITING)!r}])
import time; time.sleep(60)
"""
    dvc = start(code, env={"DVC_STAGE": "train@dae"})
    dvc.kill()
    assert dvc.stderr.read() == "terminated\n"  # to the end of the stage, which shares it
    assert list(tmp_path.iterdir()) == []
