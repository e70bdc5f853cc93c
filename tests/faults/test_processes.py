"""`dvc repro` killed, stopped or started twice: the next one gives what any other gives."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import digests
from tests.test_pipeline import LEFT_OUT, TINY, copy_project

pytestmark = pytest.mark.faults
SECONDS = 45  # of an undisturbed run, about


@pytest.fixture
def fresh(tmp_path):
    """The tiny project, nothing run yet."""
    made = copy_project(tmp_path / "project")
    made.change_params(**TINY)
    made.drop_params(*LEFT_OUT)
    return made


def start_repro(project):
    return subprocess.Popen(
        ["dvc", "repro", "--all-pipelines"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def list_family(process):
    return [process, *process.children(recursive=True)]


def wait_for_end(family, seconds=8):
    deadline = time.monotonic() + seconds
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family):
        assert time.monotonic() < deadline, family
        time.sleep(0.1)


def list_half_made(project):
    return [path for path in project.folder.rglob(".*.tmp") if ".git" not in path.parts]


def wait_for_stage(process, command, seconds=180):
    """Until that stage is at work: its libraries are imported, it has a handler of SIGTERM."""
    deadline = time.monotonic() + seconds
    while not any(map(partial(works_at, command), list_family(psutil.Process(process.pid)))):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def works_at(command, process):
    with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        told = Path(f"/proc/{process.pid}/status").read_text()
        handled = int(re.search(r"^SigCgt:\s*(\w+)", told, re.MULTILINE)[1], 16)
        return command in process.cmdline() and bool(handled >> signal.SIGTERM - 1 & 1)
    return False


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("whole", [True, False], ids=["all of it", "dvc alone"])
def test_killed_at_any_moment_and_run_again(finished, fresh, seed, whole):
    draw = random.Random(seed)
    for _ in range(3):
        process = start_repro(fresh)
        time.sleep(draw.uniform(1, SECONDS / 2))
        family = list_family(psutil.Process(process.pid))
        (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        # A stage whose DVC is gone ends by itself.
        wait_for_end(family)
        fresh.run(sys.executable, "-m", "fame.variants.workspace")
    fresh.run("dvc", "repro", "--all-pipelines")
    assert digests(fresh.folder) == digests(finished.folder)
    assert list_half_made(fresh) == []


@pytest.mark.parametrize(
    ("number", "whole"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)]
)
def test_stopped_in_a_stage_and_run_again(finished, fresh, number, whole):
    process = start_repro(fresh)
    wait_for_stage(process, "minilm")
    time.sleep(1)
    family = list_family(psutil.Process(process.pid))
    (os.killpg if whole else os.kill)(process.pid, number)
    told, _ = process.communicate()
    assert process.returncode != 0
    assert "Traceback" not in told
    assert told.count({signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]) == 1
    wait_for_end(family)
    assert list_half_made(fresh) == []
    fresh.run(sys.executable, "-m", "fame.variants.workspace")
    fresh.run("dvc", "repro", "--all-pipelines")
    assert digests(fresh.folder) == digests(finished.folder)


def test_two_at_once_do_not_harm_each_other(finished, fresh):
    first = start_repro(fresh)
    time.sleep(8)
    second = start_repro(fresh)
    told = second.communicate()[0]
    assert "Traceback" not in told
    assert second.returncode == 0 or "is busy, it is being blocked by" in told
    assert first.wait() == 0, first.stdout.read()
    fresh.run("dvc", "repro", "--all-pipelines")
    assert digests(fresh.folder) == digests(finished.folder)
