"""Ctrl-C and SIGTERM while each kind of stage is at work, to the process and to its whole group."""

import os
import signal
import time

import psutil
import pytest
from ruamel.yaml import YAML

from fame.runtime.processes import runs
from tests.faults.conftest import finish, read_commands, read_lock, start
from tests.test_pipeline import ROOT

pytestmark = pytest.mark.faults
TOLD = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
EACH_SIGNAL = pytest.mark.parametrize("number", TOLD)
SECONDS_TO_END = 8
LONG = 10**6  # iterations: a training that only a signal ends
ENDLESS = {
    "catboost": ("learners.catboost", {"iterations": LONG, "early_stopping_rounds": LONG}),
    "lightgbm": ("learners.lightgbm", {"iterations": LONG, "early_stopping_rounds": LONG}),
    "dae": ("learners.dae.phase_1", {"epochs": LONG, "patience": LONG}),
}


@pytest.fixture
def temporary(project, tmp_path):
    """The folder for temporary files of the project's processes, but for Ray: its path is long."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    project.environment = project.environment | {"TMPDIR": str(folder)}
    return folder


def list_left(temporary):
    """What is there but the caches that torch makes for all its users."""
    return [path for path in temporary.iterdir() if not path.name.startswith("torchinductor_")]


def list_half_made(project):
    return [path for path in project.folder.rglob(".*.tmp") if ".git" not in path.parts]


def stop(process, number, to_all):
    """Send the signal; what the process told, after none of its family runs any more."""
    family = [process.pid, *(each.pid for each in psutil.Process(process.pid).children(True))]
    sent = time.monotonic()
    (os.killpg if to_all else os.kill)(process.pid, number)
    status, told = finish(process)
    while any(map(runs, family)):
        assert time.monotonic() < sent + SECONDS_TO_END, family
        time.sleep(0.1)
    return status, told, len(family)


def wait_for(process, condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def worked(process, seconds):
    """Whether the process has used so much time of a core."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user > seconds


@EACH_SIGNAL
@pytest.mark.parametrize("learner", ENDLESS)
def test_a_training_ends_at_once(project, temporary, learner, number):
    block, changes = ENDLESS[learner]
    project.change_params(**{f"{block}.{key}": value for key, value in changes.items()})
    command = read_lock(project.folder)[f"train@{learner}"]["cmd"]
    before = sorted((project.folder / "models/learners" / learner).iterdir())
    process = start(project, command, start_new_session=True)
    wait_for(process, lambda: worked(process, 6))
    status, told, _ = stop(process, number, to_all=False)
    assert (status, told[-1]) == (128 + number, TOLD[number])
    assert not any("Traceback" in line for line in told)
    assert list_half_made(project) == []
    assert list_left(temporary) == []
    assert sorted((project.folder / "models/learners" / learner).iterdir()) == before


@EACH_SIGNAL
@pytest.mark.parametrize("seconds", [12, 25])
def test_a_stack_ends_at_once(project, temporary, number, seconds):
    whole = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    stack, learner = whole["tables"]["stack"], whole["learners"]["autogluon"]
    project.change_params(
        **{"tables.stack": stack | {"blocks": [*stack["blocks"], "texts"]}},
        **{"learners.autogluon": learner | {"models": ["catboost", "lightgbm", "multimodal"]}},
        **{"learners.autogluon.multimodal.epochs": 1000},
    )
    commands = read_commands(project.folder)
    assert finish(start(project, commands["assemble@stack"]))[0] == 0
    process = start(project, commands["train@autogluon"], start_new_session=True)
    wait_for(process, lambda: worked(process, seconds))
    status, told, _ = stop(process, number, to_all=False)
    assert (status, told[-1]) == (128 + number, TOLD[number])
    assert not any("Traceback" in line for line in told)
    assert list_half_made(project) == []
    assert not (project.folder / "models/learners/autogluon").exists()
    assert list_left(temporary) == []


def embeds(process, engine):
    """Whether its workers are there. A Ray cluster that is stopped as it begins may crash."""
    below = psutil.Process(process.pid).children(True)
    if engine == "local":
        return len(below) > 2
    return any("ray::_Worker" in " ".join(each.cmdline()) for each in below)


@EACH_SIGNAL
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_an_extraction_ends_with_its_workers_and_goes_on(project, number, engine):
    command = read_lock(project.folder)["extract@efficientnet"]["cmd"]
    expected = (project.folder / "data/features/efficientnet/values.npy").read_bytes()
    project.change_params(**{"runtime.cache": "other_cache", "runtime.engine": engine})
    process = start(project, command, start_new_session=True)
    wait_for(process, lambda: embeds(process, engine))
    time.sleep(1)
    status, told, family = stop(process, number, to_all=engine == "local")
    assert status == 128 + number
    assert TOLD[number] in told  # a library may warn afterwards of what it cleared away
    assert not any("Traceback" in line for line in told)
    assert family > 2
    assert list_half_made(project) == []
    project.change_params(**{"runtime.engine": "local"})
    assert finish(start(project, command))[0] == 0
    assert (project.folder / "data/features/efficientnet/values.npy").read_bytes() == expected


@EACH_SIGNAL
def test_a_ray_cluster_that_is_stopped_as_it_starts_is_gone(project, number):
    command = read_lock(project.folder)["extract@efficientnet"]["cmd"]
    project.change_params(**{"runtime.cache": "other_cache", "runtime.engine": "ray"})
    for seconds in (0.5, 1.5, 3):
        process = start(project, command, start_new_session=True)
        wait_for(process, lambda running=process: psutil.Process(running.pid).children())
        time.sleep(seconds)
        status, told, family = stop(process, number, to_all=False)
        assert status in (128 + number, -signal.SIGABRT, -signal.SIGSEGV)  # Ray may crash
        assert not any("Traceback" in line for line in told)
        assert family > 1
        assert list_half_made(project) == []


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [
        *[("simulate", 0.7), ("ingest", 0.7), ("encode_meta", 0.7), ("assemble@trees", 0.7)],
        *[("predict@catboost", 0.7), ("predict@dae", 2.0), ("leakage", 1.5), ("fuse", 0.5)],
        *[("importance", 2.0), ("evaluate", 0.7), ("report", 1.5)],
    ],
)
def test_every_other_stage_ends_at_once(project, temporary, stage, seconds):
    """At a moment when it may not have begun yet, or be over."""
    command = read_lock(project.folder)[stage]["cmd"]
    for number in TOLD:
        process = start(project, command, start_new_session=True)
        time.sleep(seconds)
        process.send_signal(number)
        status, told = finish(process)
        assert status in (0, 128 + number, -number)
        assert status == 0 or told in ([TOLD[number]], [])
        assert list_half_made(project) == []
        assert list_left(temporary) == []
    assert finish(start(project, command))[0] == 0
