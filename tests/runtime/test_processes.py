import os
import signal
import subprocess
import sys

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


LOOP = """
import os, signal, time
from fame.runtime import processes

processes.SECONDS_TO_UNWIND = 0.2
with processes.Interrupts():
    signal.signal(signal.SIGTERM, lambda *_: None)  # as a library that does not return for it
    os.write(2, b"ready")
    time.sleep(10)
"""


@pytest.mark.parametrize("lines", ["1", None])
def test_a_process_ends_on_a_signal_though_nobody_reads_what_it_says(lines):
    environment = os.environ | ({processes.LINES: lines} if lines else {})
    with subprocess.Popen(
        [sys.executable, "-c", LOOP],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr.read(5) == b"ready"
        process.stdout.close()
        process.stderr.close()
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
