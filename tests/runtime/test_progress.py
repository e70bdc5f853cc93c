"""Bars of what is long: on a terminal until they end, in a log as lines."""

import io
import re
import sys
import time

import pytest

from fame.runtime import progress

both = pytest.mark.parametrize("is_terminal", [True, False])


def replace_stderr(monkeypatch, is_terminal):
    """In the test's own body: pytest puts its own stream there between a fixture and a test."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@both
def test_what_is_quick_shows_nothing(is_terminal, monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal)
    with progress.bar(10, "embedding", "texts") as bar:
        for _ in range(10):
            bar.update()
    assert stream.getvalue() == ""


def test_what_is_long_is_gone_at_its_end_on_a_terminal(monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=True)
    with progress.bar(10, "embedding", "texts") as bar:
        bar.delay = 0  # as if it had come to pass
        bar.refresh()
    written = stream.getvalue()
    assert "embedding:   0%" in written
    assert written.endswith("\r")
    assert written.split("\r")[-2].strip() == ""


def test_in_a_log_it_is_whole_lines_now_and_then(monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=False)
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.05)
    with progress.bar(200, "embedding", "texts") as bar:
        bar.delay = 0
        for _ in range(200):
            bar.update()
            time.sleep(0.001)
    written = stream.getvalue()
    assert "\r" not in written
    lines = written.split("\n")
    assert re.fullmatch(r"embedding: \d+%, \d+ of 200 texts \[00:00, 00:00 to go\]", lines[0])
    assert lines[-2].startswith("embedding: 100%, 200 of 200 texts")
    assert lines[-1] == ""
    assert 2 < len(lines) < 20


def test_in_a_log_a_bar_without_work_or_of_a_failure_breaks_no_line(monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=False)
    with progress.bar(0, "embedding", "texts"):
        pass
    with pytest.raises(ValueError, match="wrong"):
        fail_after_a_line()
    assert set(stream.getvalue().splitlines()) == {"embedding: 0%, 0 of 2 texts [00:00, ? to go]"}
    assert stream.getvalue().endswith("\n")


@pytest.mark.parametrize(
    ("stage", "said"),
    [("dvc.yaml:train@dae", "train@dae: fold 0"), ("extract@glove", "extract@glove: fold 0")],
)
def test_it_names_the_stage_that_dvc_runs(stage, said, monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=False)
    monkeypatch.setenv("DVC_STAGE", stage)
    with progress.bar(3, "fold 0", "epochs") as bar:
        bar.delay = 0
        bar.refresh()
    assert f"{said}: 0%, 0 of 3 epochs [" in stream.getvalue()


def fail_after_a_line():
    with progress.bar(2, "embedding", "texts") as bar:
        bar.delay = 0
        bar.refresh()
        raise ValueError("wrong")
