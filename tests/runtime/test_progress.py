"""Bars of what is long: on a terminal until they end, in a log as lines."""

import io
import sys

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


@both
def test_what_is_long_is_gone_at_its_end_on_a_terminal_and_stays_in_a_log(is_terminal, monkeypatch):
    stream = replace_stderr(monkeypatch, is_terminal)
    with progress.bar(10, "embed", "item") as bar:
        bar.delay = 0  # as if it had come to pass
        bar.refresh()
    written = stream.getvalue()
    assert "embed:   0%" in written
    assert written.endswith("\r" if is_terminal else "\n")
    if is_terminal:
        assert written.split("\r")[-2].strip() == ""
