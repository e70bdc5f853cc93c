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
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@both
def test_what_is_quick_shows_nothing(is_terminal, monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal)
    with progress.bar(10, "embed", "item") as bar:
        for _ in range(10):
            bar.update()
    assert stream.getvalue() == ""


def test_what_is_long_is_gone_at_its_end_on_a_terminal(monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=True)
    with progress.bar(10, "embed", "item") as bar:
        bar.delay = 0  # as if it had come to pass
        bar.refresh()
    written = stream.getvalue()
    assert "embed:   0%" in written
    assert written.endswith("\r")
    assert written.split("\r")[-2].strip() == ""


def test_in_a_log_it_is_whole_lines_now_and_then(monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=False)
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.05)
    with progress.bar(200, "embed", "item") as bar:
        bar.delay = 0
        for _ in range(200):
            bar.update()
            time.sleep(0.001)
    written = stream.getvalue()
    assert "\r" not in written
    lines = written.split("\n")
    assert re.fullmatch(r"embed: \d+%, \d+ of 200 \[00:00, 00:00 to go\]", lines[0])
    assert lines[-2].startswith("embed: 100%, 200 of 200")
    assert lines[-1] == ""
    assert 2 < len(lines) < 20


def test_in_a_log_a_bar_without_work_or_of_a_failure_breaks_no_line(monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal=False)
    with progress.bar(0, "embed", "item"):
        pass
    with pytest.raises(ValueError, match="wrong"):
        fail_after_a_line()
    assert set(stream.getvalue().splitlines()) == {"embed: 0%, 0 of 2 [00:00, ? to go]"}
    assert stream.getvalue().endswith("\n")


def fail_after_a_line():
    with progress.bar(2, "embed", "item") as bar:
        bar.delay = 0
        bar.refresh()
        raise ValueError("wrong")
