import os
import signal
import subprocess

import pytest

from fame.runtime import processes
from fame.runtime.processes import Interrupts, runs


def test_a_zombie_and_a_process_that_was_waited_for_have_ended(zombie):
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert runs(os.getpid())
    assert not runs(zombie)
    assert not runs(ended.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_on_the_way_out_raises_nothing(monkeypatch, number):
    """The stage is over by then: nobody would catch it, and Python would end as by Ctrl-C."""
    before, close, came = signal.getsignal(number), os.close, []

    def interrupt(descriptor):
        close(descriptor)
        signal.raise_signal(number)
        came.append(number)

    with monkeypatch.context() as patched, Interrupts() as interrupts:
        patched.setattr(processes.os, "close", interrupt)
    assert came == [number]
    assert interrupts.number is None
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_raises_once(number):
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(number)
    assert interrupts.number == number
