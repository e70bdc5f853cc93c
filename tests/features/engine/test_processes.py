"""The stage in processes of its own that are killed, or that run at once."""

import io
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from PIL import Image

from fame.features.engine import embed
from fame.runtime.files import write_table
from fame.runtime.processes import runs


def encode(width):
    buffer = io.BytesIO()
    Image.new("RGB", (width, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def write_inputs(tmp_path, make_table, write_params, count=60):
    """The input of the extract stage for image_stats, and parameters."""
    images = [encode(1 + i) for i in range(count)]
    table = make_table(["a"] * count, images=images)
    write_table(tmp_path / "images.parquet", table.select(embed.INPUTS["images"]))
    write_params(**{"runtime.cache": "cache"})


def start_stage(tmp_path, output="out"):
    """The stage in a process of its own, its shards small."""
    code = (
        "from fame.features.engine import embed; embed.IMAGES_AT_ONCE = {'cpu': 4}\n"
        "from fame.features import extract; from fame.runtime.stage import run; run(extract.main)"
    )
    command = [sys.executable, "-c", code, "image_stats", "--input", "images.parquet"]
    command += ["--output", output, "--encoder", f"{output}_encoder", "--record", f"{output}.json"]
    return subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_runs_resume_and_give_the_same_bytes(tmp_path, make_table, write_params):
    write_inputs(tmp_path, make_table, write_params)
    whole = start_stage(tmp_path, "whole")
    assert whole.wait(60) == 0
    (tmp_path / "cache").rename(tmp_path / "cache_of_whole")
    done = []
    for shards in (2, 9):
        process = start_stage(tmp_path)
        while len(found := list((tmp_path / "cache").rglob("*.safetensors"))) < shards:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done.append(len(found))
    assert not (tmp_path / "out").exists() or done[-1] == 15
    last = start_stage(tmp_path)
    output, _ = last.communicate(timeout=60)
    assert last.returncode == 0
    assert int(output.split(" contents new")[0].rpartition(" ")[2]) <= 60 - 4 * done[-1]
    for own in ("", "_encoder"):
        assert read_files(tmp_path / f"out{own}") == read_files(tmp_path / f"whole{own}")
    left = [path for path in tmp_path.rglob("*.tmp") if "cache_of_whole" not in path.parts]
    assert left == []


def test_the_processes_of_a_killed_run_end(tmp_path, make_table, write_params):
    write_inputs(tmp_path, make_table, write_params, count=400)
    process = start_stage(tmp_path)
    while not list((tmp_path / "cache").rglob("*.safetensors")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    children = list_children(process.pid)
    assert len(children) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for_end(children)


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
@pytest.mark.parametrize("moment", ["starting", "working"])
def test_a_signal_to_all_ends_them_in_one_line(
    tmp_path, make_table, write_params, number, said, moment
):
    write_inputs(tmp_path, make_table, write_params, count=400)
    process = start_stage(tmp_path)
    while len(children := list_children(process.pid)) < 2 or (
        moment == "working" and not list((tmp_path / "cache").rglob("*.safetensors"))
    ):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    # A bar that is just being drawn has no line end yet.
    assert any(line.endswith(said) for line in errors.splitlines())
    assert "Traceback" not in errors
    wait_for_end(children)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out_encoder").exists()
    assert list(tmp_path.rglob("*.tmp")) == []


def wait_for_end(processes):
    deadline = time.monotonic() + 20
    while any(map(runs, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def list_children(parent):
    return [process.pid for process in psutil.Process(parent).children()]


def test_two_extractions_at_once_do_not_damage_each_other(tmp_path, make_table, write_params):
    write_inputs(tmp_path, make_table, write_params)
    both = [start_stage(tmp_path, "same") for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    printed = "".join(output for output, _ in outputs)
    assert printed.count("; 60 contents new, 0 reused; ") == 1
    assert printed.count("nothing is new") == 1
    assert start_stage(tmp_path, "whole").wait(60) == 0
    assert read_files(tmp_path / "same") == read_files(tmp_path / "whole")
