import signal
import sys

import pytest

from fame.runtime.processes import Interrupts
from fame.runtime.ray import keep_sigterm


def start_and_be_stopped():
    with keep_sigterm():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # as Ray does
        signal.raise_signal(signal.SIGTERM)


def test_sigterm_while_ray_starts_is_ours():
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            start_and_be_stopped()
        assert interrupts.number == signal.SIGTERM


def test_the_handler_that_ray_puts_there_goes():
    before = signal.getsignal(signal.SIGTERM)
    with keep_sigterm():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGTERM) == before
