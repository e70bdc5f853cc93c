"""A Python process of its own, where no other test has imported anything."""

import subprocess
import sys


def run_python(code, **options):
    """What ``code`` prints; one that fails is an error with what it wrote to stderr."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout
