"""What several tests make: parameters, posts, a stage run in a folder of its own."""

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from hypothesis import settings
from ruamel.yaml import YAML

from fame.posts.contract import POSTS

# An example may take as long as the machine is busy.
settings.register_profile("fame", deadline=None)
settings.load_profile("fame")

ROOT = Path(__file__).parents[1]


@pytest.fixture
def write_params(tmp_path):
    """Write the project's params.yaml into the test's folder, with changes by dotted key."""

    def write(**changes):
        content = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        for key, value in changes.items():
            *parents, last = key.split(".")
            place = content
            for parent in parents:
                place = place[parent]
            place[last] = value
        others = content["fusion"]["others"]  # of learners that a test has taken away
        content["fusion"]["others"] = {k: v for k, v in others.items() if k in content["learners"]}
        YAML(typ="safe").dump(content, tmp_path / "params.yaml")

    return write


@pytest.fixture
def run_stage(tmp_path, monkeypatch, write_params):
    """Run a stage's main in the test's folder: run_stage("fusion.fuse", "--posts", ...)."""
    monkeypatch.chdir(tmp_path)

    def call(stage, *arguments):
        if not (tmp_path / "params.yaml").exists():
            write_params()
        monkeypatch.setattr(sys, "argv", [stage, *map(str, arguments)])
        import_module(f"fame.{stage}").main()

    return call


@pytest.fixture
def make_posts():
    """A posts table: given columns, null elsewhere."""

    def make(**columns):
        count = len(columns["post_id"])
        columns.setdefault("author_hidden", [False] * count)
        fields = [field for field in POSTS if field.name in columns or field.nullable]
        return pa.table(
            {
                field.name: pa.array(columns.get(field.name, [None] * count), field.type)
                for field in fields
            }
        )

    return make


@pytest.fixture
def zombie():
    """A process that has ended and that nobody has waited for."""
    process = subprocess.Popen(["true"])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    yield process.pid
    process.wait()
