import os
import subprocess

from fame.runtime.processes import runs


def test_a_zombie_and_a_process_that_was_waited_for_have_ended(zombie):
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert runs(os.getpid())
    assert not runs(zombie)
    assert not runs(ended.pid)
