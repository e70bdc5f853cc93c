"""How a process ends: on Ctrl-C or SIGTERM, with the DVC that runs it, or killed by another."""

import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import psutil

SIGNALS: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
LINES = "FAME_LINES"  # set where `fame.runtime.reproduce` reads what a stage prints
SECONDS_TO_UNWIND = 5
PARENT = os.getppid()


class Interrupted(KeyboardInterrupt):
    """A type of its own: where KeyboardInterrupt itself has left a string that was executed, as a
    dataclass is made of one, `python -m` ends with SIGINT's status though it was caught.
    """


class Interrupts:
    """SIGINT and SIGTERM raise Interrupted, once: what is half-made can be cleared away.

    A library's long loop does not return to Python for that: then the process ends as it is, after
    SECONDS_TO_UNWIND, and all that it started with it. A stage whose DVC was killed is terminated
    too, or it would write beside the DVC that is started next. A context manager, in the main
    thread.

    Attributes:
        number: of the signal that came, None if none did. Libraries may turn the exception into
            another one, or put a handler of their own in place of this one.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._handlers = {each: signal.signal(each, self._raise) for each in SIGNALS}
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._watch_signals, args=(reader,), daemon=True).start()
        if "DVC_STAGE" in os.environ:
            threading.Thread(target=self._watch_parent, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writer)
        for each, handler in self._handlers.items():
            signal.signal(each, handler)

    def _raise(self, number: int, _: FrameType | None) -> None:
        if self._over.is_set():  # on the way out, where nobody would catch it
            return
        self.number = signal.Signals(number)
        for each in SIGNALS:  # what clears away is not to be interrupted
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted

    def _watch_signals(self, reader: int) -> None:
        """The operating system writes a byte a signal, whatever the main thread does."""
        with open(reader, "rb", buffering=0) as numbers:
            while (number := numbers.read(1)) and number[0] not in SIGNALS:
                pass
            if not number:
                return
            self.number = signal.Signals(number[0])
            # Still open: the next signal is written here, too.
            if not self._over.wait(SECONDS_TO_UNWIND):
                tell_signal(self.number, "\n")  # there may be an open line of progress
                kill(list_started())
                os._exit(128 + self.number)

    def _watch_parent(self) -> None:
        while not self._over.wait(0.5):
            if os.getppid() != PARENT:
                os.kill(os.getpid(), signal.SIGTERM)
                return


def tell_signal(number: int, before: str = "") -> None:
    """Say which signal ended this process: to who writes a line a stage, or to who looks on."""
    stream = sys.stdout if LINES in os.environ else sys.stderr
    with suppress(OSError):  # whoever read it may be gone; who is told to end ends
        print(f"{before}{SIGNALS[number]}", file=stream, flush=True)


def find_stage() -> str:
    """The stage that DVC runs in this process, as `train@dae`; "" where it is none."""
    return os.environ.get("DVC_STAGE", "").rpartition(":")[2]


def list_started() -> "set[psutil.Process]":
    """All processes below this one."""
    import psutil  # here, for it is seldom asked and `fuse` is to start in a blink

    return set(psutil.Process().children(recursive=True))


def kill(processes: "Iterable[psutil.Process]") -> None:
    """End them at once; some may have ended."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def runs(pid: int) -> bool:
    """Whether there is such a process and it has not ended; a zombie has."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
