"""`dvc repro` with a line a stage: what of DVC's output stays, the exit status, signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fame.runtime.reproduce import GOES_ON, IN_CACHE, Lines

ROOT = Path(__file__).parents[2]
# As DVC 3 prints it.
PRINTED = """\
Verifying data sources in stage: 'data/raw/mine.dvc'
'data/raw/mine.dvc' didn't change, skipping
Stage 'simulate' didn't change, skipping
Running stage 'ingest':
> python -m fame.posts.ingest --posts data/interim/posts.parquet
ingest (table): 9 posts, 6 fit
  target: 1 to 9
Updating lock file 'dvc.lock'

Running stage 'extract@glove':
> python -m fame.features.extract glove
extract glove: 9 posts, 40 columns
Updating lock file 'dvc.lock'

Running stage 'predict@lightgbm_exact':
> python -m fame.learners.predict lightgbm_exact
lightgbm_exact: 9 posts predicted
Updating lock file 'dvc.lock'

Stage 'train@dae' is cached - skipping run, checking out outputs
Updating lock file 'dvc.lock'

Running stage 'reports/dvc.yaml:report':
> python -m fame.report.report
a warning: of the stage
report: 15 figures
Updating lock file 'reports/dvc.lock'

To track the changes with git, run:

	git add dvc.lock reports/dvc.lock

To enable auto staging, run:

	dvc config core.autostage true
Use `dvc push` to send your updates to remote storage.
""".splitlines()


def take(lines):
    """What is told of them, where each line comes a second after the one before."""
    told, seconds = [], iter(range(1000))
    taking = Lines(told.append, lambda: next(seconds))
    for line in lines:
        taking.take(line)
    taking.end()
    taking.tell_skipped()
    return told


def test_a_line_a_stage_as_it_ends_and_nothing_of_dvcs_own():
    assert take(PRINTED) == [
        "ingest                    1.0 s  9 posts, 6 fit",
        "    target: 1 to 9",
        "extract@glove             1.0 s  9 posts, 40 columns",
        "predict@lightgbm_exact    1.0 s  9 posts predicted",
        f"train@dae                 1.0 s  {IN_CACHE}",
        "report                    1.0 s  15 figures",
        "  a warning: of the stage",
        "not run, their inputs are as recorded: simulate",
    ]


def test_of_many_stages_that_did_not_run_the_number_is_told():
    skipped = [f"Stage 'train@{name}' didn't change, skipping" for name in "abcdefghi"]
    assert take([*PRINTED, *skipped])[-1] == "not run, their inputs are as recorded: 10 stages"


def test_what_is_no_stages_and_not_known_stays():
    said = "Data and pipelines are up to date."
    assert take(["Stage 'ingest' didn't change, skipping", said]) == [said]


def test_a_stage_that_failed_shows_all_that_it_said():
    told = []
    lines = Lines(told.append, lambda: 0)
    for line in ("Running stage 'fuse':", "> python", "a line", "fuse: another"):
        lines.take(line)
    lines.end("failed")
    assert told[1:] == ["  a line", "  fuse: another"]
    assert told[0].split() == ["fuse", "0.0", "s", "failed"]


@pytest.fixture
def start(tmp_path):
    """Start the module where `dvc` is a script of the test's."""

    def call(script, **options):
        python = tmp_path / "bin/python"
        python.parent.mkdir()
        python.symlink_to(sys.executable)
        dvc = tmp_path / "bin/dvc"
        dvc.write_text(f"#!/bin/sh\n{script}\n")
        dvc.chmod(0o755)
        code = (
            "import sys; sys.executable = sys.argv.pop(1)\n"
            "from fame.runtime.reproduce import reproduce; sys.exit(reproduce(*sys.argv[1:]))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code, str(python), "--all-pipelines"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What runs in the background ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **options,
        )

    return call


def test_arguments_errors_and_the_status_are_dvcs(start):
    process = start("echo \"$@\"; echo 'ERROR: all of it' >&2; exit 7")
    out, error = process.communicate(timeout=60)
    assert (out, error, process.returncode) == ("repro --all-pipelines\n", "ERROR: all of it\n", 7)


@pytest.mark.parametrize("word", ["terminated", "interrupted"])
def test_a_stage_that_a_signal_ended_is_stopped_not_failed(start, word):
    """Sent to the stage alone: what DVC says, and its status, are those of a failure."""
    process = start(f"echo \"Running stage 'a':\"; echo 9 posts; echo; echo {word}; exit 255")
    out, _ = process.communicate(timeout=60)
    first, *others = out.splitlines()
    assert first.split()[0] == "a"
    assert first.endswith(f" s  stopped ({word})")
    assert (others, process.returncode) == (["  9 posts", GOES_ON], 255)


def test_a_stage_that_a_signal_to_all_ended_is_stopped_though_it_says_nothing(start):
    process = start(
        "trap 'exit 3' TERM\necho ready\necho \"Running stage 'a':\"\necho go >&2\n"
        "while true; do sleep 0.05; done",
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert process.stderr.readline() == "go\n"
    os.killpg(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert out.splitlines()[0].endswith(" s  stopped")
    assert (out.splitlines()[1:], process.returncode) == ([GOES_ON], 3)


def test_a_dvc_that_a_signal_ended_is_stopped(start):
    process = start("echo \"Running stage 'a':\"; kill -TERM $$")
    out, _ = process.communicate(timeout=60)
    assert out.splitlines()[0].endswith(" s  stopped")
    assert process.returncode == 128 + signal.SIGTERM


def test_a_line_comes_when_its_stage_ends_not_when_dvc_does(start):
    script = "echo \"Running stage 'a':\"; echo \"Updating lock file 'dvc.lock'\"; read x"
    process = start(script, stdin=subprocess.PIPE)
    assert process.stdout.readline().split()[0] == "a"
    process.communicate("\n", timeout=60)


@pytest.mark.parametrize(
    ("number", "to_all", "status"), [(signal.SIGTERM, False, 3), (signal.SIGINT, True, 4)]
)
def test_what_dvc_clears_away_on_a_signal_is_waited_for(start, number, to_all, status):
    script = (
        "trap 'sleep 1; echo cleared; exit 3' TERM\ntrap 'sleep 1; echo cleared; exit 4' INT\n"
        "echo ready\nwhile true; do sleep 0.05; done"
    )
    process = start(script, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    sent = time.monotonic()
    (os.killpg if to_all else os.kill)(process.pid, number)
    out, error = process.communicate(timeout=60)
    assert (out, error, process.returncode) == (f"cleared\n{GOES_ON}\n", "", status)
    assert time.monotonic() - sent > 0.9
