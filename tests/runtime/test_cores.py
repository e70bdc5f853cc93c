import os

import pytest
from tests.python_process import run_python

from fame import params
from fame.runtime.cores import choose_cores, count_cores


def test_auto_are_the_cores_that_the_process_may_use():
    assert choose_cores("auto") == count_cores() <= len(os.sched_getaffinity(0))
    assert choose_cores(100) == 100


def test_a_process_that_is_kept_to_a_core_has_one():
    code = (
        "import os\n"
        "from fame.runtime.cores import count_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "print(count_cores())"
    )
    assert run_python(code) == "1\n"


def test_a_number_is_there_without_a_library():
    code = (
        "import sys\n"
        "from fame.runtime.cores import choose_cores\n"
        "print(choose_cores(3), 'joblib' in sys.modules)"
    )
    assert run_python(code) == "3 False\n"


@pytest.mark.parametrize(("limit", "cores"), [("150000 100000", 2), ("max 100000", 8)])
def test_a_share_of_the_cores_that_a_cgroup_leaves_counts(limit, cores, tmp_path, monkeypatch):
    """Of the library that is asked, whose next version might not know of it."""
    from joblib.externals.loky.backend import context

    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(context.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(context.os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.setattr(context.os.path, "exists", lambda path: str(path).endswith("cpu.max"))
    monkeypatch.setattr(context, "open", lambda *_: (tmp_path / "cpu.max").open(), raising=False)
    assert count_cores() == cores


def test_the_runtimes_workers_are_a_number_once_they_are_read():
    common = {"device": "cpu", "cache": "x", "engine": "local", "ray_address": None}
    assert params.RuntimeParams(workers="auto", **common).workers == count_cores()
    assert params.RuntimeParams(workers=5, **common).workers == 5
