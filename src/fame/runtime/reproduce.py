"""`python -m fame.runtime.reproduce`: `dvc repro`, of which a line a stage is shown as it ends.

DVC tells of every stage that it skips, starts and records, and of the whole command: a hundred
lines around the few that a person reads. What a stage says stays, beside its name and its seconds;
errors and bars are on stderr, which goes through as it is.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from fame.runtime.processes import LINES, SIGNALS

STARTED = re.compile(r"Running stage '(?:reports/dvc\.yaml:)?(.+)':$")
RESTORED = re.compile(r"Stage '(?:reports/dvc\.yaml:)?(.+)' is cached - skipping run")
SKIPPED = re.compile(r"Stage '(?:reports/dvc\.yaml:)?(.+)' didn't change, skipping$")
ENDED = re.compile(r"(Updating|Generating) lock file '")
# What DVC says of itself, and its advice on git and on a remote, which README gives in its place.
OWN = re.compile(
    r"'.+' didn't change, skipping$|Verifying data sources in stage: |"
    r"To (track the changes with git|enable auto staging), run:$|\tgit add |"
    r"\tdvc config core\.autostage |Use `dvc push` to send |\s*$"
)
# At a first run too: tables with the same blocks are the same files.
IN_CACHE = "not run: the files that it would write are in DVC's cache"
FAILED, STOPPED = "failed", "stopped"
GOES_ON = "stopped; what is finished is kept, the next run goes on from there"
NAME_WIDTH = 22
SHOWN_SKIPPED = 8


class Lines:
    """Takes DVC's lines, tells what a person reads.

    A stage is told when it ends: its name, its seconds, its own last line, the others below it.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._tell, self._clock = tell, clock
        self._stage = ""
        self._started = 0.0
        self._said: list[str] = []
        self._any = False
        self._skipped: list[str] = []

    def take(self, line: str) -> None:
        """One line of DVC's or of a stage's, without its end."""
        started, restored = STARTED.match(line), RESTORED.match(line)
        if started or restored:
            self.end()
            self._stage = (started or restored)[1]  # type: ignore[index]
            self._started = self._clock()
            if restored:
                self._said = [IN_CACHE]
        elif skipped := SKIPPED.match(line):
            self._skipped.append(skipped[1])
        elif ENDED.match(line):
            self.end()
        elif OWN.match(line) or (self._stage and not self._said and line.startswith("> ")):
            pass
        elif self._stage:
            self._said.append(line)
        else:
            self._tell(line)

    @property
    def is_stopped(self) -> bool:
        """Whether the stage that runs has said that a signal ended it."""
        return self._said[-1:] != [] and self._said[-1] in SIGNALS.values()

    def end(self, broken: str = "") -> None:
        """Tell of the stage that ran, if one did; ``broken``: how, where it came to no result."""
        if not self._stage:
            return
        seconds = f"{self._clock() - self._started:.1f} s"
        last, below = broken, self._said
        if broken == STOPPED and self.is_stopped:
            last, below = f"{STOPPED} ({below[-1]})", below[:-1]
        if not broken:
            main = [line for line in below if not line.startswith(" ")][-1:]
            below = [line for line in below if line not in main]
            last = "".join(_leave_out_name(line, self._stage) for line in main)
        self._any = True
        self._tell(f"{self._stage:<{NAME_WIDTH}} {seconds:>8}  {last}".rstrip())
        for line in below:
            self._tell(f"  {line}")
        self._stage, self._said = "", []

    def tell_skipped(self) -> None:
        """At the end, if any stage was told, tell which others did not run."""
        if self._any and self._skipped:
            few = len(self._skipped) <= SHOWN_SKIPPED
            which = ", ".join(self._skipped) if few else f"{len(self._skipped)} stages"
            self._tell(f"not run, their inputs are as recorded: {which}")


def _leave_out_name(line: str, stage: str) -> str:
    """`extract glove: 9 posts` beside the name `extract@glove` is `9 posts`."""
    head, colon, rest = line.partition(": ")
    names = {*re.split("[@_]", stage), stage.partition("@")[2]}
    return rest if colon and set(head.split()) & names else line


def reproduce(
    *arguments: str, folder: Path = Path(), environment: dict[str, str] | None = None
) -> int:
    """Run `dvc repro` in ``folder``; its exit status, 128 and more for a signal.

    On Ctrl-C DVC and its stage, which the terminal interrupts too, are waited for; SIGTERM is
    passed on to them.
    """
    environment = (os.environ if environment is None else environment) | {LINES: "1"}
    dvc = [str(Path(sys.executable).parent / "dvc"), "repro", *arguments]
    received: list[int] = []
    with subprocess.Popen(
        dvc, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:

        def pass_on(number: int, _: FrameType | None) -> None:
            received.append(number)
            if number == signal.SIGTERM:
                process.terminate()

        before = {each: signal.signal(each, pass_on) for each in (signal.SIGINT, signal.SIGTERM)}
        lines = Lines(lambda line: print(line, flush=True), time.monotonic)
        assert process.stdout is not None
        for line in process.stdout:
            lines.take(line.rstrip("\n"))
        status = process.wait()
        for each, handler in before.items():
            signal.signal(each, handler)
    is_stopped = status != 0 and (status < 0 or bool(received) or lines.is_stopped)
    lines.end(STOPPED if is_stopped else FAILED if status else "")
    lines.tell_skipped()
    if is_stopped:
        print(GOES_ON, flush=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(reproduce(*sys.argv[1:]))
