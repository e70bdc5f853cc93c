"""A finished tiny project and its stages' commands; file systems that are too small."""

import hashlib
import re
import resource
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tests.test_pipeline import LEFT_OUT, ROOT, TINY, copy_project, list_stages

# AutoGluon's stages have tests of their own.
ABSENT = tuple(f"@{name.split('.')[1]}" for name in LEFT_OUT)
STAGES = [name for name, *_ in list_stages(ROOT) if not name.endswith(ABSENT)]
PAGE = "reports/report.html"
# What the page tells of its own run: when, at which commit, for how long.
OWN_RUN = re.compile(
    r"<h3>(Run|Parameters that differ from the last commit|Seconds of each stage[^<]*)</h3>\n"
    r"<dl>.*</dl>"
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project in which every stage has run; not to be changed."""
    project = copy_project(tmp_path_factory.mktemp("finished"))
    project.change_params(**TINY)
    project.drop_params(*LEFT_OUT)
    project.repro("--all-pipelines")
    project.commit()
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project, its runs forgotten."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return type(finished)(folder)


def read_lock(folder):
    """Stage -> its entry in dvc.lock, of both pipelines."""
    stages = {}
    for file in ("dvc.lock", "reports/dvc.lock"):
        if (folder / file).exists():
            stages |= YAML(typ="safe").load((folder / file).read_text())["stages"]
    return stages


def digests(folder):
    """Output -> its digest in dvc.lock; the page's without what it tells of its own run."""
    outs = [out for stage in read_lock(folder).values() for out in stage["outs"]]
    page, parts = OWN_RUN.subn("", (folder / PAGE).read_text())
    assert parts == 3
    found = {out["path"]: out["md5"] for out in outs}
    return found | {PAGE: hashlib.md5(page.encode()).hexdigest()}


def read_commands(folder):
    """Stage -> its command by the parameters as they are, whether it has ever run or not."""
    return {stage.addressing.split(":")[-1]: stage.cmd for stage in Repo(folder).index.stages}


def start(project, command, **options):
    """A stage's command as dvc.lock has it, as a process."""
    return subprocess.Popen(
        [sys.executable, *shlex.split(command)[1:]],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process):
    """Status and what it told but for progress and what it resumed of a run that failed."""
    _, errors = process.communicate(timeout=300)
    lines = [line for line in errors.replace("\r", "\n").splitlines() if line.strip()]
    passing = ("it/s]", "|", ": resumed")
    return process.returncode, [line for line in lines if not any(part in line for part in passing)]


@pytest.fixture(scope="session")
def mount():
    """`mount(folder, options)`: a tmpfs over ``folder`` as a context; skips where none may be."""

    def call(*command):
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @contextmanager
    def mounted(folder, options):
        folder.mkdir(parents=True, exist_ok=True)
        tried = call("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        if tried.returncode:
            pytest.skip(f"no file system can be mounted here: {tried.stderr.strip()}")
        try:
            yield partial(_remount, folder)
        finally:
            assert call("umount", "-l", str(folder)).returncode == 0

    def _remount(folder, options):
        assert call("mount", "-o", f"remount,{options}", str(folder)).returncode == 0

    return mounted


def limit_files(size):
    """For a process: no file may grow beyond ``size`` bytes."""
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
