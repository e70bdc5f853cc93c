"""First on a stage's PYTHONPATH: its processes note what they may not do, and cannot do it.

That is to connect to another machine, and to look up a name for a pickle: a pickle that names
nothing runs nothing. What processes of one stage send each other through their own pipes is theirs.
"""

import os
import socket
import sys
from pathlib import Path


def watch(event, arguments):
    if event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
        refuse(f"connected to {arguments[1]}")
    elif event == "socket.getaddrinfo":
        refuse(f"looked up {arguments[0]}")
    elif event == "pickle.find_class" and not is_own_pipe():
        refuse(f"unpickled {arguments[0]}.{arguments[1]}")


def is_own_pipe():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("multiprocessing."):
            return True
        frame = frame.f_back
    return False


def refuse(told):
    note(told)
    raise RuntimeError(told)


def note(told):
    with Path(os.environ["GUARD"]).open("a", encoding="utf-8") as file:
        file.write(f"{os.environ['DVC_STAGE']}: {told}\n")


if "DVC_STAGE" in os.environ:
    sys.addaudithook(watch)
    note("guarded")
